package comet

import (
	"fmt"
)

// mayPublish asks whether the address that a request comes from may publish now;
// where not, it has been answered.
func (s *shard) mayPublish(x *exchange) bool {
	if s.srv.publishers == nil {
		return true
	}
	limit := s.cfg.PublishRatePerAddress
	wait, ok := s.srv.publishers.take(rate(limit), s.clientOf(x), s.loop.Now().UnixNano())
	if !ok {
		s.totals.hitLimit(limitPublishRatePerAddress, limit, s.loop.Now())
		x.headers = retryAfter(s.object[:0], wholeSeconds(wait))
		s.object = x.headers
		s.fail(x, 429, s.tooFast(limitPublishRatePerAddress))
	}
	return ok
}

// tooFast says why a publish came too soon behind others.
func (s *shard) tooFast(which limit) string {
	value, whose := s.cfg.PublishRatePerChannel, "to this channel"
	if which == limitPublishRatePerAddress {
		value, whose = s.cfg.PublishRatePerAddress, "from this address"
	}
	return fmt.Sprintf("too many publishes %s: %s is %d a second", whose, limitNames[which], value)
}

// clientOf tells clients apart by their address: a hash of it, of which an IPv6
// network's /64 is one.
func (s *shard) clientOf(x *exchange) uint64 {
	if s.loop.Tag(x.conn)&tagTrusted != 0 {
		if client, told, ok := forwardedClient(x.req, &s.srv.access.trusted); ok && told {
			return s.homes.hashAddr(client)
		}
	}
	if known := *s.clients.at(x.conn.Index()); known != 0 { // by a PROXY header, or counted
		return known
	}
	peer, err := s.loop.Peer(x.conn)
	if err != nil {
		return 0
	}
	return s.homes.hashAddr(peer.Addr())
}
