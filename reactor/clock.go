package reactor

import "time"

// clock is the time as a loop reads it, once a turn.
type clock struct {
	start, now time.Time
	tick       Tick
}

// set has it be a time.
func (l *clock) set(now time.Time) { l.now, l.tick = now, Tick(now.Sub(l.start)/TickLength) }

// Now is the time at which this turn's events were taken.
func (l *clock) Now() time.Time { return l.now }

// Tick is Now in ticks since the loop was made.
func (l *clock) Tick() Tick { return l.tick }

// ticksAhead is the first tick that is not before d from now.
func (l *clock) ticksAhead(d time.Duration) Tick {
	d = min(d, farthest)
	return Tick((l.now.Sub(l.start) + d + TickLength - 1) / TickLength)
}
