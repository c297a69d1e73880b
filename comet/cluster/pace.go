package cluster

import "time"

// pace limits how often a reader reads the bus. It is a token bucket: after a burst, it allows one
// read per interval, and that read returns all messages of the interval. The interval is longer
//   - if the loops have received nothing for some time: it is a fraction of that time. A read costs
//     mainly a wake-up, however much it returns. The next message may come later by one interval;
//   - if no loop waits for a channel: a fixed longer interval, until one does.
type pace struct {
	more bool      // the last answer may not have returned everything
	left int       // reads that are left of the burst
	at   time.Time // when left was computed
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
	if each > paceTime {
		burst = paceRest
	}
	if earned := now.Sub(p.at) / each; earned >= time.Duration(burst) {
		p.left, p.at = burst, now
	} else { // the rest of the time counts next time
		p.left, p.at = min(p.left+int(earned), burst), p.at.Add(earned*each)
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
