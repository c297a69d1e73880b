package reactor

import (
	"testing"
	"time"
)

// A duration counts in the first bucket whose bound it does not exceed.
func TestTimes(t *testing.T) {
	var times Times
	var sum time.Duration
	for i := range TimeBuckets {
		for _, d := range []time.Duration{TimeBound(i), TimeBound(i) + 1} {
			before := times.Counts
			times.add(d)
			sum += d
			at := i + int(d-TimeBound(i))
			if times.Counts[at] != before[at]+1 {
				t.Errorf("%v is not in bucket %d: %v", d, at, times.Counts)
			}
		}
	}
	times.add(0)
	times.add(-time.Second)
	times.add(time.Hour)
	if sum += time.Hour; times.Sum != sum || times.Total() != 2*TimeBuckets+3 || times.Counts[0] != 3 || times.Counts[TimeBuckets] != 2 {
		t.Errorf("%+v, want a sum of %v", times, sum)
	}
	if first, last := TimeBound(0), TimeBound(TimeBuckets-1); first != 16384*time.Nanosecond || last != 4294967296*time.Nanosecond {
		t.Errorf("the bounds are %v to %v", first, last)
	}
}

// A turn is over when the loop waits again.
func TestTurnTimes(t *testing.T) {
	p := newProbe(t, Config{})
	p.turn()
	p.now = p.now.Add(time.Second) // the turn takes that long
	if f := p.loop.Figures(); f.TurnTimes.Total() != 0 {
		t.Errorf("turns are over before the first is: %+v", f)
	}
	p.turn()
	p.turn()
	f := p.loop.Figures()
	if f.TurnTimes.Total() != 2 || f.TurnTimes.Sum != time.Second || f.TurnTimes.Counts[0] != 1 || f.Turns != 3 {
		t.Errorf("%+v", f)
	}
}

// Bytes that pass, and bytes that are held for a peer that does not read.
func TestFigures(t *testing.T) {
	p := newProbe(t, Config{})
	a, far := p.pair()
	b, _ := p.pair()
	far.send("hello")
	p.turn()
	if err := p.loop.Write(a, []byte("hello, too")); err != nil {
		t.Fatal(err)
	}
	p.turn()
	f := p.loop.Figures()
	if f.BytesRead != 5 || f.BytesWritten != 10 || f.Writes != 1 || f.Blocked != 0 || f.Open != 2 {
		t.Errorf("%+v", f)
	}
	if f.Records != (SlabFigures{Live: 2, Room: chunkLen - 1, Record: RecordSize, Mapped: chunkLen * RecordSize}) {
		t.Errorf("records: %+v", f.Records)
	}
	data, _ := far.take()
	got := uint64(len(data))
	if err := p.loop.Write(a, block); err != nil {
		t.Fatal(err)
	}
	p.loop.Hold(a, &Frame{Bytes: block}, 0) // after what is already held
	want := got + 2*uint64(len(block))
	if f = p.loop.Figures(); f.Blocked != 1 || f.HeldBytes == 0 || f.Held != 1 || f.BytesWritten >= want {
		t.Errorf("with one that does not read: %+v", f)
	}
	p.until("it has read all", func() bool {
		data, _ := far.take()
		got += uint64(len(data))
		return got >= want
	})
	if f = p.loop.Figures(); f.Blocked != 0 || f.HeldBytes != 0 || f.Held != 0 || f.BytesWritten != want || got != want {
		t.Errorf("when it has read %d bytes of %d: %+v", got, want, f)
	}
	p.loop.Hold(b, &Frame{Bytes: block}, 0)
	if f = p.loop.Figures(); f.Blocked != 1 {
		t.Errorf("with another that does not read: %+v", f)
	}
	p.loop.Close(b)
	p.turn()
	if f = p.loop.Figures(); f.Blocked != 0 || f.Held != 0 || f.Open != 1 || f.Records.Live != 1 {
		t.Errorf("when it has gone: %+v", f)
	}
}

// A counter that any goroutine may read is never lower than what the loop has reported
// itself. Otherwise it would seem to start again if the loop is stuck in that turn.
func TestFiguresAreNotAheadOfStats(t *testing.T) {
	p := newProbe(t, Config{})
	c, _ := p.pair()
	if err := p.loop.Write(c, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if told, all := p.loop.Figures().Stats, p.loop.Stats(); told != all {
		t.Errorf("inside the loop: %+v, outside: %+v", told, all)
	}
}

// A mailbox reports how many messages are queued, and the most since the last call.
func TestMailboxDepth(t *testing.T) {
	p := newProbe(t, Config{})
	box := NewMailbox[letter](p.loop)
	want := func(now, most int) {
		t.Helper()
		if n, m := box.Depth(); n != now || m != most {
			t.Errorf("depth %d, most %d, want %d and %d", n, m, now, most)
		}
	}
	want(0, 0)
	box.Post(letter{}, letter{}, letter{})
	box.Drain()
	box.Post(letter{})
	want(1, 3)
	want(1, 1)
	box.Drain()
	want(0, 1)
	want(0, 0)
}
