package web

import (
	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/limit"
	"ccomet/comet/internal/peer"
	"fmt"
)

// mayPublish asks whether the address that a request comes from may publish now;
// where not, it has been answered.
func (w *Web) mayPublish(x *exchange) bool {
	if w.site.Publishers == nil {
		return true
	}
	ceiling := w.cfg.PublishRatePerAddress
	wait, ok := w.site.Publishers.Take(limit.Rate(ceiling), w.clientOf(x), w.loop.Now().UnixNano())
	if !ok {
		w.totals.HitLimit(limit.PublishRatePerAddress, ceiling, w.loop.Now())
		x.headers = limit.RetryAfter(w.Object[:0], limit.WholeSeconds(wait))
		w.Object = x.headers
		w.fail(x, 429, w.tooFast(limit.PublishRatePerAddress))
	}
	return ok
}

// tooFast says why a publish came too soon behind others.
func (w *Web) tooFast(which limit.Limit) string {
	value, whose := w.cfg.PublishRatePerChannel, "to this channel"
	if which == limit.PublishRatePerAddress {
		value, whose = w.cfg.PublishRatePerAddress, "from this address"
	}
	return fmt.Sprintf("too many publishes %s: %s is %d a second", whose, limit.Names[which], value)
}

// clientOf tells clients apart by their address: a hash of it, of which an IPv6
// network's /64 is one.
func (w *Web) clientOf(x *exchange) uint64 {
	if w.loop.Tag(x.conn)&conn.TagTrusted != 0 {
		if client, told, ok := peer.ForwardedClient(x.req, &w.site.Access.Trusted); ok && told {
			return w.homes.HashAddr(client)
		}
	}
	if known := *w.clients.At(x.conn.Index()); known != 0 { // by a PROXY header, or counted
		return known
	}
	remote, err := w.loop.Peer(x.conn)
	if err != nil {
		return 0
	}
	return w.homes.HashAddr(remote.Addr())
}
