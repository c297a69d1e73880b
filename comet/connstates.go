package comet

import "ccomet/reactor"

// connStateRow says what becomes of a connection in one state. What is nil has
// nothing to be done; i is the index of the record that goes with the state.
type connStateRow struct {
	name    string                                        // in figures
	takes   func(s *shard, i uint32, c reactor.Conn) bool // may the next request be taken? nil: no
	ended   func(s *shard, i uint32, c reactor.Conn)      // the peer will send nothing more
	drained func(s *shard, i uint32, c reactor.Conn)      // what was held has been written
	expired func(s *shard, i uint32, c reactor.Conn)      // the time is up
	closed  func(s *shard, i uint32, c reactor.Conn)      // the connection is gone
	leave   func(s *shard, i uint32, c reactor.Conn)      // the server is to end
}

// connStates has a row for each state.
var connStates [numConnStates]connStateRow

func init() { // here, since what the rows name looks states up itself
	type s = *shard
	connStates = [numConnStates]connStateRow{
		stateIdle: {
			name: "idle", takes: s.takesMore, ended: s.finishAt, drained: s.idleDrained, expired: s.giveUp, leave: s.idleLeaves,
		},
		stateRequest: {
			name: "request", takes: s.takesMore, ended: s.finishAt, expired: s.requestExpired,
		},
		stateWaiting: {
			name: "waiting", ended: s.subEnded, drained: s.drained, expired: s.beat, closed: s.subClosed, leave: s.subLeaves,
		},
		stateAnswering: {
			name: "answering", takes: s.pipeTakes, ended: s.pipeEnded, drained: s.pipeDrained, expired: s.pipeExpired, closed: s.pipeClosed,
		},
		stateListening: {
			name: "listening", ended: s.listenerEnded, drained: s.listenerDrained, expired: s.giveUp, closed: s.listenerClosed, leave: s.departs,
		},
		stateRefused: {
			name: "turned_away", takes: s.takesMore, ended: s.finishAt, expired: s.refusedExpired, leave: s.departs,
		},
		stateEnding: {
			name: "ending", takes: s.takesMore, ended: s.finishAt, expired: s.giveUp,
		},
	}
	for i := range connStates {
		StateNames[i] = connStates[i].name
	}
	for i := range transports {
		TransportNames[i] = transports[i].name
	}
	TransportNames[listenJSONP] = "jsonp"
}

// takesMore says whether the next request may be taken of a connection that is
// between two: not of one that has not read the answer to the last.
func (s *shard) takesMore(_ uint32, c reactor.Conn) bool { return !s.loop.Blocked(c) }

func (s *shard) finishAt(_ uint32, c reactor.Conn) { s.finish(c) }
func (s *shard) departs(_ uint32, c reactor.Conn)  { s.drain.depart(c) }

// idleDrained: it was paused until its response was read.
func (s *shard) idleDrained(_ uint32, c reactor.Conn) { s.answered(c, false) }

func (s *shard) idleLeaves(_ uint32, c reactor.Conn) {
	if s.parting(c) {
		s.finish(c)
	}
}

func (s *shard) requestExpired(_ uint32, c reactor.Conn) {
	s.dropHalf(c)
	s.refuse(c, errTimeout)
}

func (s *shard) refusedExpired(why uint32, c reactor.Conn) {
	if code(why) == codeOusted {
		s.loop.Close(c)
		return
	}
	s.refuse(c, s.whyTurnedAway(code(why)))
}

// giveUp closes a connection whose time is up: it was idle for too long, is stuck, or
// a channel's home never answered. One that has not read what is held for it counts
// as cut, whatever it had asked for.
func (s *shard) giveUp(_ uint32, c reactor.Conn) {
	if s.loop.Blocked(c) {
		s.totals.slowClosed.Add(1)
	}
	s.loop.Close(c)
}
