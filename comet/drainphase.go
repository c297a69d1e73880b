package comet

import (
	"ccomet/reactor"
	"sync/atomic"
	"time"
)

// How a server ends without harm to anybody:
//
//  1. Drain says by when. Each loop sees it when its turn ends (drainOn), takes
//     whoever has connected already, and closes its listeners, so that another
//     process can have their addresses.
//  2. arrange: it goes through its connections, some a turn. What is idle is
//     closed, but for the admin side, where publishing goes on. Who waits is
//     given a time to go, spread over what is left (depart). A request under way
//     is answered.
//  3. When its time comes it is sent away in a manner that has its client come
//     back (sendAway).
//  4. watch: it goes through them once more, and stays at whoever is still there.
//  5. When nobody is left on any loop, or the time is up, no request is served
//     any more. Two rounds of marks go from each loop to each, behind all other
//     mail: after the first, whatever was taken has its number; after the second,
//     whoever sent it has been answered.
//  6. The last loop to come so far has the state written, and all loops stopped.
type drain struct {
	*drainClock
	loop  *reactor.Loop
	rng   *spread
	phase drainPhase
	wait  time.Duration // until it is to be gone on with; below zero: something else brings that
	turns int           // since the listeners were told to finish
	at    uint32        // the next connection to be looked at
	marks [2]int        // that have come, of each round
}

type drainPhase uint8

const (
	drainNone      drainPhase = iota
	drainClosing              // the listeners' last connections may bring a request
	drainArranging            // step 2
	drainWatching             // step 4
	drainGone                 // nobody is left on this loop
	drainEnding               // nothing is served; the first round of marks
	drainNumbered             // the second
	drainQuiet
)

// drainClock is what all loops know of the end.
type drainClock struct {
	epoch    time.Time
	deadline atomic.Int64 // nanoseconds from epoch to the end; 0: none is near
	span     atomic.Int64 // nanoseconds that the drain takes
	gone     atomic.Int32 // loops where nobody is left
	quiet    atomic.Int32 // loops that are through
}

// on says whether the end is near.
func (d *drain) on() bool { return d.phase != drainNone }

// left is what is left of the drain.
func (d *drain) left(now time.Time) time.Duration {
	return time.Duration(d.deadline.Load()) - now.Sub(d.epoch)
}

// depart gives a connection the time at which it is sent away, spread over what
// is left but for its last tenth: what is written to it then has that to arrive.
func (d *drain) depart(c reactor.Conn) {
	ticks := d.left(d.loop.Now()) * 9 / 10 / reactor.TickLength
	d.loop.SetTimerAt(c, d.loop.Tick()+1+reactor.Tick(d.rng.next()%uint64(max(ticks, 1))))
}
