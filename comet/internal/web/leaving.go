package web

import (
	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/hub"
	"ccomet/reactor"
)

// closesAfterReply reports whether a connection closes after the current response.
func (w *Web) closesAfterReply(c reactor.Conn) bool { return w.drain.On() && w.Side(c) != conn.Admin }

func (w *Web) ArrangeOne(c reactor.Conn) {
	st, i := w.State(c)
	if leave := connStates[st].leave; leave != nil {
		leave(w, i, c)
	}
}

// Ignorable reports whether a drain need not wait for a connection: it is on the admin side,
// and has no request under way.
func (w *Web) Ignorable(c reactor.Conn) bool {
	st, _ := w.State(c)
	return connStates[st].idle && w.Side(c) == conn.Admin
}

// refuseDraining refuses a request while the server stops. It returns false for health checks.
// A subscriber's connection is closed without an answer, because some clients stop polling when
// they get an unknown answer.
func (w *Web) refuseDraining(x *exchange) bool {
	switch {
	case x.side != conn.Admin:
		w.loop.Close(x.conn)
		return true
	case string(x.req.Path()) == "/healthz", string(x.req.Path()) == "/readyz":
		return false
	}
	x.closeAfter = true
	x.headers = []byte("Retry-After: 1\r\n")
	w.fail(x, 503, hub.Stopping)
	return true
}
