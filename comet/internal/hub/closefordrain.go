package hub

import (
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/msg"
	"ccomet/reactor"
	"time"
)

// sendAway ends what a connection waits for, so that its client comes back: a
// poll with a noop, anything else in the middle. CComet's dialect has no answer
// that a client would not take for an error, so its polls are cut too.
func (h *Hub) closeForDrain(owner uint32, c reactor.Conn) {
	sub, waiting := h.Subs.At(owner), h.waiting(owner)
	switch {
	case h.loop.Blocked(c) || sub.Transport.Row().Sessions:
	case waiting == 0: // its channel's home has not answered yet
		h.drain.ScheduleClose(c)
		return
	case sub.poll():
		sub.Flags |= SubCloseAfter
		h.finishEmptyPoll(owner, waiting)
		return
	case sub.Transport.Row().Events:
		h.Object = msg.AppendObject(h.Object[:0], msg.Error503, h.rosterName(h.Subs.At(waiting).Roster), 0, Stopping)
		h.Scratch = frame.AppendFrame(h.Scratch[:0], sub.framing(), h.Object, frame.EventID{Retry: h.leaveTime()})
		_ = h.loop.Write(c, h.Scratch) // a lost connection is told to Closed
		h.endStream(owner, c)
		return
	}
	h.loop.Close(c)
}

const Stopping = "the server is stopping"

// retryJitter is how much the times that browsers are told differ.
const retryJitter = 1000 // milliseconds

// leaveTime is when a browser is told to come back, in milliseconds: after as
// long as the drain takes. Then this server is gone, and who serves in its place
// sees them come spread as they went. Sooner, a proxy might have nobody to ask, and
// its 502 would end a browser's asking for good.
func (h *Hub) leaveTime() int64 {
	return h.drain.Span.Load()/int64(time.Millisecond) + int64(h.Rng.Next()%retryJitter)
}
