package limit

import (
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// Totals are what all loops of a server count together. Any goroutine may read
// them.
type Totals struct {
	Channels    atomic.Int64
	Subscribers atomic.Int64
	Refused     atomic.Int64  // requests that were answered with an error
	SlowClosed  atomic.Int64  // connections that were closed because the client did not read
	Listening   atomic.Uint64 // a bit a loop that has listeners to /psub
	Broadcasts  atomic.Int64  // broadcasts under way, counted on each loop
	Delivering  atomic.Int64  // bytes of messages in mail to loops and in their pumps, and of broadcasts under way, counted on each loop
	Handling    atomic.Int64  // requests that are with handlers
	Admitted    atomic.Int64  // connections of all sides but the admin's

	Hits [NumLimits]hits
	Gap  int64 // how many numbers channels leave out at once, where they may; settled before any loop runs
	Log  *zerolog.Logger
}

// hits counts how often a limit was hit, and remembers when that was logged.
type hits struct{ Times, warned atomic.Int64 }

// HitLimit counts that a limit was hit, and logs it, at most once in ten seconds for
// each, whichever way the clock is set.
func (t *Totals) HitLimit(which Limit, value int, now time.Time) {
	hits := &t.Hits[which]
	hits.Times.Add(1)
	second := now.Unix()
	if last := hits.warned.Load(); (second < last || second-last >= 10) && hits.warned.CompareAndSwap(last, second) {
		t.Log.Warn().Str("limit", Names[which]).Int("value", value).Msg("limit reached")
	}
}
