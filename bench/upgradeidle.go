package bench

// idlers are connections that hear nothing while a server is upgraded, with what their
// channels keep.
type idlers struct {
	*swarm
	run       *run
	publisher *child
	channels  int
}

// idleChannel is the first of those that only idlers wait for.
const idleChannel = 1 << 24

// openIdlers opens n of them, and has each of their channels keep some messages.
func (r *run) openIdlers(n, history int) (*idlers, error) {
	i := &idlers{swarm: r.swarm(idleChannel, r.Own), run: r, channels: 1}
	if r.Own {
		i.channels = n
	}
	r.Progress.begin("idle connections", int64(n))
	i.onMove(func(subscribed, _ int64) { r.Progress.at(subscribed) })
	err := i.open(r.ctx, n, 1)
	if err == nil {
		i.publisher, err = r.publisherOf(publisherConfig{Channel: idleChannel, Channels: i.channels, Connections: 16, Depth: 16})
	}
	if err == nil && history > 0 {
		err = i.send(history)
	}
	i.onMove(func(int64, int64) {})
	return i, err
}

// send sends messages to all of them, and waits until these are there.
func (i *idlers) send(messages int) error {
	i.run.Progress.begin("messages of idle channels", i.expected()+int64(messages*i.subscribers()))
	i.onMove(func(_, received int64) { i.run.Progress.at(received) })
	if err := i.expect(messages); err != nil {
		return err
	}
	if _, err := i.publisher.ask(i.run.ctx, "published", "publish %d", messages*i.channels); err != nil {
		return err
	}
	err := i.run.arrived(i.swarm)
	i.onMove(func(int64, int64) {})
	return err
}
