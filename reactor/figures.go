package reactor

import (
	"math/bits"
	"time"
)

// Figures are what a loop counts. Open, Held, Blocked, HeldBytes, InputBytes and Guest
// are as of now, the rest since the start.
type Figures struct {
	Stats
	Blocked      int64 // connections that do not read what is held for them
	HeldBytes    int64 // bytes of output that are held, as Config.MaxHeldAll counts them
	InputBytes   int64 // bytes of input that was not consumed yet
	BytesRead    uint64
	BytesWritten uint64
	Pauses       uint64 // rests of listeners for the sake of SocketOptions.AcceptRate
	Troubles     uint64 // rests for want of descriptors or memory
	Guest        bool   // it turns on the goroutine of its group's first loop
	Visits       uint64 // times that it has come there
	TurnTimes    Times
	Records      SlabFigures // of connections and bare timers
}

// Figures returns the loop's figures. Only the loop's goroutine may call it; what it
// returns is the caller's.
func (l *Loop) Figures() Figures {
	f := l.tally
	f.Stats = l.Stats()
	f.HeldBytes, f.InputBytes = int64(l.heldBytes), int64(l.inputBytes)
	f.Records = l.conns.Figures()
	return f
}

// TimeBuckets is how many bounds Times has.
const TimeBuckets = 19

// firstBucket is the first bound, 16.384 µs, as a power of two of nanoseconds.
const firstBucket = 14

// Times counts durations in buckets of fixed bounds, each twice the one before it:
// from 16.384 µs to 4.295 s. The zero value is ready to count.
type Times struct {
	Counts [TimeBuckets + 1]uint64 // that were at most their bound and above the one before; the last has those above all
	Sum    time.Duration
}

// TimeBound is the bound of bucket i.
func TimeBound(i int) time.Duration { return 1 << (firstBucket + i) }

// Total is how many there were.
func (t *Times) Total() (n uint64) {
	for _, count := range t.Counts {
		n += count
	}
	return n
}

func (t *Times) add(d time.Duration) {
	d = max(d, 0) // a clock may be set back
	t.Counts[min(bits.Len64(uint64(max(d, 1)-1)>>firstBucket), TimeBuckets)]++
	t.Sum += d
}

// end adds what is not added yet.
func (t *Times) end(pending *bool, d time.Duration) {
	if *pending {
		*pending = false
		t.add(d)
	}
}

// SlabFigures say what a slab has of memory.
type SlabFigures struct {
	Live   int // records in use
	Room   int // records that the mapped memory has room for
	Record int // bytes of one
	Mapped int // bytes mapped, of which the kernel has provided what was touched
}

// Figures tells them.
func (s *Slab[T]) Figures() SlabFigures {
	f := SlabFigures{Live: s.live, Record: s.Size(), Mapped: len(s.chunks) * chunkLen * s.Size()}
	if len(s.chunks) > 0 {
		f.Room = len(s.chunks)*chunkLen - 1 // index 0 is not used
	}
	return f
}

// Depth is how many messages wait, and the most that have waited since Depth was
// last called. Any goroutine may call it.
func (m *Mailbox[M]) Depth() (now, most int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now, most = len(m.queue), max(m.most, len(m.queue))
	m.most = 0
	return now, most
}
