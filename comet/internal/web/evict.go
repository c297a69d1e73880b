package web

import (
	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/limit"
	"ccomet/httplite"
	"ccomet/reactor"
	"fmt"
	"time"
)

// admit is asked before a connection is taken: whether there is room for it.
// Another may be closed to make some. The admin side is always let in, so that
// whoever has to see to the server can.
func (w *Web) Admit(tag uint8) error {
	ceiling := w.cfg.MaxConnections
	if ceiling == 0 || tag&conn.TagSide == conn.Admin || w.totals.Admitted.Load() < int64(ceiling) || w.evictOne() {
		return nil
	}
	w.totals.HitLimit(limit.Connections, ceiling, w.loop.Now())
	return fullError(ceiling)
}

const (
	// roomLook is how many connections are looked at for one that may go.
	evictLook = 64
	// roomCloses is how many connections at the most one request has closed.
	evictMost = 16
	// prompt is how long a request may take to arrive before its connection makes
	// room for others: whoever means well has sent it by then, and a crowd of
	// newcomers does not push each other out.
	Prompt = time.Second
)

// makeRoom closes a connection of this loop, if there is one among the next few
// that may go: one that is between two requests, or that has been told all and waits
// for its client to close; else the one whose request has been arriving, or awaited,
// for longest.
func (w *Web) evictOne() bool {
	var oldest reactor.Conn
	longest := Prompt
	for range w.few() {
		switch c := w.nextClient(); {
		case c == 0:
		case w.loop.User(c) == conn.Word(conn.Idle, conn.IdleServed), w.loop.User(c) == conn.Word(conn.Ending, 0) && !w.loop.Blocked(c):
			w.loop.Close(c)
			return true
		case w.awaited(c) >= longest:
			oldest, longest = c, w.awaited(c)
		}
	}
	w.loop.Close(oldest)
	return oldest != 0
}

// makeRoomForInput closes connections whose requests are still arriving until no more
// than so many bytes are kept of such requests; false: too few may go, or each has too
// little.
func (w *Web) evictForInput(most int) bool {
	for closed := 0; w.loop.InputBytes() > most; closed++ {
		if closed == evictMost || !w.evictSlowest() {
			return false
		}
	}
	return true
}

// closeSlowest closes, of the next few connections of this loop, the one whose
// request has been arriving for longest, if there is one that has had its time.
func (w *Web) evictSlowest() bool {
	var oldest reactor.Conn
	longest := Prompt
	for range w.few() {
		if c := w.nextClient(); w.partialOf(c) != 0 && w.awaited(c) >= longest {
			oldest, longest = c, w.awaited(c)
		}
	}
	w.loop.Close(oldest)
	return oldest != 0
}

func (w *Web) few() uint32 { return min(evictLook, w.loop.Indexes()) }

// nextClient is the next connection of this loop that is not the admin side's, 0
// if in the next place there is none, or one that is closed already.
func (w *Web) nextClient() reactor.Conn {
	if w.evictHand++; w.evictHand > w.loop.Indexes() {
		w.evictHand = 1
	}
	c := w.loop.ConnAt(w.evictHand)
	if c == 0 || !w.loop.Open(c) || w.Side(c) == conn.Admin {
		return 0
	}
	return c
}

// awaited is for how long the first bytes of a connection's first request, or
// what has not arrived yet of any, have been waited for; below zero: for nothing.
func (w *Web) awaited(c reactor.Conn) time.Duration {
	patience := w.cfg.RequestTimeout
	switch what, i := w.State(c); {
	case what == conn.Request && w.Parsers.body[i]:
		patience = w.cfg.BodyTimeout
	case what == conn.Request:
	case what != conn.Idle || w.loop.Blocked(c): // it waits, or reads an answer
		return -1
	}
	left, _ := w.loop.TimeLeft(c)
	return patience - left
}

// countClient counts a connection for its address, from when that is known; false:
// the address has too many, and the connection has been refused.
func (w *Web) countClient(c reactor.Conn, client uint64) bool {
	*w.clients.At(c.Index()) = client
	ceiling := w.cfg.MaxConnectionsPerAddress
	if w.site.Crowd == nil || w.Side(c) == conn.Admin || w.site.Crowd.Add(client) <= ceiling {
		return true
	}
	w.site.Crowd.Remove(client)
	*w.clients.At(c.Index()) = 0
	w.totals.HitLimit(limit.ConnectionsPerAddress, ceiling, w.loop.Now())
	w.Refuse(c, &httplite.Error{Status: 429, Reason: fmt.Sprintf("too many connections from this address: max-connections-per-address is %d", ceiling)})
	return false
}

// uncount takes a connection off the counts.
func (w *Web) uncount(c reactor.Conn) {
	if w.Side(c) != conn.Admin {
		w.totals.Admitted.Add(-1)
	}
	if !w.site.tellsApart() {
		return
	}
	if client := w.clients.At(c.Index()); *client != 0 {
		if w.site.Crowd != nil && w.Side(c) != conn.Admin {
			w.site.Crowd.Remove(*client)
		}
		*client = 0
	}
}
