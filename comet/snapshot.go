package comet

import "ccomet/reactor"

// snapshot is some of a loop's channels, as they were in one turn. The writer's, until it
// asks a loop to fill it, and again when that says that it is ready.
type snapshot struct {
	channels []snapshotChannel
	names    []byte // one behind the other
	next     uint32 // the record to go on from, 0: there are no more
}

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
	n := &b.state.batch
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
	b.state.ready <- struct{}{} // there is room: one is asked for at a time
}
