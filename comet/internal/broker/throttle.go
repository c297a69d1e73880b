package broker

import (
	"time"

	"ccomet/comet/internal/limit"
)

// mayAppend asks whether a channel may have another message now.
func (b *Broker) mayAppend(i uint32) (wait time.Duration, ok bool) {
	ceiling := b.cfg.PublishRatePerChannel
	if ceiling == 0 {
		return 0, true
	}
	bucket := b.rates.At(i)
	full, wait, ok := limit.Rate(ceiling).Take(*bucket, b.loop.Now().UnixNano())
	if ok {
		*bucket = full
	} else {
		b.totals.HitLimit(limit.PublishRatePerChannel, ceiling, b.loop.Now())
	}
	return wait, ok
}
