package comet

import (
	"github.com/valyala/bytebufferpool"

	"ccomet/reactor"
)

// walk is something on its way through a loop's channels: a broadcast to each,
// or a roll call, for a listener to /psub that wants to know at once which live.
type walk struct {
	content *bytebufferpool.ByteBuffer // of a broadcast, JSON-escaped; nil for a roll call
	conn    reactor.Conn               // whom a roll call is for
	loop    uint8                      // and where
	at, end uint32                     // records still to be looked at
}

// maxWalks bounds the walks that are not through, counted on each loop.
const maxWalks = 1024

// walkAll starts a walk on every loop; false: too many are under way. Each loop
// takes a copy of the content.
func (s *shard) walkAll(m mail) bool {
	if s.srv.walks.Load() > maxWalks {
		return false
	}
	s.srv.walks.Add(int64(len(s.srv.shards)))
	for i := range s.srv.shards {
		if m.kind == mailBroadcast {
			m.buf = nameBuffer(m.content())
		}
		s.send(uint8(i), m)
	}
	return true
}

// startWalk serves mailBroadcast and mailRollCall. It is on its way before the
// next mail is looked at, so that where the channels are few, what one backend
// publishes keeps its order.
func (s *shard) startWalk(m *mail) {
	s.pending = append(s.pending, walk{content: m.buf, conn: m.conn, loop: m.from, at: 1, end: s.channels.Used()})
	m.buf = nil
	s.runWalks()
}

// runWalks goes on with what is under way, one after the other, within the
// turn's budget (walkLeft); more says that it has to go on.
func (s *shard) runWalks() (more bool) {
	for len(s.pending) > 0 {
		w := &s.pending[0]
		if w.content == nil {
			s.callRoll(w)
		} else {
			s.broadcastOn(w)
		}
		if w.at <= w.end {
			return true
		}
		if w.content != nil {
			putBuffer(w.content)
		}
		s.srv.walks.Add(-1)
		s.pending = append(s.pending[:0], s.pending[1:]...)
	}
	return false
}

// next is the next live channel of a walk, 0 when its end is reached or the
// turn's budget.
func (s *shard) next(w *walk) uint32 {
	for w.at <= w.end && s.walkLeft > 0 {
		s.walkLeft--
		w.at++
		if i := w.at - 1; s.channels.At(i).state == channelLive && s.channels.At(i).dialect == dialectOurs {
			return i
		}
	}
	return 0
}

func (s *shard) broadcastOn(w *walk) {
	for i := s.next(w); i != 0; i = s.next(w) {
		s.append(i, kindBroadcast, w.content.B)
	}
}

// callRoll mails a listener the names of some channels that live.
func (s *shard) callRoll(w *walk) {
	var lines []byte
	for i := s.next(w); i != 0; i = s.next(w) {
		lines = appendPresence(lines, true, s.names.get(s.channels.At(i).name()))
	}
	if len(lines) > 0 {
		s.send(w.loop, mail{kind: mailPresence, conn: w.conn, msg: &message{json: lines}})
	}
}
