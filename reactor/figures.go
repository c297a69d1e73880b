package reactor

import (
	"math/bits"
	"time"
)

// Figures are the counters of a loop. Open, Held, Blocked, HeldBytes, InputBytes,
// Guest and Records are current values, the rest count since the start.
type Figures struct {
	Stats
	Blocked      int64 // connections with output that the peer does not read
	HeldBytes    int64 // bytes of held output, as counted for Config.MaxHeldAll
	InputBytes   int64 // bytes of the buffers of unconsumed input
	BytesRead    uint64
	BytesWritten uint64
	Pauses       uint64 // pauses of listeners because of SocketOptions.AcceptRate
	Troubles     uint64 // pauses of listeners for lack of descriptors or memory
	Guest        bool   // the loop runs on the goroutine of its group's first loop
	Visits       uint64 // how often it has moved there
	TurnTimes    Times
	Records      SlabFigures // of connections and bare timers
}

// Figures returns a copy of the loop's counters. Only the loop's goroutine may call
// it.
func (l *Loop) Figures() Figures {
	f := l.tally
	f.Stats = l.Stats()
	f.HeldBytes, f.InputBytes = int64(l.heldBytes), int64(l.inputBytes)
	f.Records = l.conns.Figures()
	return f
}

// TimeBuckets is the number of bounds of Times.
const TimeBuckets = 19

// firstBucket is the first bound, 16.384 µs, as a power of two of nanoseconds.
const firstBucket = 14

// Times counts durations in buckets with fixed bounds, each twice the one before: from
// 16.384 µs to 4.295 s. The zero value is ready to use.
type Times struct {
	Counts [TimeBuckets + 1]uint64 // durations above the previous bound and up to this one; the last counts those above all bounds
	Sum    time.Duration
}

// TimeBound returns the upper bound of bucket i.
func TimeBound(i int) time.Duration { return 1 << (firstBucket + i) }

// Total returns the number of durations.
func (t *Times) Total() (n uint64) {
	for _, count := range t.Counts {
		n += count
	}
	return n
}

func (t *Times) add(d time.Duration) {
	d = max(d, 0) // the clock may be set back
	t.Counts[min(bits.Len64(uint64(max(d, 1)-1)>>firstBucket), TimeBuckets)]++
	t.Sum += d
}

// end adds a duration that is pending.
func (t *Times) end(pending *bool, d time.Duration) {
	if *pending {
		*pending = false
		t.add(d)
	}
}

// SlabFigures describe the memory of a slab.
type SlabFigures struct {
	Live   int // records in use
	Room   int // records that fit into the mapped memory
	Record int // bytes of a record
	Mapped int // bytes mapped; the kernel has provided only the pages that were touched
}

// Figures returns the figures of the slab.
func (s *Slab[T]) Figures() SlabFigures {
	f := SlabFigures{Live: s.live, Record: s.Size(), Mapped: len(s.chunks) * chunkLen * s.Size()}
	if len(s.chunks) > 0 {
		f.Room = len(s.chunks)*chunkLen - 1 // index 0 is not used
	}
	return f
}

// Depth returns how many messages are queued, and the most that were queued since the
// last call of Depth. Any goroutine may call it.
func (m *Mailbox[M]) Depth() (now, most int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now, most = len(m.queue), max(m.most, len(m.queue))
	m.most = 0
	return now, most
}
