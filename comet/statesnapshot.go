package comet

import (
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/statefile"
)

// The state is written without stopping the loops. The writing goroutine asks a loop
// for some of its channels. A broker copies them within one turn; the goroutine
// writes them and asks for more. Messages never change, so a snapshot refers to them
// (broker.Snapshot). Only one of the two has the snapshot at a time.

// writeChannels writes the channels of all loops. A write that is not the final one
// gives up when the final one is requested.
func (st *state) writeChannels(srv *Server, w *statefile.Writer, clean bool) (channels int, err error) {
	final := st.final
	if clean {
		final = nil
	}
	for _, s := range srv.shards {
		for at := uint32(1); at != 0; at = st.Batch.Next {
			select {
			case <-final:
				return 0, errGivenUp
			default:
			}
			st.Batch.Next = 0
			s.Inbox.Post(mail.FromRecord(mail.Snapshot, at))
			select {
			case <-st.Ready:
			case <-st.over:
				return 0, errGivenUp
			}
			channels += len(st.Batch.Channels)
			if st.Batch.Take(w); w.Err != nil {
				return 0, w.Err
			}
		}
	}
	return channels, nil
}
