package web

import (
	"errors"
	"syscall"
	"time"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/drain"
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/limit"
	"ccomet/httplite"
	"ccomet/reactor"
)

// This file connects sockets and HTTP: it parses the received bytes into requests, and passes
// each request to its endpoint.

// Opened sets up a new connection. Its first request must begin within RequestTimeout.
func (w *Web) Opened(c reactor.Conn) {
	w.Table.Opened(c)
	w.loop.SetTimer(c, w.cfg.RequestTimeout)
	if w.Side(c) != conn.Admin {
		w.totals.Admitted.Add(1)
	}
	if w.site.Access.Enabled {
		w.ClassifyPeer(c)
	}
	if w.site.AddrCounter != nil && w.Side(c) != conn.Admin && w.loop.Tag(c)&(conn.TagHeader|conn.TagTrusted) == 0 {
		if peer, err := w.loop.Peer(c); err == nil && peer.Addr().IsValid() {
			w.countClient(c, w.homes.HashAddr(peer.Addr()))
		}
	}
}

// Received parses the requests in p and serves them. It returns how many bytes it has consumed.
func (w *Web) Received(c reactor.Conn, p []byte) int {
	used := 0
	if w.loop.Tag(c)&conn.TagHeader != 0 {
		n, ok := w.takeProxyHeader(c, p)
		if !ok {
			return n
		}
		used = n
	}
	for used < len(p) {
		st, i := w.State(c)
		if received := connStates[st].received; received != nil {
			return used + received(w, i, c, p[used:])
		}
		req := w.parsers.parser(c)
		n, err := req.Parse(p[used:], w.site.limitsOf(w.Side(c), p[used:]))
		if err != nil {
			named := w.namedLimit(c, req, err)
			req.Reset() // else the loop's parser would fail the next connection's request
			w.parsers.drop(c)
			w.Refuse(c, named)
			return len(p)
		}
		if n == 0 && w.denyBeforeBody(c, req) {
			return len(p)
		}
		if n == 0 {
			w.parsers.incomplete(c, req)
			return used
		}
		used += n
		partial := w.parsers.take(c) // serving the request may change the connection's state
		w.serve(c, req)
		if partial != 0 {
			w.parsers.giveBack(partial)
		}
		if !w.listening(c) {
			break
		}
	}
	return used
}

// listening reports whether the next request may be parsed.
func (w *Web) listening(c reactor.Conn) bool {
	if !w.loop.Alive(c) {
		return false
	}
	st, i := w.State(c)
	takes := connStates[st].takes
	return takes != nil && takes(w, i, c)
}

// serve passes a request to its endpoint.
func (w *Web) serve(c reactor.Conn, req *httplite.Request) {
	x := w.begin(c, req)
	w.requests++
	if w.site.Access.Enabled && w.deny(x) {
		return
	}
	if req.Method() == httplite.CONNECT {
		w.fail(x, 501, "there are no tunnels here: this is not a proxy")
		return
	}
	if w.drain.Phase >= drain.Ending && w.refuseDraining(x) {
		return
	}
	e, known := w.site.endpoint(x.side, req.Path())
	m := req.Method()
	if m == httplite.OPTIONS {
		w.options(x, e, known)
		return
	}
	if !known {
		w.noSuchPath(x)
		return
	}
	if w.pages.concerns(x) && w.refusePage(x) {
		return
	}
	if !e.allows(m) {
		w.notAllowed(x, e)
		return
	}
	x.isHEAD = m == httplite.HEAD
	if status, reason := x.readBody(&e); status != 0 {
		w.fail(x, status, reason)
		return
	}
	e.serve(w, x)
}

// Answered prepares a connection for its next request, or closes it.
func (w *Web) Answered(c reactor.Conn, last bool) {
	if last || w.closesAfterReply(c) {
		w.Finish(c)
		return
	}
	if w.loop.Blocked(c) {
		// The client does not read its answer, so its next request is not read until Drained is
		// called. Until then the connection does not count as idle, and is not evicted.
		w.SetState(c, conn.Idle, 0)
		w.loop.Pause(c)
		w.loop.SetTimer(c, w.loop.WriteTime(c))
		return
	}
	w.SetState(c, conn.Idle, conn.IdleServed)
	w.loop.SetTimer(c, w.idleTimeout(c))
	w.loop.Resume(c)
}

// idleTimeout returns how long a connection may stay open between requests.
func (w *Web) idleTimeout(c reactor.Conn) time.Duration {
	if w.Side(c) == conn.Admin {
		return w.cfg.AdminIdleTimeout
	}
	return w.cfg.IdleTimeout
}

// Refuse answers a request that violates a rule of HTTP or a limit, and closes the connection.
func (w *Web) Refuse(c reactor.Conn, err *httplite.Error) {
	w.totals.Refused.Add(1)
	x := exchange{recipient: recipient{conn: c, side: w.Side(c), closeAfter: true}}
	if err.Status == 503 || err.Status == 429 {
		x.headers = limit.RetryAfter(w.Object[:0], limit.RefusedSeconds)
		w.Object = x.headers
	}
	w.Body = append(append(w.Body[:0], err.Error()...), '\n')
	w.reply(&x, err.Status, frame.TypeText, w.Body)
}

var errTimeout = &httplite.Error{Status: 408, Reason: "the request did not arrive in time"}

// Ended is called when the peer will send nothing more. A waiting client counts as gone;
// pending answers are still written.
func (w *Web) Ended(c reactor.Conn) {
	st, i := w.State(c)
	connStates[st].ended(w, i, c)
}

// Drained is called when the buffered output has been written.
func (w *Web) Drained(c reactor.Conn) {
	w.Handlers.drop(c)
	st, i := w.State(c)
	if drained := connStates[st].drained; drained != nil {
		drained(w, i, c)
	}
}

// Expired is called when the connection's timer has fired.
func (w *Web) Expired(c reactor.Conn) {
	st, i := w.State(c)
	connStates[st].expired(w, i, c)
}

// Closed releases everything that belongs to a connection.
func (w *Web) Closed(c reactor.Conn, err error) {
	if err != nil && w.debug {
		w.cfg.Log.Debug().Err(err).Uint8("loop", w.ID).Msg("connection lost")
	}
	switch {
	case w.Word(c) == conn.Word(conn.Ending, conn.EndingCounted):
	case errors.Is(err, reactor.ErrHeldAll):
		w.totals.HitLimit(limit.Held, w.cfg.MaxHeldBytes, w.loop.Now())
		fallthrough
	case errors.Is(err, reactor.ErrHeldFull), errors.Is(err, syscall.ETIMEDOUT) && w.loop.Blocked(c):
		w.totals.SlowClosed.Add(1) // closed by Finish, after the write timeout, or by the kernel
	}
	w.parsers.drop(c)
	if w.Side(c) != conn.Admin {
		w.totals.Admitted.Add(-1)
	}
	w.clients.forget(c)
	w.ForgetPage(w.Side(c), c)
	w.Handlers.Cancel(c)
	w.Handlers.drop(c)
	st, i := w.ClearState(c)
	if closed := connStates[st].closed; closed != nil {
		closed(w, i, c)
	}
}

// Finish closes a connection that has nothing left to do, after its output has been sent.
func (w *Web) Finish(c reactor.Conn) {
	w.parsers.drop(c)
	w.SetState(c, conn.Ending, 0)
	w.loop.Finish(c)
}
