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
func (s *shard) admit(tag uint8) error {
	limit := s.cfg.MaxConnections
	if limit == 0 || tag&tagSide == sideAdmin || s.totals.admitted.Load() < int64(limit) || s.makeRoom() {
		return nil
	}
	s.totals.hitLimit(limitConnections, limit, s.loop.Now())
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
func (s *shard) makeRoom() bool {
	var oldest reactor.Conn
	longest := prompt
	for range s.few() {
		switch c := s.nextClient(); {
		case c == 0:
		case s.loop.User(c) == connWord(stateIdle, idleServed), s.loop.User(c) == connWord(stateEnding, 0) && !s.loop.Blocked(c):
			s.loop.Close(c)
			return true
		case s.awaited(c) >= longest:
			oldest, longest = c, s.awaited(c)
		}
	}
	s.loop.Close(oldest)
	return oldest != 0
}

// makeRoomForInput closes connections whose requests are still arriving until no more
// than so many bytes are kept of such requests; false: too few may go, or each has too
// little.
func (s *shard) makeRoomForInput(most int) bool {
	for closed := 0; s.loop.InputBytes() > most; closed++ {
		if closed == roomCloses || !s.closeSlowest() {
			return false
		}
	}
	return true
}

// closeSlowest closes, of the next few connections of this loop, the one whose
// request has been arriving for longest, if there is one that has had its time.
func (s *shard) closeSlowest() bool {
	var oldest reactor.Conn
	longest := prompt
	for range s.few() {
		if c := s.nextClient(); s.halfOf(c) != 0 && s.awaited(c) >= longest {
			oldest, longest = c, s.awaited(c)
		}
	}
	s.loop.Close(oldest)
	return oldest != 0
}

func (s *shard) few() uint32 { return min(roomLook, s.loop.Indexes()) }

// nextClient is the next connection of this loop that is not the admin side's, 0
// if in the next place there is none, or one that is closed already.
func (s *shard) nextClient() reactor.Conn {
	if s.roomHand++; s.roomHand > s.loop.Indexes() {
		s.roomHand = 1
	}
	c := s.loop.ConnAt(s.roomHand)
	if c == 0 || !s.loop.Open(c) || s.side(c) == sideAdmin {
		return 0
	}
	return c
}

// awaited is for how long the first bytes of a connection's first request, or
// what has not arrived yet of any, have been waited for; below zero: for nothing.
func (s *shard) awaited(c reactor.Conn) time.Duration {
	patience := s.cfg.RequestTimeout
	switch what, i := s.state(c); {
	case what == stateRequest && s.halves.body[i]:
		patience = s.cfg.BodyTimeout
	case what == stateRequest:
	case what != stateIdle || s.loop.Blocked(c): // it waits, or reads an answer
		return -1
	}
	left, _ := s.loop.TimeLeft(c)
	return patience - left
}

// tellsApart says whether it matters which address a connection is from.
func (srv *Server) tellsApart() bool { return srv.crowd != nil || srv.publishers != nil }

// countClient counts a connection for its address, from when that is known; false:
// the address has too many, and the connection has been refused.
func (s *shard) countClient(c reactor.Conn, client uint64) bool {
	*s.clients.at(c.Index()) = client
	limit := s.cfg.MaxConnectionsPerAddress
	if s.srv.crowd == nil || s.side(c) == sideAdmin || s.srv.crowd.enter(client) <= limit {
		return true
	}
	s.srv.crowd.leave(client)
	*s.clients.at(c.Index()) = 0
	s.totals.hitLimit(limitConnectionsPerAddress, limit, s.loop.Now())
	s.refuse(c, &httplite.Error{Status: 429, Reason: fmt.Sprintf("too many connections from this address: max-connections-per-address is %d", limit)})
	return false
}

// uncount takes a connection off the counts.
func (s *shard) uncount(c reactor.Conn) {
	if s.side(c) != sideAdmin {
		s.totals.admitted.Add(-1)
	}
	if !s.srv.tellsApart() {
		return
	}
	if client := s.clients.at(c.Index()); *client != 0 {
		if s.srv.crowd != nil && s.side(c) != sideAdmin {
			s.srv.crowd.leave(*client)
		}
		*client = 0
	}
}
