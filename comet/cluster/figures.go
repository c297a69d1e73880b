package cluster

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// figures are what is counted. Any goroutine counts, and may ask.
type figures struct {
	queued, queuedBytes atomic.Int64 // that waits to be numbered
	calls               atomic.Uint64
	published           atomic.Uint64
	repeated            atomic.Uint64 // that a key has kept from being published again
	refused             atomic.Uint64
	items, told         atomic.Uint64 // that the reader has read, and has told a loop of
	behind              atomic.Uint64 // times that channels were compared
	cuts                atomic.Uint64 // of the reader
	lag                 atomic.Int64  // ms that the entry was old which was read last
	trips               [tripBuckets]atomic.Uint64
	tripSum             atomic.Int64 // ns
}

// tripBuckets are of round trips: of up to 2^n times 64 µs, and of all that take longer.
const tripBuckets = 16

const shortestTrip = 64 * time.Microsecond

func (f *figures) observe(trip time.Duration) {
	f.tripSum.Add(int64(trip))
	f.trips[min(bits.Len64(uint64(max(trip-1, 0)/shortestTrip)), tripBuckets-1)].Add(1)
}

// Figures are what a log has counted since it was opened, and where it stands.
type Figures struct {
	Queued, QueuedBytes int64         // what waits to be numbered: messages, bytes
	Calls               uint64        // that published
	Published           uint64        // messages that got a number
	Repeated            uint64        // of them, those that a key has kept from being published again
	Refused             uint64        // messages that got none
	Read, Told          uint64        // items of the bus that were read; that a loop was told of
	Compared            uint64        // times that the channels of a partition were compared with what Redis keeps
	Cuts                uint64        // of the connection that reads the bus
	Lag                 time.Duration // age of the entry that was read last, when it was
	Generation          uint32        // the highest of a partition
	Trips               Trips         // to Redis, of calls that publish or attach
	Ready               bool
}

// Trips is a histogram: Counts[n] are those of up to Bounds[n], which is not what is below it; the
// last count has no bound.
type Trips struct {
	Bounds []time.Duration
	Counts []uint64
	Sum    time.Duration
}

// Figures are the log's, now. Any goroutine may ask.
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
