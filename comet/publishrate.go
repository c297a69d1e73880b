package comet

import (
	"fmt"
)

// mayPublish asks whether the address that a request comes from may publish now;
// where not, it has been answered.
func (w *web) mayPublish(x *exchange) bool {
	if w.site.publishers == nil {
		return true
	}
	limit := w.cfg.PublishRatePerAddress
	wait, ok := w.site.publishers.take(rate(limit), w.clientOf(x), w.loop.Now().UnixNano())
	if !ok {
		w.totals.hitLimit(limitPublishRatePerAddress, limit, w.loop.Now())
		x.headers = retryAfter(w.object[:0], wholeSeconds(wait))
		w.object = x.headers
		w.fail(x, 429, w.tooFast(limitPublishRatePerAddress))
	}
	return ok
}

// tooFast says why a publish came too soon behind others.
func (w *web) tooFast(which limit) string {
	value, whose := w.cfg.PublishRatePerChannel, "to this channel"
	if which == limitPublishRatePerAddress {
		value, whose = w.cfg.PublishRatePerAddress, "from this address"
	}
	return fmt.Sprintf("too many publishes %s: %s is %d a second", whose, limitNames[which], value)
}

// clientOf tells clients apart by their address: a hash of it, of which an IPv6
// network's /64 is one.
func (w *web) clientOf(x *exchange) uint64 {
	if w.loop.Tag(x.conn)&tagTrusted != 0 {
		if client, told, ok := forwardedClient(x.req, &w.site.access.trusted); ok && told {
			return w.homes.hashAddr(client)
		}
	}
	if known := *w.clients.at(x.conn.Index()); known != 0 { // by a PROXY header, or counted
		return known
	}
	peer, err := w.loop.Peer(x.conn)
	if err != nil {
		return 0
	}
	return w.homes.hashAddr(peer.Addr())
}
