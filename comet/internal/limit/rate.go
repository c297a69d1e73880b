package limit

import (
	"sync/atomic"
	"time"
)

// Rate is the rate of a token bucket: its tokens per second, and its size. A bucket is one
// number, the time at which it will be full again (the generic cell rate algorithm), in
// nanoseconds of the loop's clock.
type Rate int

// Take takes one token at time now. If there is none, ok is false and wait is the time until
// there is one. A bucket that would be full only in more than a second is from before the clock
// was set back.
func (r Rate) Take(full, now int64) (newFull int64, wait time.Duration, ok bool) {
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

// WholeSeconds returns a wait in seconds, rounded up, for Retry-After.
func WholeSeconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// AddrRates are the buckets of all addresses, from which any loop may take. Addresses whose
// hashes have the same bucket share its tokens.
type AddrRates [1 << 14]atomic.Int64

// Take takes one token of an address at time now, in nanoseconds. If there is none, ok is false
// and wait is the time until there is one.
func (a *AddrRates) Take(r Rate, client uint64, now int64) (wait time.Duration, ok bool) {
	bucket := &a[client%uint64(len(a))]
	for {
		was := bucket.Load()
		full, wait, ok := r.Take(was, now)
		if !ok || bucket.CompareAndSwap(was, full) {
			return wait, ok
		}
	}
}
