package reactor

import "time"

// Handler is what a loop's events are told to. All methods are called on the
// loop's goroutine, one at a time, and never from inside a call of the
// handler's own: a Close inside Received, say, is told as Closed when the turn
// ends.
type Handler interface {
	// Opened tells of a new connection: accepted, or connected after Dial.
	Opened(c Conn)
	// Received shows all input that has arrived and was not consumed, and
	// returns how much of it is consumed now. The rest is kept and shown again
	// with what follows. p may be written to, and is good until Received
	// returns.
	Received(c Conn, p []byte) int
	// Ended tells that the peer will send nothing more, though it may still
	// read: once all input has been shown, and, so that a waiting connection is not
	// waited for in vain, at once while it is paused.
	Ended(c Conn)
	// Drained tells that what Write or Hold kept has all been written.
	Drained(c Conn)
	// Expired tells that the timer of c (a connection's or a bare one) ran out.
	Expired(c Conn)
	// Closed is the last that is heard of c. err is nil when the handler asked
	// for it, else what went wrong.
	Closed(c Conn, err error)
	// TurnEnded is called when a turn's events are done, before connections
	// closed in it are reaped, and once more if that reaped any. It returns how
	// long the loop may sleep at the most; negative is no bound.
	TurnEnded(now time.Time) time.Duration
}
