// Package conn has the states of connections, and the sides at which they arrive.
package conn

import "ccomet/reactor"

// State is what a connection is doing. It is three bits of the word that the reactor stores
// for each connection; the other bits are the index of the record that goes with it. The
// web has a table with a row for each state, which says how it handles events.
type State uint32

const (
	Idle      State = iota // between requests, or before the first; the index: IdleServed, or 0
	Request                // a request has begun to arrive; the index: its parser
	Waiting                // it waits for messages; the index: its subscriber
	Answering              // it waits for answers; the index: its pipeline
	Listening              // it listens to /psub; the index: how its response is framed
	Refused                // it is refused when its timer fires; the index: a code
	Ending                 // everything was sent; the index: EndingCounted, or 0
	WebSocket              // messages go both ways; the index: its subscriber
	NumStates
)

// StateNames are the names of states in figures.
var StateNames = [NumStates]string{
	Idle: "idle", Request: "request", Waiting: "waiting", Answering: "answering",
	Listening: "listening", Refused: "refused", Ending: "ending", WebSocket: "websocket",
}

// IdleServed is the index that goes with Idle after a request was answered.
const IdleServed uint32 = 1

// EndingCounted is the index that goes with Ending if the client was counted as one that
// does not read.
const EndingCounted uint32 = 1

const connStateShift = 29

// Word returns a state and an index as the word that the reactor stores.
func Word(st State, index uint32) uint32 { return uint32(st)<<connStateShift | index }

// Table has the states of a loop's connections, and counts them as they change. It
// belongs to the loop's goroutine.
type Table struct {
	Loop  *reactor.Loop
	Count [NumSides][NumStates]int64
}

// Side returns the side at which a connection has arrived.
func (k *Table) Side(c reactor.Conn) uint8 { return k.Loop.Tag(c) & TagSide }

// Opened counts a new connection, which is idle.
func (k *Table) Opened(c reactor.Conn) { k.Count[k.Side(c)][Idle]++ }

// State returns what a connection is doing, and the index of the record that goes with it.
func (k *Table) State(c reactor.Conn) (st State, index uint32) {
	word := k.Loop.User(c)
	return State(word >> connStateShift), word & (1<<connStateShift - 1)
}

// Word returns a connection's state and index as one word.
func (k *Table) Word(c reactor.Conn) uint32 { return k.Loop.User(c) }

// SetState changes what a connection is doing.
func (k *Table) SetState(c reactor.Conn, st State, index uint32) {
	was, _ := k.State(c)
	count := &k.Count[k.Side(c)]
	count[was]--
	count[st]++
	k.Loop.SetUser(c, Word(st, index))
}

// ClearState removes a connection from the count, and returns what it was doing.
func (k *Table) ClearState(c reactor.Conn) (st State, index uint32) {
	st, index = k.State(c)
	k.Count[k.Side(c)][st]--
	return st, index
}
