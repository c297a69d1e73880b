package limit

import (
	"sync/atomic"
	"time"
)

// Rate is a token bucket's size and pace: so many in a second, and so many at
// once. A bucket is one number, the time at which it will be full again (the
// generic cell rate algorithm), in nanoseconds of the loop's clock.
type Rate int

// Take takes one token at time now; false: there is none, and wait says for how
// long. A bucket that is full only in more than a second is of before the clock was
// set back.
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

// WholeSeconds is a wait in seconds, rounded up, as Retry-After has it.
func WholeSeconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// AddrRates are the buckets of all addresses, which any loop may take from.
// Addresses that share one by their hash share its tokens too.
type AddrRates [1 << 14]atomic.Int64

// Take takes one token of an address at time now, in nanoseconds; false: there is none, and wait
// says for how long.
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
