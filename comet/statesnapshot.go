package comet

// The state is written without stopping the loops: the goroutine that writes asks
// a loop for some of its channels, which are copied within one turn, writes them,
// and asks for more. Messages never change, so of a channel's history where it
// begins and how long it is will do; both the records and the list are read only by
// the one whose turn it is.

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
