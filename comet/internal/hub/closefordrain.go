package hub

import (
	"time"

	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/msg"
	"ccomet/reactor"
)

// closeForDrain ends what a connection waits for, in a way that makes its client come
// back: a poll ends with a noop, any other response in the middle. A client with a session
// treats any answer as an error, so its polls are cut, too.
func (h *Hub) closeForDrain(owner uint32, c reactor.Conn) {
	sub, waiting := h.Subs.At(owner), h.Subs.waiting(owner)
	switch {
	case sub.socket() && !h.loop.Blocked(c):
		h.Sockets.drainSocket(owner, c)
		return
	case h.loop.Blocked(c) || sub.Transport.Row().Sessions:
	case waiting == 0: // its channel's home has not answered yet
		h.drain.ScheduleClose(c)
		return
	case sub.poll():
		sub.Flags |= SubCloseAfter
		h.finishEmptyPoll(owner, waiting)
		return
	case sub.Transport.Row().Events:
		h.Object = msg.AppendObject(h.Object[:0], msg.Error503, h.Rosters.name(h.Subs.At(waiting).Roster), 0, Stopping)
		h.Scratch = frame.AppendFrame(h.Scratch[:0], sub.framing(), h.Object, frame.EventID{Retry: h.leaveTime()})
		_ = h.loop.Write(c, h.Scratch) // the loop reports a lost connection to Closed
		h.endStream(owner, c)
		return
	}
	h.loop.Close(c)
}

const Stopping = "the server is stopping"

// retryJitter is the spread of the times at which browsers come back.
const retryJitter = 1000 // milliseconds

// leaveTime returns after how many milliseconds a browser should come back: the duration
// of the drain, and some jitter. Then this server is gone, and its successor sees browsers
// come spread as they left. Earlier, a proxy might find no server, and its 502 would end a
// browser's reconnecting for good.
func (h *Hub) leaveTime() int64 {
	return h.drain.Span.Load()/int64(time.Millisecond) + int64(h.Rng.Next()%retryJitter)
}
