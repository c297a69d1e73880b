// Package drain has how far a loop is with its end, and when a connection is to go.
package drain

import (
	"sync/atomic"
	"time"

	"ccomet/comet/internal/record"
	"ccomet/reactor"
)

// Drain is how far one loop is with the end, which goes so that no client loses anything:
//
//  1. Drain says by when. Each loop sees it when its turn ends (drainOn), accepts
//     what the kernel has connected already, and closes its listeners, so that another
//     process can have their addresses.
//  2. arrange: it goes through its connections, some a turn. What is idle is
//     closed, but for the admin side, where publishing goes on. A waiting client is
//     given a time to go, spread over what is left (ScheduleClose). A request under way
//     is answered.
//  3. When its time comes it is closed in a manner that has its client come back.
//  4. watch: it goes through them once more, and stops at the first that is still worth waiting for.
//  5. When no client is left on any loop, or the time is up, no request is served
//     any more. Two rounds of marks go from each loop to each, behind all other
//     mail: after the first, all that was taken has its number; after the second,
//     all that sent it have been answered.
//  6. The last loop to come so far has the state written, and all loops stopped.
type Drain struct {
	*Clock
	Loop  *reactor.Loop
	Rng   *record.Spread
	Phase Phase
	Wait  time.Duration // until it is to be gone on with; below zero: something else brings that
	Turns int           // since the listeners were told to finish
	At    uint32        // the next connection to be looked at
	Marks [2]int        // that have come, of each round
}

// Phase is how far a loop has come with the drain, in this order.
type Phase uint8

const (
	None      Phase = iota
	Closing         // the listeners' last connections may bring a request
	Arranging       // step 2
	Watching        // step 4
	Gone            // no client is left on this loop
	Ending          // nothing is served; the first round of marks
	Numbered        // the second
	Quiet
)

// Clock is what all loops know of the end.
type Clock struct {
	Epoch    time.Time
	Deadline atomic.Int64 // nanoseconds from epoch to the end; 0: none is near
	Span     atomic.Int64 // nanoseconds that the drain takes
	Gone     atomic.Int32 // loops where no client is left
	Quiet    atomic.Int32 // loops that are through
}

// On says whether the end is near.
func (d *Drain) On() bool { return d.Phase != None }

// Left is what is left of the drain.
func (d *Drain) Left(now time.Time) time.Duration {
	return time.Duration(d.Deadline.Load()) - now.Sub(d.Epoch)
}

// ScheduleClose gives a connection the time at which it is closed, spread over what
// is left but for its last tenth: what is written to it then has that to arrive.
func (d *Drain) ScheduleClose(c reactor.Conn) {
	ticks := d.Left(d.Loop.Now()) * 9 / 10 / reactor.TickLength
	d.Loop.SetTimerAt(c, d.Loop.Tick()+1+reactor.Tick(d.Rng.Next()%uint64(max(ticks, 1))))
}
