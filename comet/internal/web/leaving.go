package web

import (
	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/hub"
	"ccomet/reactor"
)

// closesAfterReply says whether a connection ends with the response under way.
func (w *Web) closesAfterReply(c reactor.Conn) bool { return w.drain.On() && w.Side(c) != conn.Admin }

func (w *Web) ArrangeOne(c reactor.Conn) {
	st, i := w.State(c)
	if leave := connStates[st].leave; leave != nil {
		leave(w, i, c)
	}
}

// Ignorable says whether the end need not wait for a connection: it is a backend's, and
// nothing is under way on it.
func (w *Web) Ignorable(c reactor.Conn) bool {
	st, _ := w.State(c)
	return connStates[st].idle && w.Side(c) == conn.Admin
}

// refuseDraining refuses a request that comes when the server no longer serves any. A
// subscriber gets no answer: some clients stop asking at one that they do not know.
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
