package comet

import "github.com/valyala/bytebufferpool"

// walk is a broadcast on its way through a loop's channels.
type walk struct {
	content *bytebufferpool.ByteBuffer // JSON-escaped
	at, end uint32                     // records still to be looked at
}

// startBroadcast serves mailBroadcast. It is on its way before the next mail is
// looked at, so that where the channels are few, what one backend publishes
// keeps its order.
func (s *shard) startBroadcast(m *mail) {
	s.walks = append(s.walks, walk{content: m.buf, at: 1, end: s.channels.Used()})
	m.buf = nil
	s.runBroadcasts()
}

// runBroadcasts goes on with what is under way, one after the other, within
// the turn's budget (walkLeft); more says that it has to go on.
func (s *shard) runBroadcasts() (more bool) {
	for len(s.walks) > 0 {
		w := &s.walks[0]
		for ; w.at <= w.end; w.at++ {
			if s.walkLeft == 0 {
				return true
			}
			s.walkLeft--
			if s.channels.At(w.at).state == channelLive {
				s.append(w.at, kindBroadcast, w.content.B)
			}
		}
		putBuffer(w.content)
		s.srv.broadcasts.Add(-1)
		s.walks = append(s.walks[:0], s.walks[1:]...)
	}
	return false
}
