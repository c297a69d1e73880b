package comet

import "time"

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
