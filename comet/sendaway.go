package comet

import (
	"ccomet/reactor"
	"time"
)

// sendAway ends what a connection waits for, so that its client comes back: a
// poll with a noop, anything else in the middle. CComet's dialect has no answer
// that a client would not take for an error, so its polls are cut too.
func (s *shard) sendAway(owner uint32, c reactor.Conn) {
	sub, waiting := s.subs.At(owner), s.waiting(owner)
	switch {
	case s.loop.Blocked(c) || sub.transport.row().sessions:
	case waiting == 0: // its channel's home has not answered yet
		s.drain.depart(c)
		return
	case sub.poll():
		sub.flags |= subClose
		s.finishEmptyPoll(owner, waiting)
		return
	case sub.transport.row().events:
		s.object = appendObject(s.object[:0], kindError503, s.rosterName(s.subs.At(waiting).roster), 0, stopping)
		s.scratch = appendFrame(s.scratch[:0], sub.framing(), s.object, eventID{retry: s.leaveTime()})
		_ = s.loop.Write(c, s.scratch) // a lost connection is told to Closed
		s.endStream(owner, c)
		return
	}
	s.loop.Close(c)
}

const stopping = "the server is stopping"

// retryJitter is how much the times that browsers are told differ.
const retryJitter = 1000 // milliseconds

// leaveTime is when a browser is told to come back, in milliseconds: after as
// long as the drain takes. Then this server is gone, and who serves in its place
// sees them come spread as they went. Sooner, a proxy might have nobody to ask, and
// its 502 would end a browser's asking for good.
func (s *shard) leaveTime() int64 {
	return s.srv.span.Load()/int64(time.Millisecond) + int64(s.rng.next()%retryJitter)
}
