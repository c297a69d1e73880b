package comet

import (
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// totals are what all loops of a server count together. Any goroutine may read
// them.
type totals struct {
	channels    atomic.Int64
	subscribers atomic.Int64
	refused     atomic.Int64  // requests that were answered with an error
	slowClosed  atomic.Int64  // readers that did not keep up
	listening   atomic.Uint64 // a bit a loop that has listeners to /psub
	walks       atomic.Int64  // broadcasts under way, counted on each loop
	handling    atomic.Int64  // requests that are with handlers
	admitted    atomic.Int64  // connections of all sides but the admin's

	limitHits [limits]limitHits
	gapped    bool // channels have left out numbers after a crash: settled before any loop runs
	log       *zerolog.Logger
}

// limitHits counts how often a limit was hit, and remembers when that was logged.
type limitHits struct{ times, warned atomic.Int64 }

// hitLimit counts that a limit was hit, and logs it, at most once in ten seconds for
// each, whichever way the clock is set.
func (t *totals) hitLimit(which limit, value int, now time.Time) {
	hits := &t.limitHits[which]
	hits.times.Add(1)
	second := now.Unix()
	if last := hits.warned.Load(); (second < last || second-last >= 10) && hits.warned.CompareAndSwap(last, second) {
		t.log.Warn().Str("limit", limitNames[which]).Int("value", value).Msg("limit reached")
	}
}
