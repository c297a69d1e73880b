package comet

import "time"

// mayAppend asks whether a channel may have another message now.
func (b *broker) mayAppend(i uint32) (wait time.Duration, ok bool) {
	limit := b.cfg.PublishRatePerChannel
	if limit == 0 {
		return 0, true
	}
	bucket := b.rates.at(i)
	full, wait, ok := rate(limit).take(*bucket, b.loop.Now().UnixNano())
	if ok {
		*bucket = full
	} else {
		b.totals.hitLimit(limitPublishRatePerChannel, limit, b.loop.Now())
	}
	return wait, ok
}
