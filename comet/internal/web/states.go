package web

import (
	"time"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/mail"
	"ccomet/reactor"
)

// connStateRow tells how connections in one state react to events. A nil function does nothing,
// or returns false. i is the index that belongs to the state.
type connStateRow struct {
	// received handles input that is not a request, and returns how many bytes it consumed.
	received func(w *Web, i uint32, c reactor.Conn, p []byte) int

	takes   func(w *Web, i uint32, c reactor.Conn) bool // may the next request be parsed?
	ended   func(w *Web, i uint32, c reactor.Conn)      // the peer will send nothing more
	drained func(w *Web, i uint32, c reactor.Conn)      // the buffered output has been written
	expired func(w *Web, i uint32, c reactor.Conn)      // the connection's timer has fired
	closed  func(w *Web, i uint32, c reactor.Conn)      // the connection is gone
	leave   func(w *Web, i uint32, c reactor.Conn)      // the server is draining

	// For states that accept requests: partial returns the parser of an incomplete request, or
	// 0, and keepPartial sets it.
	partial     func(w *Web, i uint32) uint32
	keepPartial func(w *Web, i uint32, c reactor.Conn, partial uint32)

	evictable func(w *Web, i uint32, c reactor.Conn) bool // may the connection be closed at once to make room?
	// owed returns how long the client may take for what the connection's timer waits for, or a
	// negative value if it waits for nothing. A client that takes long may be evicted.
	owed func(w *Web, i uint32, c reactor.Conn) time.Duration
	idle bool // no request is under way, so a backend loses nothing if the server ends
}

// connStates has one row for each state.
var connStates [conn.NumStates]connStateRow

func init() { // in init to avoid an initialization cycle: the functions use connStates
	connStates = [conn.NumStates]connStateRow{
		conn.Idle: {
			takes: takesMore, ended: finishAt, drained: idleDrained, expired: giveUp, leave: idleLeaves,
			keepPartial: beginPartial, evictable: idleEvictable, owed: idleOwed, idle: true,
		},
		conn.Request: {
			takes: takesMore, ended: finishAt, expired: requestExpired,
			partial: requestPartial, keepPartial: beginPartial, owed: requestOwed,
		},
		conn.Waiting: { // the hub serves the connection
			ended:   func(w *Web, i uint32, c reactor.Conn) { w.hub.Ended(i, c) },
			drained: func(w *Web, i uint32, c reactor.Conn) { w.hub.Drained(i, c) },
			expired: func(w *Web, i uint32, c reactor.Conn) { w.hub.Beat(i, c) },
			closed:  func(w *Web, i uint32, c reactor.Conn) { w.hub.Closed(i, c) },
			leave:   func(w *Web, i uint32, c reactor.Conn) { w.hub.Leaves(i, c) },
		},
		conn.WebSocket: {
			received: socketReceived, takes: socketTakes, ended: socketEnded, drained: socketDrained,
			expired: socketExpired, closed: socketClosed, leave: socketLeaves,
		},
		conn.Answering: {
			takes: pipelineTakes, ended: pipelineEnded, drained: pipelineDrained, expired: pipelineExpired, closed: pipelineClosed,
			partial: pipelinePartial, keepPartial: pipelineKeepPartial,
		},
		conn.Listening: {
			ended: listenerEnded, drained: listenerDrained, expired: giveUp, closed: listenerClosed, leave: leavesLater,
		},
		conn.Refused: {
			takes: takesMore, ended: finishAt, expired: refusedExpired, leave: leavesLater,
			keepPartial: beginPartial,
		},
		conn.Ending: {
			takes: takesMore, ended: finishAt, expired: giveUp,
			keepPartial: beginPartial, evictable: endingEvictable, idle: true,
		},
	}
}

// takesMore reports whether the next request may be parsed. While the client has not read the
// last answer, it may not.
func takesMore(w *Web, _ uint32, c reactor.Conn) bool { return !w.loop.Blocked(c) }

func finishAt(w *Web, _ uint32, c reactor.Conn)    { w.Finish(c) }
func leavesLater(w *Web, _ uint32, c reactor.Conn) { w.drain.ScheduleClose(c) }

// idleDrained is called when a paused connection has read its response.
func idleDrained(w *Web, _ uint32, c reactor.Conn) { w.Answered(c, false) }

func idleLeaves(w *Web, _ uint32, c reactor.Conn) {
	if w.closesAfterReply(c) {
		w.Finish(c)
	}
}

func requestExpired(w *Web, _ uint32, c reactor.Conn) {
	w.parsers.drop(c)
	w.Refuse(c, errTimeout)
}

func refusedExpired(w *Web, why uint32, c reactor.Conn) {
	if mail.Code(why) == mail.CodeTakenOver {
		w.loop.Close(c)
		return
	}
	w.Refuse(c, w.cfg.whyRefused(mail.Code(why)))
}

// beginPartial sets or clears the parser of an incomplete request.
func beginPartial(w *Web, _ uint32, c reactor.Conn, partial uint32) {
	if partial != 0 {
		w.SetState(c, conn.Request, partial)
	} else {
		w.SetState(c, conn.Idle, 0)
	}
}

func requestPartial(w *Web, i uint32) uint32 { return i }

// idleEvictable permits eviction between two requests, but not before the first, which may be
// under way.
func idleEvictable(w *Web, i uint32, _ reactor.Conn) bool { return i == conn.IdleServed }

// endingEvictable permits eviction if the client has read everything and only has to close.
func endingEvictable(w *Web, _ uint32, c reactor.Conn) bool { return !w.loop.Blocked(c) }

func idleOwed(w *Web, _ uint32, c reactor.Conn) time.Duration {
	if w.loop.Blocked(c) {
		return -1 // it is still reading an answer
	}
	return w.cfg.RequestTimeout
}

func requestOwed(w *Web, i uint32, _ reactor.Conn) time.Duration {
	if w.parsers.body[i] {
		return w.cfg.BodyTimeout
	}
	return w.cfg.RequestTimeout
}

// giveUp closes a connection whose timer has fired: it was idle for too long, does not read, or
// a channel's home has not answered. If its output is blocked it counts as a slow consumer,
// whatever it had requested.
func giveUp(w *Web, _ uint32, c reactor.Conn) {
	if w.loop.Blocked(c) {
		w.totals.SlowClosed.Add(1)
	}
	w.loop.Close(c)
}
