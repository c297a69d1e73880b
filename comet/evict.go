package comet

import (
	"fmt"
	"time"

	"ccomet/httplite"
	"ccomet/reactor"
)

// admit is asked before a connection is taken: whether there is room for it.
// Another may be closed to make some. The admin side is always let in, so that
// whoever has to see to the server can.
func (w *web) admit(tag uint8) error {
	limit := w.cfg.MaxConnections
	if limit == 0 || tag&tagSide == sideAdmin || w.totals.admitted.Load() < int64(limit) || w.makeRoom() {
		return nil
	}
	w.totals.hitLimit(limitConnections, limit, w.loop.Now())
	return fullError(limit)
}

const (
	// roomLook is how many connections are looked at for one that may go.
	roomLook = 64
	// roomCloses is how many connections at the most one request has closed.
	roomCloses = 16
	// prompt is how long a request may take to arrive before its connection makes
	// room for others: whoever means well has sent it by then, and a crowd of
	// newcomers does not push each other out.
	prompt = time.Second
)

// makeRoom closes a connection of this loop, if there is one among the next few
// that may go: one that is between two requests, or that has been told all and waits
// for its client to close; else the one whose request has been arriving, or awaited,
// for longest.
func (w *web) makeRoom() bool {
	var oldest reactor.Conn
	longest := prompt
	for range w.few() {
		switch c := w.nextClient(); {
		case c == 0:
		case w.loop.User(c) == connWord(stateIdle, idleServed), w.loop.User(c) == connWord(stateEnding, 0) && !w.loop.Blocked(c):
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
func (w *web) makeRoomForInput(most int) bool {
	for closed := 0; w.loop.InputBytes() > most; closed++ {
		if closed == roomCloses || !w.closeSlowest() {
			return false
		}
	}
	return true
}

// closeSlowest closes, of the next few connections of this loop, the one whose
// request has been arriving for longest, if there is one that has had its time.
func (w *web) closeSlowest() bool {
	var oldest reactor.Conn
	longest := prompt
	for range w.few() {
		if c := w.nextClient(); w.halfOf(c) != 0 && w.awaited(c) >= longest {
			oldest, longest = c, w.awaited(c)
		}
	}
	w.loop.Close(oldest)
	return oldest != 0
}

func (w *web) few() uint32 { return min(roomLook, w.loop.Indexes()) }

// nextClient is the next connection of this loop that is not the admin side's, 0
// if in the next place there is none, or one that is closed already.
func (w *web) nextClient() reactor.Conn {
	if w.roomHand++; w.roomHand > w.loop.Indexes() {
		w.roomHand = 1
	}
	c := w.loop.ConnAt(w.roomHand)
	if c == 0 || !w.loop.Open(c) || w.side(c) == sideAdmin {
		return 0
	}
	return c
}

// awaited is for how long the first bytes of a connection's first request, or
// what has not arrived yet of any, have been waited for; below zero: for nothing.
func (w *web) awaited(c reactor.Conn) time.Duration {
	patience := w.cfg.RequestTimeout
	switch what, i := w.state(c); {
	case what == stateRequest && w.halves.body[i]:
		patience = w.cfg.BodyTimeout
	case what == stateRequest:
	case what != stateIdle || w.loop.Blocked(c): // it waits, or reads an answer
		return -1
	}
	left, _ := w.loop.TimeLeft(c)
	return patience - left
}

// countClient counts a connection for its address, from when that is known; false:
// the address has too many, and the connection has been refused.
func (w *web) countClient(c reactor.Conn, client uint64) bool {
	*w.clients.at(c.Index()) = client
	limit := w.cfg.MaxConnectionsPerAddress
	if w.site.crowd == nil || w.side(c) == sideAdmin || w.site.crowd.enter(client) <= limit {
		return true
	}
	w.site.crowd.leave(client)
	*w.clients.at(c.Index()) = 0
	w.totals.hitLimit(limitConnectionsPerAddress, limit, w.loop.Now())
	w.refuse(c, &httplite.Error{Status: 429, Reason: fmt.Sprintf("too many connections from this address: max-connections-per-address is %d", limit)})
	return false
}

// uncount takes a connection off the counts.
func (w *web) uncount(c reactor.Conn) {
	if w.side(c) != sideAdmin {
		w.totals.admitted.Add(-1)
	}
	if !w.site.tellsApart() {
		return
	}
	if client := w.clients.at(c.Index()); *client != 0 {
		if w.site.crowd != nil && w.side(c) != sideAdmin {
			w.site.crowd.leave(*client)
		}
		*client = 0
	}
}
