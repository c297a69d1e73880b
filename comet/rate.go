package comet

import (
	"fmt"
	"sync/atomic"
	"time"
)

// rate is a token bucket's size and pace: so many in a second, and so many at
// once. A bucket is one number, the time at which it will be full again (the
// generic cell rate algorithm), in nanoseconds of the loop's clock.
type rate int

// take takes one token at time now; false: there is none, and wait says for how
// long. A bucket that is full only in more than a second is of before the clock was
// set back.
func (r rate) take(full, now int64) (newFull int64, wait time.Duration, ok bool) {
	each := int64(time.Second) / int64(r)
	if full-now > int64(time.Second) {
		full = now
	}
	full = max(full, now) + each
	if over := full - now - int64(time.Second); over > 0 {
		return 0, time.Duration(over), false
	}
	return full, 0, true
}

func wholeSeconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// addressRates are the buckets of all addresses, which any loop may take from.
// Addresses that share one by their hash share its tokens too.
type addressRates [1 << 14]atomic.Int64

func (a *addressRates) take(r rate, client uint64, now int64) (wait time.Duration, ok bool) {
	bucket := &a[client%uint64(len(a))]
	for {
		was := bucket.Load()
		full, wait, ok := r.take(was, now)
		if !ok || bucket.CompareAndSwap(was, full) {
			return wait, ok
		}
	}
}

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

// mayAppend asks whether a channel may have another message now.
func (s *shard) mayAppend(i uint32) (wait time.Duration, ok bool) {
	limit := s.cfg.PublishRatePerChannel
	if limit == 0 {
		return 0, true
	}
	bucket := s.rates.at(i)
	full, wait, ok := rate(limit).take(*bucket, s.loop.Now().UnixNano())
	if ok {
		*bucket = full
	} else {
		s.totals.hitLimit(limitPublishRatePerChannel, limit, s.loop.Now())
	}
	return wait, ok
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
