package web

import (
	"ccomet/httplite"
	"ccomet/reactor"
)

// exchange is the request that is being served.
type exchange struct {
	recipient
	*params
	req     *httplite.Request
	raw     []byte // the body of a POST, where it is the content itself
	headers []byte // extra header lines of the response
}

// recipient is what the form of a response depends on.
type recipient struct {
	conn       reactor.Conn
	side       uint8
	closeAfter bool // close the connection after the response
	http10     bool // the request is HTTP/1.0
	isHEAD     bool // the request's method is HEAD
}

// begin fills the loop's exchange with a request. A loop serves one request at a time, so the
// exchange is reused and nothing is allocated.
func (w *Web) begin(c reactor.Conn, req *httplite.Request) *exchange {
	w.params.begin(req.Query())
	w.exchange = exchange{
		recipient: recipient{
			conn: c, side: w.Side(c), http10: req.Minor() == 0,
			// Bytes after a CONNECT belong to its tunnel: they are no request
			closeAfter: !req.KeepAlive() || w.closesAfterReply(c) || req.Method() == httplite.CONNECT,
		},
		params: &w.params, req: req,
	}
	w.NotePage(w.exchange.side, c, req.Header("Origin"))
	return &w.exchange
}
