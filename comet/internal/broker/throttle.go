package broker

import (
	"time"

	"ccomet/comet/internal/limit"
	"ccomet/comet/internal/record"
)

// rates limit how often each channel is published to.
type rates struct {
	ceiling limit.Rate // 0: no limit
	buckets record.Column[int64]
}

// begin resets the rate of a new channel.
func (r *rates) begin(i uint32) {
	if r.ceiling > 0 {
		*r.buckets.At(i) = 0
	}
}

// take reports whether a channel may get another message now, or else how long it must wait.
func (r *rates) take(i uint32, now time.Time) (wait time.Duration, ok bool) {
	if r.ceiling == 0 {
		return 0, true
	}
	bucket := r.buckets.At(i)
	full, wait, ok := r.ceiling.Take(*bucket, now.UnixNano())
	if ok {
		*bucket = full
	}
	return wait, ok
}
