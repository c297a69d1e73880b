package reactor

import "time"

// clock is the time of a loop, which is read once a turn.
type clock struct {
	start, now time.Time
	tick       Tick
}

// set moves the time of the loop to now.
func (l *clock) set(now time.Time) { l.now, l.tick = now, Tick(now.Sub(l.start)/TickLength) }

// Now returns when this turn's events were taken from the kernel.
func (l *clock) Now() time.Time { return l.now }

// Tick returns Now in ticks since the loop was made.
func (l *clock) Tick() Tick { return l.tick }

// ticksAhead returns the first tick at or after d from now.
func (l *clock) ticksAhead(d time.Duration) Tick {
	d = min(d, farthest)
	return Tick((l.now.Sub(l.start) + d + TickLength - 1) / TickLength)
}
