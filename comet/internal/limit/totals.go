package limit

import (
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// Totals are the counters that all loops of a server share. Any goroutine may read
// them.
type Totals struct {
	Channels    atomic.Int64
	Subscribers atomic.Int64
	Refused     atomic.Int64  // requests answered with an error
	SlowClosed  atomic.Int64  // connections closed because the client did not read
	Listening   atomic.Uint64 // a bit for each loop that has listeners to /psub
	Broadcasts  atomic.Int64  // broadcasts under way, counted once for each loop
	Delivering  atomic.Int64  // bytes of messages in mail to loops and in their pumps, and of broadcasts under way, counted once for each loop
	Handling    atomic.Int64  // requests that handlers serve now
	Admitted    atomic.Int64  // connections of all sides except the admin side

	Hits [NumLimits]hits
	Gap  int64 // how many numbers channels skip at once, if they may; set before any loop runs
	Log  *zerolog.Logger
}

// hits counts how often a limit was hit, and when that was last logged.
type hits struct{ Times, warned atomic.Int64 }

// HitLimit counts a hit of a limit, and logs it, at most once in ten seconds for
// each limit, even if the clock is set back.
func (t *Totals) HitLimit(which Limit, value int, now time.Time) {
	hits := &t.Hits[which]
	hits.Times.Add(1)
	second := now.Unix()
	if last := hits.warned.Load(); (second < last || second-last >= 10) && hits.warned.CompareAndSwap(last, second) {
		t.Log.Warn().Str("limit", Names[which]).Int("value", value).Msg("limit reached")
	}
}
