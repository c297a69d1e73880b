package web

import (
	"time"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/limit"
	"ccomet/reactor"
)

// Admit is asked before a connection is taken: whether there is room for it. Another may be
// closed to make some. The admin side is always let in, so that an operator can reach the
// server when it is full.
func (w *Web) Admit(tag uint8) error {
	ceiling := w.cfg.MaxConnections
	if ceiling == 0 || tag&conn.TagSide == conn.Admin || w.totals.Admitted.Load() < int64(ceiling) || w.evictor.one() {
		return nil
	}
	w.totals.HitLimit(limit.Connections, ceiling, w.loop.Now())
	return fullError(ceiling)
}

const (
	// evictLook is how many connections are looked at for one that may be evicted.
	evictLook = 64
	// evictMost is how many connections at the most one request has evicted.
	evictMost = 16
	// Prompt is how long a request may take to arrive before its connection may be evicted:
	// an honest client has sent it by then, and many that connect at once do not evict
	// each other.
	Prompt = time.Second
)

// evictor goes round the connections of a loop, so that each search for one to evict goes on
// where the last ended.
type evictor struct {
	*Web
	at uint32 // the connection that was looked at last
}

// few is how many connections one search looks at.
func (e *evictor) few() uint32 { return min(evictLook, e.loop.Indexes()) }

// next is the next connection that is not the admin side's, 0 if in the next place there is
// none, or one that is closed already.
func (e *evictor) next() reactor.Conn {
	if e.at++; e.at > e.loop.Indexes() {
		e.at = 1
	}
	c := e.loop.ConnAt(e.at)
	if c == 0 || !e.loop.Open(c) || e.Side(c) == conn.Admin {
		return 0
	}
	return c
}

// one closes a connection of this loop, if there is one among the next few
// that may go: one that is between two requests, or that has been told all and waits
// for its client to close; else the one whose request has been arriving, or awaited,
// for longest.
func (e *evictor) one() bool {
	var oldest reactor.Conn
	longest := Prompt
	for range e.few() {
		c := e.next()
		if c == 0 {
			continue
		}
		st, i := e.State(c)
		if evictable := connStates[st].evictable; evictable != nil && evictable(e.Web, i, c) {
			e.loop.Close(c)
			return true
		}
		if awaited := e.awaited(c); awaited >= longest {
			oldest, longest = c, awaited
		}
	}
	e.loop.Close(oldest)
	return oldest != 0
}

// forInput closes connections whose requests are still arriving until no more
// than so many bytes are kept of such requests; false: too few may go, or each has too
// little.
func (e *evictor) forInput(most int) bool {
	for closed := 0; e.loop.InputBytes() > most; closed++ {
		if closed == evictMost || !e.slowest() {
			return false
		}
	}
	return true
}

// slowest closes, of the next few connections of this loop, the one whose
// request has been arriving for longest, if that is longer than Prompt.
func (e *evictor) slowest() bool {
	var oldest reactor.Conn
	longest := Prompt
	for range e.few() {
		c := e.next()
		if c == 0 || e.parsers.partialOf(c) == 0 {
			continue
		}
		if awaited := e.awaited(c); awaited >= longest {
			oldest, longest = c, awaited
		}
	}
	e.loop.Close(oldest)
	return oldest != 0
}

// awaited is for how long the first bytes of a connection's first request, or
// what has not arrived yet of any, have been waited for; below zero: for nothing.
func (e *evictor) awaited(c reactor.Conn) time.Duration {
	st, i := e.State(c)
	owed := connStates[st].owed
	if owed == nil {
		return -1
	}
	timeout := owed(e.Web, i, c)
	if timeout < 0 {
		return -1
	}
	left, _ := e.loop.TimeLeft(c)
	return timeout - left
}
