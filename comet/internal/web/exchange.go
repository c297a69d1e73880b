package web

import (
	"ccomet/httplite"
	"ccomet/reactor"
)

// exchange is one request while it is served.
type exchange struct {
	recipient
	*params
	req     *httplite.Request
	raw     []byte // a POST's body, where that is the content itself
	headers []byte // lines of its own that the response's head has
}

// recipient is what a response depends on beside what it says.
type recipient struct {
	conn       reactor.Conn
	side       uint8
	closeAfter bool // the connection ends with the response
	http10     bool // HTTP/1.0
	isHEAD     bool // a HEAD request
}

// begin makes a request the exchange that is served. A loop serves one at a time, so
// that none is allocated.
func (w *Web) begin(c reactor.Conn, req *httplite.Request) *exchange {
	w.params.begin(req.Query())
	w.exchange = exchange{
		recipient: recipient{
			conn: c, side: w.Side(c), http10: req.Minor() == 0,
			// What follows a CONNECT is meant for a tunnel, and is no request.
			closeAfter: !req.KeepAlive() || w.closesAfterReply(c) || req.Method() == httplite.CONNECT,
		},
		params: &w.params, req: req,
	}
	w.NotePage(w.exchange.side, c, req.Header("Origin"))
	return &w.exchange
}
