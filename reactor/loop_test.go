package reactor

import (
	"errors"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestWaitTime(t *testing.T) {
	p := newProbe(t, Config{})
	wish := time.Duration(-1)
	p.onTurnEnded = func() time.Duration { return wish }
	want := func(what string, asked, want time.Duration) {
		t.Helper()
		if got := p.loop.waitTime(asked, p.now); got != want {
			t.Errorf("%s: waits %v, want %v", what, got, want)
		}
	}
	want("nothing to do", -1, -1)
	want("the caller's bound", time.Second, time.Second)
	wish = 3 * time.Second
	p.turn()
	want("the handler's wish", -1, 3*time.Second)
	want("the shorter of both", time.Second, time.Second)
	timer := p.loop.Timer(10*TickLength, 0)
	want("a timer", -1, 10*TickLength)
	p.now = p.now.Add(9*TickLength + time.Millisecond) // the turn has taken long
	want("a timer that has come near", -1, TickLength-time.Millisecond)
	p.now = p.now.Add(time.Hour)
	want("a timer overdue", -1, 0)
	p.loop.Close(timer)
	p.turn()
	c, far := p.pair()
	p.loop.Pause(c)
	far.send("x")
	p.turn()
	p.loop.Resume(c)
	want("input ready", -1, 0)
}

// TurnEnded is called again after connections were closed, because of what Closed
// may have done.
func TestTurnEndedAfterReaping(t *testing.T) {
	p := newProbe(t, Config{})
	var events []string
	p.onTurnEnded = func() time.Duration { events = append(events, "turn"); return -1 }
	p.onClosed = func(Conn, error) { events = append(events, "closed") }
	a, _ := p.pair()
	p.loop.Close(a)
	p.turn()
	p.turn()
	if want := []string{"turn", "closed", "turn", "turn"}; !slices.Equal(events, want) {
		t.Fatal(events)
	}
}

// Closed may close others; they are reaped in the same turn.
func TestClosedMayCloseOthers(t *testing.T) {
	p := newProbe(t, Config{})
	a, _ := p.pair()
	b, _ := p.pair()
	p.onClosed = func(c Conn, _ error) { p.loop.Close(b) }
	p.loop.Close(a)
	p.turn()
	p.mustBeClosed(a, nil)
	p.mustBeClosed(b, nil)
}

func TestReleaseClosesEverything(t *testing.T) {
	before := openDescriptors(t)
	p := newProbe(t, Config{})
	a, farA := p.pair()
	b, farB := p.pair()
	timer := p.loop.Timer(time.Hour, 1)
	_ = p.loop.Write(a, block)
	ln, err := Listen("127.0.0.1:0", SocketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.loop.AddListener(ln, 0); err != nil {
		t.Fatal(err)
	}
	p.loop.rest(0) // the handler does not see its timer
	p.loop.Close(b)
	p.onClosed = func(c Conn, why error) { // a handler that always tries again
		if why == ErrStopped {
			if _, err := p.loop.Dial(ln.Addr(), "", 0, 0, SocketOptions{}); err != ErrNoRecord {
				t.Error("dialled in a loop that is being released:", err)
			}
			if p.loop.Timer(time.Second, 0) != 0 {
				t.Error("a timer was made in a loop that is being released")
			}
		}
	}
	p.loop.Stop()
	if err := p.loop.Run(); err != nil {
		t.Fatal(err)
	}
	want := map[Conn]error{a: ErrStopped, b: nil, timer: ErrStopped}
	if len(p.closed) != len(want) {
		t.Fatal(p.closed)
	}
	for c, err := range want {
		if !errors.Is(p.closed[c], err) {
			t.Errorf("%#x closed with %v, want %v", uint64(c), p.closed[c], err)
		}
	}
	p.loop.Close(a)
	p.loop.Wake()
	p.loop.Stop()
	farA.close()
	farB.close()
	if after := openDescriptors(t); after != before {
		t.Fatalf("%d descriptors were open, %d are", before, after)
	}
}

// openDescriptors counts the open descriptors, including those of the runtime's own
// poller, which it opens at its first use.
func openDescriptors(t *testing.T) int {
	t.Helper()
	if r, w, err := os.Pipe(); err != nil {
		t.Fatal(err)
	} else {
		r.Close()
		w.Close()
	}
	n := 0
	for fd := range 1024 {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil {
			n++
		}
	}
	return n
}

// However often a loop is woken before it runs, the eventfd is written once; and
// never while the loop is awake.
func TestWakeIsCoalesced(t *testing.T) {
	p := newProbe(t, Config{})
	l := p.loop
	writes := func() uint64 { // reading an eventfd returns the number of writes
		var sum [8]byte
		if n, errno := sysRead(int32(l.poller.wakeFd), sum[:]); errno != 0 || n != 8 {
			return 0
		}
		return uint64(sum[0]) | uint64(sum[1])<<8
	}
	for range 10 {
		l.Wake()
	}
	if n := writes(); n != 0 {
		t.Fatal("written", n, "times while the loop was awake")
	}
	p.turn() // does not sleep, because of the flag alone
	l.asleep.Store(1)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				l.Wake()
			}
		})
	}
	all.Wait()
	if n := writes(); n != 1 {
		t.Fatal("written", n, "times for one sleep")
	}
	p.turn()
	if l.woken.Load() != 0 || l.asleep.Load() != 0 {
		t.Fatal("the flags have changed")
	}
}

// A Wake during a turn makes the next one not sleep.
func TestWakeInATurn(t *testing.T) {
	p := newProbe(t, Config{})
	turns := 0
	p.onTurnEnded = func() time.Duration {
		if turns++; turns < 100 {
			p.loop.Wake()
		} else {
			p.loop.Stop()
		}
		return -1
	}
	p.loop.Wake()
	if err := p.loop.Run(); err != nil { // would not return if it slept
		t.Fatal(err)
	}
	if turns != 100 {
		t.Fatal(turns, "turns")
	}
}

func TestStopFromElsewhere(t *testing.T) {
	for range 50 {
		p := &probe{t: t, closed: map[Conn]error{}}
		loop, err := NewLoop(p, Config{})
		if err != nil {
			t.Fatal(err)
		}
		ran := make(chan error)
		go func() { ran <- loop.Run() }()
		loop.Stop()
		if err := <-ran; err != nil {
			t.Fatal(err)
		}
		loop.Wake() // too late, and harmless: it must not write to the descriptor, which may be used again
	}
}

func BenchmarkTurnOneActiveOf1000(b *testing.B) {
	p := newProbe(b, Config{})
	p.onReceived = func(c Conn, in []byte) int {
		_ = p.loop.Write(c, in)
		return len(in)
	}
	for range 999 {
		p.pair()
	}
	c, far := p.pair()
	message := []byte("0123456789abcdef")
	answer := make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = sysWrite(int32(far.fd), message)
		_ = p.loop.Turn(0)
		_, _ = sysRead(int32(far.fd), answer)
		p.got[c] = p.got[c][:0]
	}
}

func BenchmarkWake(b *testing.B) {
	p := newProbe(b, Config{})
	b.Run("awake", func(b *testing.B) {
		for b.Loop() {
			p.loop.Wake()
		}
	})
	b.Run("asleep", func(b *testing.B) { // the write to the eventfd, and the turn that it causes
		for b.Loop() {
			p.loop.asleep.Store(1)
			p.loop.Wake()
			_ = p.loop.Turn(0)
		}
	})
}
