package bench

// idlers are connections that receive nothing while a server is upgraded. Their channels keep
// messages.
type idlers struct {
	*swarm
	run       *run
	publisher *child
	channels  int
}

// idleChannel is the first channel of the idlers. No other client uses these channels.
const idleChannel = 1 << 24

// openIdlers opens n idle connections, and publishes history messages to each of their
// channels.
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

// send publishes messages to all idle channels, and waits until they have arrived.
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
