package comet

import (
	"errors"
	"syscall"
	"time"

	"ccomet/httplite"
	"ccomet/reactor"
)

// This file is where sockets and HTTP meet: a shard is the reactor's handler,
// takes requests out of what is received, and hands them to their endpoints.
//
// The sides: a connection's tag, but for the bits that access.go adds.
const (
	sideFront uint8 = iota
	sideAdmin
	sideCComet
	sides
)

// exchange is one request while it is served.
type exchange struct {
	conn reactor.Conn
	req  *httplite.Request
	side uint8
	last bool   // the connection ends with the response
	old  bool   // HTTP/1.0
	head bool   // a HEAD request
	form []byte // a POST's parameters
	raw  []byte // or the content itself

	headers []byte // lines of its own that the response's head has
}

// Opened begins a connection: its request is awaited.
func (s *shard) Opened(c reactor.Conn) {
	s.conns.opened(c)
	s.loop.SetTimer(c, s.cfg.RequestTimeout)
	if s.side(c) != sideAdmin {
		s.totals.admitted.Add(1)
	}
	if s.srv.access.looks {
		s.look(c)
	}
	if s.srv.crowd != nil && s.side(c) != sideAdmin && s.loop.Tag(c)&(tagHeader|tagTrusted) == 0 {
		if peer, err := s.loop.Peer(c); err == nil && peer.Addr().IsValid() {
			s.countClient(c, s.homes.hashAddr(peer.Addr()))
		}
	}
}

// Received takes the requests out of what has arrived.
func (s *shard) Received(c reactor.Conn, p []byte) int {
	used := 0
	if s.loop.Tag(c)&tagHeader != 0 {
		n, ok := s.takeProxyHeader(c, p)
		if !ok {
			return n
		}
		used = n
	}
	for used < len(p) {
		req := s.parser(c)
		n, err := req.Parse(p[used:], s.limitsOf(s.side(c), p[used:]))
		if err != nil {
			req.Reset() // it would refuse all that follows, whoever sends it
			s.dropHalf(c)
			s.refuse(c, err.(*httplite.Error))
			return len(p)
		}
		if n == 0 && s.barredEarly(c, req) {
			return len(p)
		}
		if n == 0 {
			s.incomplete(c, req)
			return used
		}
		used += n
		half := s.takeHalf(c) // what is served may make something else of the connection
		s.serve(c, req)
		if half != 0 {
			s.halves.giveBack(half)
		}
		if !s.listening(c) {
			break
		}
	}
	return used
}

// listening says whether the next request may be taken.
func (s *shard) listening(c reactor.Conn) bool {
	if !s.loop.Alive(c) {
		return false
	}
	st, i := s.state(c)
	takes := connStates[st].takes
	return takes != nil && takes(s, i, c)
}

// begin makes a request the exchange that is served: one at a time, and not to
// be allocated for each.
func (s *shard) begin(c reactor.Conn, req *httplite.Request) *exchange {
	s.exchange = exchange{conn: c, req: req, side: s.side(c), last: !req.KeepAlive() || s.parting(c), old: req.Minor() == 0}
	if req.Method() == httplite.CONNECT {
		s.exchange.last = true // what follows is meant for a tunnel, and is no request
	}
	s.notePage(&s.exchange)
	return &s.exchange
}

// serve hands a request to its endpoint.
func (s *shard) serve(c reactor.Conn, req *httplite.Request) {
	x := s.begin(c, req)
	s.tally.Requests++
	if s.srv.access.looks && s.barred(x) {
		return
	}
	if req.Method() == httplite.CONNECT {
		s.fail(x, 501, "there are no tunnels here: this is not a proxy")
		return
	}
	s.args = s.args[:0]
	if s.drain.phase >= drainEnding && s.turnedOff(x) {
		return
	}
	e, known := s.srv.endpoint(x.side, req.Path())
	m := req.Method()
	if m == httplite.OPTIONS {
		s.options(x, e, known)
		return
	}
	if !known {
		s.noSuchPath(x)
		return
	}
	if s.barsPages(x) && s.barredPage(x) {
		return
	}
	if !e.allows(m) {
		s.notAllowed(x, e)
		return
	}
	x.head = m == httplite.HEAD
	if status, reason := s.readBody(x, &e); status != 0 {
		s.fail(x, status, reason)
		return
	}
	e.serve(s, x)
}

// answered readies a connection for its next request, or ends it.
func (s *shard) answered(c reactor.Conn, last bool) {
	if last || s.parting(c) {
		s.finish(c)
		return
	}
	if s.loop.Blocked(c) {
		// Who does not read what he asked for is not asked for more: Drained goes on.
		// Until then it is not idle, and makes room for nobody.
		s.setState(c, stateIdle, 0)
		s.loop.Pause(c)
		s.loop.SetTimer(c, s.loop.WriteTime(c))
		return
	}
	s.setState(c, stateIdle, idleServed)
	s.loop.SetTimer(c, s.idleTimeout(c))
	s.loop.Resume(c)
}

// idleTimeout is how long a connection may stay open between requests.
func (s *shard) idleTimeout(c reactor.Conn) time.Duration {
	if s.side(c) == sideAdmin {
		return s.cfg.AdminIdleTimeout
	}
	return s.cfg.IdleTimeout
}

// refusedSeconds is when who was refused for want of room is told to try again.
const refusedSeconds = 5

// refuse answers a request that broke a rule, and ends the connection.
func (s *shard) refuse(c reactor.Conn, err *httplite.Error) {
	s.totals.refused.Add(1)
	x := exchange{conn: c, side: s.side(c), last: true}
	if err.Status == 503 || err.Status == 429 {
		x.headers = retryAfter(s.object[:0], refusedSeconds)
		s.object = x.headers
	}
	s.body = append(append(s.body[:0], err.Error()...), '\n')
	s.reply(&x, err.Status, typeText, s.body)
}

var (
	errTimeout  = &httplite.Error{Status: 408, Reason: "the request did not arrive in time"}
	errNoMemory = &httplite.Error{Status: 503, Reason: "out of memory for another subscriber"}
)

// Ended: the peer will send nothing more. A client that waits has gone; answers
// under way are still written.
func (s *shard) Ended(c reactor.Conn) {
	st, i := s.state(c)
	connStates[st].ended(s, i, c)
}

// Drained: what was held has been written.
func (s *shard) Drained(c reactor.Conn) {
	s.dropHandled(c)
	st, i := s.state(c)
	if drained := connStates[st].drained; drained != nil {
		drained(s, i, c)
	}
}

// Expired: the time of whatever the connection was doing is up.
func (s *shard) Expired(c reactor.Conn) {
	st, i := s.state(c)
	connStates[st].expired(s, i, c)
}

// Closed frees what goes with a connection.
func (s *shard) Closed(c reactor.Conn, err error) {
	if err != nil && s.debug {
		s.cfg.Log.Debug().Err(err).Uint8("loop", s.id).Msg("connection lost")
	}
	switch {
	case errors.Is(err, reactor.ErrHeldAll):
		s.totals.hitLimit(limitHeld, s.cfg.MaxHeldBytes, s.loop.Now())
		fallthrough
	case errors.Is(err, reactor.ErrHeldFull), errors.Is(err, syscall.ETIMEDOUT) && s.loop.Blocked(c):
		s.totals.slowClosed.Add(1) // by us, or by the kernel, which has the same timeout
	}
	s.dropHalf(c)
	s.uncount(c)
	s.forgetPage(s.side(c), c)
	s.cancelHandlers(c)
	s.dropHandled(c)
	st, i := s.clearState(c)
	if closed := connStates[st].closed; closed != nil {
		closed(s, i, c)
	}
}

// finish ends a connection politely, which has nothing left to do.
func (s *shard) finish(c reactor.Conn) {
	s.dropHalf(c)
	s.setState(c, stateEnding, 0)
	s.loop.Finish(c)
}
