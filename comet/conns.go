package comet

import "ccomet/reactor"

// connState is what a connection is doing. It stands in three bits of the word
// that the reactor keeps for each connection, before the index of the record that
// goes with it. What each state answers to is one row of connStates.
type connState uint32

const (
	stateIdle      connState = iota // between requests, or before the first; the index: idleServed, or 0
	stateRequest                    // a request has begun to arrive: halves
	stateWaiting                    // it waits for messages: subs
	stateAnswering                  // it waits for answers: pipes
	stateListening                  // it listens to /psub; the index: how its response is framed
	stateRefused                    // it is refused when its time is up; the index: a code
	stateEnding                     // all is said
	numConnStates
)

// connStateNames are those of figures.
var connStateNames = [numConnStates]string{
	stateIdle: "idle", stateRequest: "request", stateWaiting: "waiting", stateAnswering: "answering",
	stateListening: "listening", stateRefused: "turned_away", stateEnding: "ending",
}

// idleServed is the index that goes with stateIdle once a request has been answered.
const idleServed uint32 = 1

const connStateShift = 29

func connWord(st connState, index uint32) uint32 { return uint32(st)<<connStateShift | index }

// conns are the connections of a loop, by what they do, which is counted as it
// changes.
type conns struct {
	loop  *reactor.Loop
	count [sides][numConnStates]int64
}

// side is where a connection came in.
func (k *conns) side(c reactor.Conn) uint8 { return k.loop.Tag(c) & tagSide }

// opened counts a new connection, which is idle.
func (k *conns) opened(c reactor.Conn) { k.count[k.side(c)][stateIdle]++ }

// state is what a connection is doing, and the index of the record that goes with
// it.
func (k *conns) state(c reactor.Conn) (st connState, index uint32) {
	word := k.loop.User(c)
	return connState(word >> connStateShift), word & (1<<connStateShift - 1)
}

// setState has a connection do something else.
func (k *conns) setState(c reactor.Conn, st connState, index uint32) {
	was, _ := k.state(c)
	count := &k.count[k.side(c)]
	count[was]--
	count[st]++
	k.loop.SetUser(c, connWord(st, index))
}

// clearState takes a connection off the count, and returns what it was doing.
func (k *conns) clearState(c reactor.Conn) (st connState, index uint32) {
	st, index = k.state(c)
	k.count[k.side(c)][st]--
	return st, index
}
