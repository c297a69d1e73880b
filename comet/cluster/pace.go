package cluster

import "time"

// pace limits how often a reader reads. It is a token bucket: after a burst, it allows one read per
// interval, which returns all messages of the interval. If the loops were told of nothing for some
// time, the interval is a fraction of that time: a read costs mainly a wake-up, however much it
// returns, and the next message is late by at most the interval. If no loop waits for a channel, the
// interval is longer still, until one does.
type pace struct {
	more bool      // the last answer may not have returned everything
	left int       // reads that are left of the burst
	at   time.Time // time up to which left was computed
	told time.Time // when a loop was last told of something
}

const (
	paceBurst  = 32                    // burst, in reads
	paceRest   = 8                     // burst if the interval is longer than paceTime
	paceTime   = time.Millisecond      // shortest interval
	paceIdle   = 50 * time.Millisecond // longest interval while a loop waits for a channel
	paceShare  = 16                    // the interval is 1/paceShare of the time without messages
	paceUnused = 500 * time.Millisecond
)

// next returns the pause before the next read. each is the interval.
func (p *pace) next(now time.Time, each time.Duration) time.Duration {
	burst := paceBurst
	switch {
	case each == paceUnused:
		burst = 1 // no loop waits for a channel
	case each > paceTime:
		burst = paceRest
	}
	if earned := now.Sub(p.at) / each; earned >= time.Duration(burst) {
		p.left, p.at = burst, now
	} else { // the rest of the time counts next time
		p.left, p.at = min(p.left+int(earned), burst), p.at.Add(earned*each)
	}
	if each > paceTime {
		p.at = now // the rest does not count, or pauses that last a little longer would earn a read without one
	}
	if p.left = max(p.left-1, 0); p.left > 0 || p.more {
		return 0
	}
	return each
}

// pause returns the pause before the next read.
func (r *reader) pause(now time.Time) time.Duration {
	each := paceTime
	switch {
	case r.partitions == nil:
	case !r.log.waits():
		each = paceUnused
	default:
		each = min(max(now.Sub(r.pace.told)/paceShare, paceTime), paceIdle)
	}
	return r.pace.next(now, each)
}
