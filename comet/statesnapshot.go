package comet

import "ccomet/reactor"

// The state is written without stopping the loops: the goroutine that writes asks
// a loop for some of its channels, which are copied within one turn, writes them,
// and asks for more. Messages never change, so of a channel's history where it
// begins and how long it is will do; both the records and the list are read only by
// the one whose turn it is.

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

// snapshot serves mailSnapshot.
func (s *shard) snapshot(m *mail) {
	b := &s.srv.state.batch
	at, used := m.slot, s.channels.Used()
	for range walkBudget {
		if at > used {
			break
		}
		if ch := s.channels.At(at); ch.state == channelLive {
			b.add(s, ch)
		}
		at++
	}
	if at <= used {
		b.next = at
	}
	s.srv.state.ready <- struct{}{} // there is room: one is asked for at a time
}

func (b *snapshot) add(s *shard, ch *channel) {
	c := snapshotChannel{saved: savedChannel{next: ch.next, epoch: ch.gen, dialect: ch.dialect}, len: ch.nameLen}
	if ch.lease.Armed() {
		left := int32(ch.lease.Due() - s.loop.Tick()) // the wheel's ticks wrap
		c.saved.lease = s.loop.Now().UnixMilli() + int64(left)*reactor.TickLength.Milliseconds()
	}
	c.kept, _ = s.from(ch, s.oldest(ch))
	c.saved.n = uint32(c.kept.n)
	b.channels = append(b.channels, c)
	b.names = append(b.names, s.names.get(ch.name())...)
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

// writeChannels writes what all loops have. One that is not the last gives up when
// the last is wanted.
func (st *state) writeChannels(srv *Server, w *stateWriter, clean bool) (channels int, err error) {
	final := st.final
	if clean {
		final = nil
	}
	for _, s := range srv.shards {
		for at := uint32(1); at != 0; at = st.batch.next {
			select {
			case <-final:
				return 0, errGivenUp
			default:
			}
			st.batch.next = 0
			s.inbox.Post(mail{kind: mailSnapshot, slot: at})
			select {
			case <-st.ready:
			case <-st.over:
				return 0, errGivenUp
			}
			channels += len(st.batch.channels)
			if st.batch.take(w); w.err != nil {
				return 0, w.err
			}
		}
	}
	return channels, nil
}
