package comet

// The state is written without stopping the loops: the goroutine that writes asks
// a loop for some of its channels, which are copied within one turn, writes them,
// and asks for more. Messages never change, so of a channel's history where it
// begins and how long it is will do; both the records and the list are read only by
// the one whose turn it is.

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
