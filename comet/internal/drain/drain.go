// Package drain records how far a loop has come with a drain, and decides when a connection is
// closed.
package drain

import (
	"sync/atomic"
	"time"

	"ccomet/comet/internal/record"
	"ccomet/reactor"
)

// Drain is how far one loop has come with a drain, in these steps, by which no client loses
// anything:
//
//  1. Server.Drain sets the deadline. Each loop sees it when its turn ends (drainOn), accepts what
//     the kernel has already connected, and closes its listeners, so that another process can have
//     their addresses.
//  2. arrange: the loop walks its connections, some a turn. Idle ones are closed, except on the
//     admin side, where publishing goes on. A waiting client gets a time to leave, spread over the
//     remaining time (ScheduleClose). A request under way is answered.
//  3. At that time it is closed in a way that makes its client come back.
//  4. watch: the loop walks its connections once more, and stops at the first that is still worth
//     waiting for.
//  5. When no client is left on any loop, or the time is up, no request is served any more. Each
//     loop sends two rounds of marks to each, after all other mail. After the first, all accepted
//     messages have their numbers; after the second, all that sent them were answered.
//  6. The last loop to come so far makes the state be written, and all loops stop.
type Drain struct {
	*Clock
	Loop  *reactor.Loop
	Rng   *record.Spread
	Phase Phase
	Wait  time.Duration // time until the next step; negative: some event causes it
	Turns int           // turns since the listeners were told to finish
	At    uint32        // index of the next connection to look at
	Marks [2]int        // marks that have arrived, of each round
}

// Phase is how far a loop has come. The phases follow each other in this order.
type Phase uint8

const (
	None      Phase = iota
	Closing         // the last accepted connections may bring a request
	Arranging       // step 2
	Watching        // step 4
	Gone            // no client is left on this loop
	Ending          // nothing is served; first round of marks
	Numbered        // second round of marks
	Quiet
)

// Clock is what all loops know of the drain.
type Clock struct {
	Epoch    time.Time
	Deadline atomic.Int64 // nanoseconds from Epoch to the end; 0: no drain
	Span     atomic.Int64 // nanoseconds that the drain takes
	Gone     atomic.Int32 // loops where no client is left
	Quiet    atomic.Int32 // loops that have finished
}

// On reports whether the server is draining.
func (d *Drain) On() bool { return d.Phase != None }

// Left returns the remaining time of the drain.
func (d *Drain) Left(now time.Time) time.Duration {
	return time.Duration(d.Deadline.Load()) - now.Sub(d.Epoch)
}

// ScheduleClose sets the time at which a connection is closed: a random one in the remaining time,
// but not in its last tenth, which is left for what is written then to arrive.
func (d *Drain) ScheduleClose(c reactor.Conn) {
	ticks := d.Left(d.Loop.Now()) * 9 / 10 / reactor.TickLength
	d.Loop.SetTimerAt(c, d.Loop.Tick()+1+reactor.Tick(d.Rng.Next()%uint64(max(ticks, 1))))
}
