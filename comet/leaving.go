package comet

import "ccomet/reactor"

// parting says whether a connection ends with the response under way.
func (w *web) parting(c reactor.Conn) bool { return w.drain.on() && w.side(c) != sideAdmin }

func (w *web) arrangeOne(c reactor.Conn) {
	st, i := w.state(c)
	if leave := connStates[st].leave; leave != nil {
		leave(w, i, c)
	}
}

// needless says whether nobody minds when a connection ends: a backend's, between
// two requests.
func (w *web) needless(c reactor.Conn) bool {
	what, _ := w.state(c)
	return (what == stateIdle || what == stateEnding) && w.side(c) == sideAdmin
}

// turnedOff refuses a request that comes too late. A subscriber is better off
// with no answer: some clients stop asking at any that they do not know.
func (w *web) turnedOff(x *exchange) bool {
	switch {
	case x.side != sideAdmin:
		w.loop.Close(x.conn)
		return true
	case string(x.req.Path()) == "/healthz", string(x.req.Path()) == "/readyz":
		return false
	}
	x.last = true
	x.headers = []byte("Retry-After: 1\r\n")
	w.fail(x, 503, stopping)
	return true
}
