package cluster

import "time"

// pace has a reader that is told often read more at once: beyond a burst it reads so many times
// in a second, and what has come meanwhile costs one call. Where the loops have waited for
// nothing for some time it pauses after a read for a part of that time, which the next message that
// they wait for has to bear: what a read takes is to wake up, whatever it brings. Where they wait
// for no channel at all it reads less often still, until they do.
type pace struct {
	more bool // there may be more than was read
	left int
	at   time.Time // when left was worked out
	told time.Time // when a loop was last told of something
}

const (
	paceBurst  = 32                    // reads
	paceRest   = 8                     // and where nothing is waited for
	paceTime   = time.Millisecond      // for each read
	paceIdle   = 50 * time.Millisecond // at the most, where nothing is waited for
	paceShare  = 16                    // of the time for which that has been so
	paceUnused = 500 * time.Millisecond
)

// next is how long it is until the next read, where each takes so long.
func (p *pace) next(now time.Time, each time.Duration) time.Duration {
	burst := paceBurst
	if each > paceTime {
		burst = paceRest
	}
	if earned := now.Sub(p.at) / each; earned >= time.Duration(burst) {
		p.left, p.at = burst, now
	} else { // what is left of the time counts the next time
		p.left, p.at = min(p.left+int(earned), burst), p.at.Add(earned*each)
	}
	if p.left = max(p.left-1, 0); p.left > 0 || p.more {
		return 0
	}
	return each
}

// pause is how long it is until the next read.
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
