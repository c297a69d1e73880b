package comet

import "ccomet/reactor"

// snapshot is some of a loop's channels, as they were in one turn. The writer's, until it
// asks a loop to fill it, and again when that says that it is ready.
type snapshot struct {
	channels []snapshotChannel
	names    []byte // one behind the other
	next     uint32 // the record to go on from, 0: there are no more
}

// snapshots is how whoever writes the state and the brokers hand a snapshot to each other.
type snapshots struct {
	batch snapshot
	ready chan struct{} // a loop has filled the batch
}

func newSnapshots() *snapshots { return &snapshots{ready: make(chan struct{}, 1)} }

type snapshotChannel struct {
	saved savedChannel // but for its name
	len   uint8        // of which
	kept  run
}

func (n *snapshot) add(b *broker, ch *channel) {
	c := snapshotChannel{saved: savedChannel{next: ch.next, epoch: ch.gen, dialect: ch.dialect}, len: ch.nameLen}
	if ch.lease.Armed() {
		left := int32(ch.lease.Due() - b.loop.Tick()) // the wheel's ticks wrap
		c.saved.lease = b.loop.Now().UnixMilli() + int64(left)*reactor.TickLength.Milliseconds()
	}
	c.kept, _ = b.from(ch, b.oldest(ch))
	c.saved.n = uint32(c.kept.n)
	n.channels = append(n.channels, c)
	n.names = append(n.names, b.names.get(ch.name())...)
}

// snapshot serves mailSnapshot.
func (b *broker) snapshot(m *mail) {
	n := &b.snapshots.batch
	at, used := m.slot, b.channels.Used()
	for range walkBudget {
		if at > used {
			break
		}
		if ch := b.channels.At(at); ch.state == channelLive {
			n.add(b, ch)
		}
		at++
	}
	if at <= used {
		n.next = at
	}
	b.snapshots.ready <- struct{}{} // there is room: one is asked for at a time
}

// take empties a snapshot into a file.
func (b *snapshot) take(w *stateWriter) {
	names := b.names
	for i := range b.channels {
		c := &b.channels[i]
		c.saved.name, names = names[:c.len], names[c.len:]
		w.channel(&c.saved)
		for msg, n := c.kept.first, int32(c.kept.n); n > 0; msg, n = msg.after(n), n-1 {
			if msg.shared != nil {
				w.shared(msg.kind, msg.seq, msg.content)
			} else {
				w.message(msg.kind, msg.seq, msg.content)
			}
		}
	}
	b.channels, b.names = emptied(b.channels), b.names[:0]
}
