package web

import (
	"time"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/limit"
	"ccomet/comet/internal/peer"
	"ccomet/comet/internal/record"
	"ccomet/httplite"
	"ccomet/reactor"
)

// clients stores the client of each connection, if a limit for each address needs it. A client
// is a hash of its address; all addresses of an IPv6 /64 network have the same hash.
type clients struct {
	site   *Site
	conns  *conn.Table
	homes  *record.Homes
	byConn record.Column[uint64] // of connections whose client is known from a PROXY header, or is counted
}

// tellsApart reports whether any limit needs the client of a connection.
func (s *Site) tellsApart() bool { return s.AddrCounter != nil || s.Publishers != nil }

// note stores the client of a connection and counts the connection. It returns false if the
// client has too many.
func (k *clients) note(c reactor.Conn, client uint64) bool {
	*k.byConn.At(c.Index()) = client
	counter := k.site.AddrCounter
	if counter == nil || k.conns.Side(c) == conn.Admin || counter.Add(client) <= k.site.cfg.MaxConnectionsPerAddress {
		return true
	}
	counter.Remove(client)
	*k.byConn.At(c.Index()) = 0
	return false
}

// forget removes a closed connection from its client's count.
func (k *clients) forget(c reactor.Conn) {
	if !k.site.tellsApart() {
		return
	}
	if client := k.byConn.At(c.Index()); *client != 0 {
		if k.site.AddrCounter != nil && k.conns.Side(c) != conn.Admin {
			k.site.AddrCounter.Remove(*client)
		}
		*client = 0
	}
}

// of returns the client that sent a request, or 0 if the peer has gone.
func (k *clients) of(x *exchange) uint64 {
	if k.conns.Loop.Tag(x.conn)&conn.TagTrusted != 0 {
		if client, told, ok := peer.ForwardedClient(x.req, &k.site.Access.Trusted); ok && told {
			return k.homes.HashAddr(client)
		}
	}
	if known := *k.byConn.At(x.conn.Index()); known != 0 { // from a PROXY header, or counted
		return known
	}
	remote, err := k.conns.Loop.Peer(x.conn)
	if err != nil {
		return 0
	}
	return k.homes.HashAddr(remote.Addr())
}

// countClient counts a connection for its client once that is known. It returns false if the
// client has too many, and then the connection has been refused.
func (w *Web) countClient(c reactor.Conn, client uint64) bool {
	if w.clients.note(c, client) {
		return true
	}
	w.totals.HitLimit(limit.ConnectionsPerAddress, w.cfg.MaxConnectionsPerAddress, w.loop.Now())
	w.Refuse(c, &httplite.Error{Status: 429, Reason: w.cfg.tooManyOfAddress()})
	return false
}

// mayPublish reports whether the client of a request may publish now. If not, the request has
// been answered 429.
func (w *Web) mayPublish(x *exchange) bool {
	if w.site.Publishers == nil {
		return true
	}
	wait, ok := w.takePublish(w.clients.of(x))
	if !ok {
		x.headers = limit.RetryAfter(w.Object[:0], limit.WholeSeconds(wait))
		w.Object = x.headers
		w.fail(x, 429, w.cfg.tooFast(limit.PublishRatePerAddress))
	}
	return ok
}

// takePublish counts one message against the client's publish rate, if there is a limit.
func (w *Web) takePublish(client uint64) (wait time.Duration, ok bool) {
	ceiling := w.cfg.PublishRatePerAddress
	wait, ok = w.site.Publishers.Take(limit.Rate(ceiling), client, w.loop.Now().UnixNano())
	if !ok {
		w.totals.HitLimit(limit.PublishRatePerAddress, ceiling, w.loop.Now())
	}
	return wait, ok
}
