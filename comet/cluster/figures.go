package cluster

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// figures are the counters. Any goroutine may use them.
type figures struct {
	queued, queuedBytes atomic.Int64 // waiting for a number
	calls               atomic.Uint64
	published           atomic.Uint64
	repeated            atomic.Uint64 // not published again because of their keys
	refused             atomic.Uint64
	items, told         atomic.Uint64 // read by the reader; passed on to a loop
	behind              atomic.Uint64 // times that channels were compared
	cuts                atomic.Uint64 // lost connections of the reader
	lag                 atomic.Int64  // the age in ms of the entry that was read last
	trips               [tripBuckets]atomic.Uint64
	tripSum             atomic.Int64 // ns
}

// tripBuckets is the number of buckets for round trips: up to 2^n times 64 µs, and one
// for all longer ones.
const tripBuckets = 16

const shortestTrip = 64 * time.Microsecond

func (f *figures) observe(trip time.Duration) {
	f.tripSum.Add(int64(trip))
	f.trips[min(bits.Len64(uint64(max(trip-1, 0)/shortestTrip)), tripBuckets-1)].Add(1)
}

// Figures are the counters of a log since it was opened, and its state.
type Figures struct {
	Queued, QueuedBytes int64         // what waits for a number: messages, bytes
	Calls               uint64        // calls that publish
	Published           uint64        // messages that got a number
	Repeated            uint64        // of these, messages that were not published again because of their keys
	Refused             uint64        // messages that got no number
	Read, Told          uint64        // items of the bus that were read; items that a loop was told of
	Compared            uint64        // times that the channels of a partition were compared with Redis
	Cuts                uint64        // lost connections of the reader
	Lag                 time.Duration // the age of the entry that was read last, when it was read
	Generation          uint32        // the highest of all partitions
	Trips               Trips         // round trips of calls that publish or attach
	Ready               bool
}

// Trips is a histogram: Counts[n] are the round trips of up to Bounds[n] that are not in
// Counts[n-1]; the last count has no bound.
type Trips struct {
	Bounds []time.Duration
	Counts []uint64
	Sum    time.Duration
}

// Figures returns the current figures. Any goroutine may call it.
func (l *Log) Figures() Figures {
	f := &l.figures
	out := Figures{
		Queued: f.queued.Load(), QueuedBytes: f.queuedBytes.Load(), Calls: f.calls.Load(), Published: f.published.Load(),
		Repeated: f.repeated.Load(), Refused: f.refused.Load(), Read: f.items.Load(), Told: f.told.Load(),
		Compared: f.behind.Load(), Cuts: f.cuts.Load(), Lag: time.Duration(f.lag.Load()) * time.Millisecond,
	}
	out.Ready = l.Away() == nil
	for _, p := range l.partitions {
		out.Generation = max(out.Generation, p.known().gen>>generationBits)
	}
	for n := range f.trips {
		if n < tripBuckets-1 {
			out.Trips.Bounds = append(out.Trips.Bounds, shortestTrip<<n)
		}
		out.Trips.Counts = append(out.Trips.Counts, f.trips[n].Load())
	}
	out.Trips.Sum = time.Duration(f.tripSum.Load())
	return out
}
