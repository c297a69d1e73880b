package web

import (
	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/mail"
	"ccomet/reactor"
)

// connStateRow says what becomes of a connection in one state. What is nil has
// nothing to be done; i is the index of the record that goes with the state.
type connStateRow struct {
	takes   func(s *Web, i uint32, c reactor.Conn) bool // may the next request be taken? nil: no
	ended   func(s *Web, i uint32, c reactor.Conn)      // the peer will send nothing more
	drained func(s *Web, i uint32, c reactor.Conn)      // what was held has been written
	expired func(s *Web, i uint32, c reactor.Conn)      // the time is up
	closed  func(s *Web, i uint32, c reactor.Conn)      // the connection is gone
	leave   func(s *Web, i uint32, c reactor.Conn)      // the server is to end
}

// connStates has a row for each state.
var connStates [conn.NumStates]connStateRow

func init() { // here, since what the rows name looks states up itself
	type s = *Web
	connStates = [conn.NumStates]connStateRow{
		conn.Idle: {
			takes: s.takesMore, ended: s.finishAt, drained: s.idleDrained, expired: s.giveUp, leave: s.idleLeaves,
		},
		conn.Request: {
			takes: s.takesMore, ended: s.finishAt, expired: s.requestExpired,
		},
		conn.Waiting: {
			ended: s.subEnded, drained: s.subDrained, expired: s.subExpired, closed: s.subClosed, leave: s.subLeaves,
		},
		conn.Answering: {
			takes: s.pipelineTakes, ended: s.pipelineEnded, drained: s.pipelineDrained, expired: s.pipelineExpired, closed: s.pipelineClosed,
		},
		conn.Listening: {
			ended: s.listenerEnded, drained: s.listenerDrained, expired: s.giveUp, closed: s.listenerClosed, leave: s.leavesLater,
		},
		conn.Refused: {
			takes: s.takesMore, ended: s.finishAt, expired: s.refusedExpired, leave: s.leavesLater,
		},
		conn.Ending: {
			takes: s.takesMore, ended: s.finishAt, expired: s.giveUp,
		},
	}
}

// takesMore says whether the next request may be taken of a connection that is
// between two: not of one that has not read the answer to the last.
func (w *Web) takesMore(_ uint32, c reactor.Conn) bool { return !w.loop.Blocked(c) }

func (w *Web) finishAt(_ uint32, c reactor.Conn)    { w.Finish(c) }
func (w *Web) leavesLater(_ uint32, c reactor.Conn) { w.drain.ScheduleClose(c) }

// idleDrained: it was paused until its response was read.
func (w *Web) idleDrained(_ uint32, c reactor.Conn) { w.Answered(c, false) }

func (w *Web) idleLeaves(_ uint32, c reactor.Conn) {
	if w.closesAfterReply(c) {
		w.Finish(c)
	}
}

func (w *Web) requestExpired(_ uint32, c reactor.Conn) {
	w.dropPartial(c)
	w.Refuse(c, errTimeout)
}

func (w *Web) refusedExpired(why uint32, c reactor.Conn) {
	if mail.Code(why) == mail.CodeTakenOver {
		w.loop.Close(c)
		return
	}
	w.Refuse(c, w.whyRefused(mail.Code(why)))
}

// giveUp closes a connection whose time is up: it was idle for too long, is stuck, or
// a channel's home never answered. One that has not read what is held for it counts
// as cut, whatever it had asked for.
func (w *Web) giveUp(_ uint32, c reactor.Conn) {
	if w.loop.Blocked(c) {
		w.totals.SlowClosed.Add(1)
	}
	w.loop.Close(c)
}

// A connection that waits is the hub's.

func (w *Web) subEnded(i uint32, c reactor.Conn)   { w.hub.Ended(i, c) }
func (w *Web) subDrained(i uint32, c reactor.Conn) { w.hub.Drained(i, c) }
func (w *Web) subExpired(i uint32, c reactor.Conn) { w.hub.Beat(i, c) }
func (w *Web) subClosed(i uint32, c reactor.Conn)  { w.hub.Closed(i, c) }
func (w *Web) subLeaves(i uint32, c reactor.Conn)  { w.hub.Leaves(i, c) }
