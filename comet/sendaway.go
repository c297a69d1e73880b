package comet

import (
	"ccomet/reactor"
	"time"
)

// sendAway ends what a connection waits for, so that its client comes back: a
// poll with a noop, anything else in the middle. CComet's dialect has no answer
// that a client would not take for an error, so its polls are cut too.
func (h *hub) sendAway(owner uint32, c reactor.Conn) {
	sub, waiting := h.subs.At(owner), h.waiting(owner)
	switch {
	case h.loop.Blocked(c) || sub.transport.row().sessions:
	case waiting == 0: // its channel's home has not answered yet
		h.drain.depart(c)
		return
	case sub.poll():
		sub.flags |= subClose
		h.finishEmptyPoll(owner, waiting)
		return
	case sub.transport.row().events:
		h.object = appendObject(h.object[:0], kindError503, h.rosterName(h.subs.At(waiting).roster), 0, stopping)
		h.scratch = appendFrame(h.scratch[:0], sub.framing(), h.object, eventID{retry: h.leaveTime()})
		_ = h.loop.Write(c, h.scratch) // a lost connection is told to Closed
		h.endStream(owner, c)
		return
	}
	h.loop.Close(c)
}

const stopping = "the server is stopping"

// retryJitter is how much the times that browsers are told differ.
const retryJitter = 1000 // milliseconds

// leaveTime is when a browser is told to come back, in milliseconds: after as
// long as the drain takes. Then this server is gone, and who serves in its place
// sees them come spread as they went. Sooner, a proxy might have nobody to ask, and
// its 502 would end a browser's asking for good.
func (h *hub) leaveTime() int64 {
	return h.drain.span.Load()/int64(time.Millisecond) + int64(h.rng.next()%retryJitter)
}
