package comet

import "ccomet/reactor"

// parting says whether a connection ends with the response under way.
func (s *shard) parting(c reactor.Conn) bool { return s.drain.on() && s.side(c) != sideAdmin }

func (s *shard) arrangeOne(c reactor.Conn) {
	st, i := s.state(c)
	if leave := connStates[st].leave; leave != nil {
		leave(s, i, c)
	}
}

// needless says whether nobody minds when a connection ends: a backend's, between
// two requests.
func (s *shard) needless(c reactor.Conn) bool {
	what, _ := s.state(c)
	return (what == stateIdle || what == stateEnding) && s.side(c) == sideAdmin
}

// turnedOff refuses a request that comes too late. A subscriber is better off
// with no answer: some clients stop asking at any that they do not know.
func (s *shard) turnedOff(x *exchange) bool {
	switch {
	case x.side != sideAdmin:
		s.loop.Close(x.conn)
		return true
	case string(x.req.Path()) == "/healthz", string(x.req.Path()) == "/readyz":
		return false
	}
	x.last = true
	x.headers = []byte("Retry-After: 1\r\n")
	s.fail(x, 503, stopping)
	return true
}
