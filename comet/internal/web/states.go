package web

import (
	"time"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/mail"
	"ccomet/reactor"
)

// connStateRow says what becomes of a connection in one state, and what it is. What is nil
// has nothing to be done, or is no; i is the index of the record that goes with the state.
type connStateRow struct {
	// received takes what has arrived where that is no request, and returns how much it was.
	received func(w *Web, i uint32, c reactor.Conn, p []byte) int

	takes   func(w *Web, i uint32, c reactor.Conn) bool // may the next request be taken?
	ended   func(w *Web, i uint32, c reactor.Conn)      // the peer will send nothing more
	drained func(w *Web, i uint32, c reactor.Conn)      // what was held has been written
	expired func(w *Web, i uint32, c reactor.Conn)      // the time is up
	closed  func(w *Web, i uint32, c reactor.Conn)      // the connection is gone
	leave   func(w *Web, i uint32, c reactor.Conn)      // the server is to end

	// Where requests are taken: the parser of the next one, if that has begun to arrive (0:
	// it has not), and how it is kept, or taken off (0).
	partial     func(w *Web, i uint32) uint32
	keepPartial func(w *Web, i uint32, c reactor.Conn, partial uint32)

	evictable func(w *Web, i uint32, c reactor.Conn) bool // may it be closed to make room, at once?
	// owed is how long the peer may take for what it owes, which the connection's timer
	// counts; below zero: it owes nothing. One that takes long may be evicted.
	owed func(w *Web, i uint32, c reactor.Conn) time.Duration
	idle bool // nothing is under way, so that a backend loses nothing when it ends
}

// connStates has a row for each state: a new state is a new row, and what it does.
var connStates [conn.NumStates]connStateRow

func init() { // here, since what the rows name looks states up itself
	connStates = [conn.NumStates]connStateRow{
		conn.Idle: {
			takes: takesMore, ended: finishAt, drained: idleDrained, expired: giveUp, leave: idleLeaves,
			keepPartial: beginPartial, evictable: idleEvictable, owed: idleOwed, idle: true,
		},
		conn.Request: {
			takes: takesMore, ended: finishAt, expired: requestExpired,
			partial: requestPartial, keepPartial: beginPartial, owed: requestOwed,
		},
		conn.Waiting: { // the connection is the hub's
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

// takesMore says whether the next request may be taken of a connection that is
// between two: not of one that has not read the answer to the last.
func takesMore(w *Web, _ uint32, c reactor.Conn) bool { return !w.loop.Blocked(c) }

func finishAt(w *Web, _ uint32, c reactor.Conn)    { w.Finish(c) }
func leavesLater(w *Web, _ uint32, c reactor.Conn) { w.drain.ScheduleClose(c) }

// idleDrained: the connection was paused until its response was read.
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

// beginPartial keeps the parser of a request that has begun to arrive, or takes it off.
func beginPartial(w *Web, _ uint32, c reactor.Conn, partial uint32) {
	if partial != 0 {
		w.SetState(c, conn.Request, partial)
	} else {
		w.SetState(c, conn.Idle, 0)
	}
}

func requestPartial(w *Web, i uint32) uint32 { return i }

// idleEvictable: a connection may be closed between two requests, but not before the first,
// which may be on its way.
func idleEvictable(w *Web, i uint32, _ reactor.Conn) bool { return i == conn.IdleServed }

// endingEvictable: the client has read all, and only has to close.
func endingEvictable(w *Web, _ uint32, c reactor.Conn) bool { return !w.loop.Blocked(c) }

func idleOwed(w *Web, _ uint32, c reactor.Conn) time.Duration {
	if w.loop.Blocked(c) {
		return -1 // it reads an answer
	}
	return w.cfg.RequestTimeout
}

func requestOwed(w *Web, i uint32, _ reactor.Conn) time.Duration {
	if w.parsers.body[i] {
		return w.cfg.BodyTimeout
	}
	return w.cfg.RequestTimeout
}

// giveUp closes a connection whose time is up: it was idle for too long, is stuck, or
// a channel's home never answered. One that has not read what is held for it counts
// as a slow consumer, whatever it had asked for.
func giveUp(w *Web, _ uint32, c reactor.Conn) {
	if w.loop.Blocked(c) {
		w.totals.SlowClosed.Add(1)
	}
	w.loop.Close(c)
}
