package reactor

import "time"

// Handler receives the events of a loop. All methods are called on the loop's
// goroutine, one at a time, and never from inside a call of the handler: after a
// Close in Received, for example, Closed is called at the end of the turn.
type Handler interface {
	// Opened reports a new connection: accepted, or connected after Dial.
	Opened(c Conn)
	// Received gets all input that has arrived and is not consumed, and returns how
	// many bytes it consumes now. The rest is kept and passed again with what
	// follows. The handler may write to p, and may use it until Received returns.
	Received(c Conn, p []byte) int
	// Ended reports that the peer will send no more; it may still read. It is
	// called after all input was passed to Received. If c is paused it is called at
	// once, so that nobody waits for a client that has gone, and again after
	// Resume.
	Ended(c Conn)
	// Drained reports that all output that Write or Hold kept is written.
	Drained(c Conn)
	// Expired reports that the timer of c, a connection or a bare timer, has fired.
	Expired(c Conn)
	// Closed is the last call for c. err is nil if the handler closed it, else the
	// reason.
	Closed(c Conn, err error)
	// TurnEnded is called after the events of a turn, before connections closed in
	// it are freed, and again each time that some were freed. It returns how long
	// the loop may sleep at most; negative: no limit.
	TurnEnded(now time.Time) time.Duration
}
