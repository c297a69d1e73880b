package web

import (
	"time"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/limit"
	"ccomet/reactor"
)

// Admit decides whether a new connection is accepted. At MaxConnections it closes another
// connection to make room, if one may be evicted; otherwise it returns an error. Connections of
// the admin side are always accepted, so that an operator can reach a full server.
func (w *Web) Admit(tag uint8) error {
	ceiling := w.cfg.MaxConnections
	if ceiling == 0 || tag&conn.TagSide == conn.Admin || w.totals.Admitted.Load() < int64(ceiling) || w.evictor.evict() {
		return nil
	}
	w.totals.HitLimit(limit.Connections, ceiling, w.loop.Now())
	return fullError(ceiling)
}

const (
	// evictSearch is how many connections one search for an evictable one examines.
	evictSearch = 64
	// evictMost is how many connections one request may evict.
	evictMost = 16
	// EvictAfter is how long a request may take to arrive before its connection may be evicted. An
	// honest client has sent its request by then, so many clients that connect at once do not
	// evict each other.
	EvictAfter = time.Second
)

// evictor searches the connections of a loop for one to evict. Each search continues where the
// last one ended.
type evictor struct {
	*Web
	at uint32 // index of the connection that was examined last
}

// searchLength returns how many connections one search examines.
func (e *evictor) searchLength() uint32 { return min(evictSearch, e.loop.Indexes()) }

// next returns the connection at the next index. It returns 0 if there is none, or if it is
// closing or belongs to the admin side.
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

// evict closes one of the next few connections of this loop, and returns whether it did. First
// choice is a connection that is between two requests, or one that has been sent everything and
// only waits for its client to close. Second choice is the one whose request has been awaited
// or arriving for longest, if for at least EvictAfter.
func (e *evictor) evict() bool {
	var oldest reactor.Conn
	longest := EvictAfter
	for range e.searchLength() {
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

// limitInput evicts connections with incomplete requests until the loop buffers at most this many
// bytes of such requests. It returns false if it evicts too little: no connection may go, or
// evictMost were not enough.
func (e *evictor) limitInput(most int) bool {
	for closed := 0; e.loop.InputBytes() > most; closed++ {
		if closed == evictMost || !e.evictSlowest() {
			return false
		}
	}
	return true
}

// evictSlowest closes, of the next few connections of this loop, the one whose request has been
// arriving for longest, if for at least EvictAfter. It returns whether it closed one.
func (e *evictor) evictSlowest() bool {
	var oldest reactor.Conn
	longest := EvictAfter
	for range e.searchLength() {
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

// awaited returns how long the server has waited for a connection's first request to begin, or
// for the rest of a request. It is negative if the server waits for neither.
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
