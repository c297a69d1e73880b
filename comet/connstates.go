package comet

import "ccomet/reactor"

// connStateRow says what becomes of a connection in one state. What is nil has
// nothing to be done; i is the index of the record that goes with the state.
type connStateRow struct {
	takes   func(s *web, i uint32, c reactor.Conn) bool // may the next request be taken? nil: no
	ended   func(s *web, i uint32, c reactor.Conn)      // the peer will send nothing more
	drained func(s *web, i uint32, c reactor.Conn)      // what was held has been written
	expired func(s *web, i uint32, c reactor.Conn)      // the time is up
	closed  func(s *web, i uint32, c reactor.Conn)      // the connection is gone
	leave   func(s *web, i uint32, c reactor.Conn)      // the server is to end
}

// connStates has a row for each state.
var connStates [numConnStates]connStateRow

func init() { // here, since what the rows name looks states up itself
	type s = *web
	connStates = [numConnStates]connStateRow{
		stateIdle: {
			takes: s.takesMore, ended: s.finishAt, drained: s.idleDrained, expired: s.giveUp, leave: s.idleLeaves,
		},
		stateRequest: {
			takes: s.takesMore, ended: s.finishAt, expired: s.requestExpired,
		},
		stateWaiting: {
			ended: s.subEnded, drained: s.subDrained, expired: s.subExpired, closed: s.subClosed, leave: s.subLeaves,
		},
		stateAnswering: {
			takes: s.pipeTakes, ended: s.pipeEnded, drained: s.pipeDrained, expired: s.pipeExpired, closed: s.pipeClosed,
		},
		stateListening: {
			ended: s.listenerEnded, drained: s.listenerDrained, expired: s.giveUp, closed: s.listenerClosed, leave: s.departs,
		},
		stateRefused: {
			takes: s.takesMore, ended: s.finishAt, expired: s.refusedExpired, leave: s.departs,
		},
		stateEnding: {
			takes: s.takesMore, ended: s.finishAt, expired: s.giveUp,
		},
	}
}

// takesMore says whether the next request may be taken of a connection that is
// between two: not of one that has not read the answer to the last.
func (w *web) takesMore(_ uint32, c reactor.Conn) bool { return !w.loop.Blocked(c) }

func (w *web) finishAt(_ uint32, c reactor.Conn) { w.finish(c) }
func (w *web) departs(_ uint32, c reactor.Conn)  { w.drain.depart(c) }

// idleDrained: it was paused until its response was read.
func (w *web) idleDrained(_ uint32, c reactor.Conn) { w.answered(c, false) }

func (w *web) idleLeaves(_ uint32, c reactor.Conn) {
	if w.parting(c) {
		w.finish(c)
	}
}

func (w *web) requestExpired(_ uint32, c reactor.Conn) {
	w.dropHalf(c)
	w.refuse(c, errTimeout)
}

func (w *web) refusedExpired(why uint32, c reactor.Conn) {
	if code(why) == codeOusted {
		w.loop.Close(c)
		return
	}
	w.refuse(c, w.whyTurnedAway(code(why)))
}

// giveUp closes a connection whose time is up: it was idle for too long, is stuck, or
// a channel's home never answered. One that has not read what is held for it counts
// as cut, whatever it had asked for.
func (w *web) giveUp(_ uint32, c reactor.Conn) {
	if w.loop.Blocked(c) {
		w.totals.slowClosed.Add(1)
	}
	w.loop.Close(c)
}

// A connection that waits is the hub's.

func (w *web) subEnded(i uint32, c reactor.Conn)   { w.hub.ended(i, c) }
func (w *web) subDrained(i uint32, c reactor.Conn) { w.hub.drained(i, c) }
func (w *web) subExpired(i uint32, c reactor.Conn) { w.hub.beat(i, c) }
func (w *web) subClosed(i uint32, c reactor.Conn)  { w.hub.closed(i, c) }
func (w *web) subLeaves(i uint32, c reactor.Conn)  { w.hub.leaves(i, c) }
