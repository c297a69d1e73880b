package reactor

import (
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Every method is harmless on a Conn whose connection is gone, even if its record is
// used again.
func TestStaleConnIsHarmless(t *testing.T) {
	p := newProbe(t, Config{})
	l := p.loop
	stale, _ := p.pair()
	l.SetUser(stale, 11)
	l.Close(stale)
	p.turn()
	fresh, far := p.pair()
	if fresh.Index() != stale.Index() || fresh == stale {
		t.Fatalf("the record was not reused with a new generation: %#x, %#x", uint64(stale), uint64(fresh))
	}
	l.SetUser(fresh, 22)
	before := *l.record(fresh)
	for _, c := range []Conn{stale, 0, makeConn(1<<30, 0), Conn(listenerKey)} {
		l.Close(c)
		l.Finish(c)
		l.Pause(c)
		l.Resume(c)
		l.SetUser(c, 33)
		l.SetTimer(c, 0)
		l.Hold(c, &Frame{Bytes: []byte("x")}, 0)
		n, err := l.TryWrite(c, []byte("x"))
		if n != 0 || err != ErrClosed {
			t.Error("TryWrite:", n, err)
		}
		if err := l.Write(c, []byte("x")); err != ErrClosed {
			t.Error("Write:", err)
		}
		if _, _, err := l.Detach(c); err != ErrClosed {
			t.Error("Detach:", err)
		}
		if l.Alive(c) || l.Blocked(c) || l.User(c) != 0 || l.Tag(c) != 0 || l.Fd(c) != -1 || l.HeldOut(c) != 0 {
			t.Error("it is known")
		}
	}
	p.turn()
	if *l.record(fresh) != before {
		t.Fatalf("the new owner has changed: %+v, was %+v", *l.record(fresh), before)
	}
	if data, end := far.take(); len(data) > 0 || end {
		t.Fatal("the new owner's peer was affected")
	}
}

// Between Close and the end of the turn a connection can still be asked about, but not
// used.
func TestClosingConn(t *testing.T) {
	p := newProbe(t, Config{})
	l := p.loop
	c, far := p.pair()
	l.SetUser(c, 5)
	p.onReceived = func(c Conn, b []byte) int {
		l.Close(c)
		l.Close(c)
		l.Finish(c)
		l.SetTimer(c, 0)
		l.Resume(c)
		if l.Write(c, b) != ErrClosed || l.Alive(c) || l.User(c) != 5 || l.Tag(c) != 7 {
			t.Error("wrong result")
		}
		return 0
	}
	p.onClosed = func(c Conn, _ error) {
		if l.User(c) != 5 || l.ConnAt(c.Index()) != c {
			t.Error("Closed cannot identify the connection")
		}
		if _, err := unix.Getpeername(l.Fd(c)); err != nil {
			t.Error("Closed cannot ask the socket:", err)
		}
	}
	far.send("x")
	p.turn()
	p.mustBeClosed(c, nil)
	if l.ConnAt(c.Index()) != 0 || l.Conns() != 0 || l.Stats().Open != 0 {
		t.Fatal("it is still counted")
	}
}

// Two connections have events in one turn, and the handler of the first closes the
// other: the events of the other are not reported.
func TestEventsOfAConnClosedInTheTurn(t *testing.T) {
	p := newProbe(t, Config{})
	a, farA := p.pair()
	b, farB := p.pair()
	p.onReceived = func(c Conn, in []byte) int {
		other := a
		if c == a {
			other = b
		}
		p.loop.Close(other)
		return len(in)
	}
	farA.send("x")
	farB.send("x")
	p.turn()
	if p.calls != 1 || len(p.closed) != 1 {
		t.Fatalf("%d received, %d closed", p.calls, len(p.closed))
	}
}

// Detach frees the record at once: events of the old owner that are still queued in this
// turn must not reach the new one.
func TestEventsOfAConnDetachedInTheTurn(t *testing.T) {
	p := newProbe(t, Config{})
	a, farA := p.pair()
	b, farB := p.pair()
	var fresh Conn
	p.onReceived = func(c Conn, in []byte) int {
		if fresh != 0 {
			t.Error("received for", c)
			return len(in)
		}
		other := a
		if c == a {
			other = b
		}
		fd, _, err := p.loop.Detach(other)
		if err != nil {
			t.Error(err)
		}
		unix.Close(fd)
		fresh, _ = p.pair()
		if fresh.Index() != other.Index() {
			t.Error("the record was not reused")
		}
		return len(in)
	}
	farA.send("x")
	farB.send("x")
	p.turn()
	if p.calls != 1 || !p.loop.Alive(fresh) {
		t.Fatal(p.calls, "received")
	}
}

func TestDetachAndAdopt(t *testing.T) {
	p, q := newProbe(t, Config{}), newProbe(t, Config{})
	c, far := p.pair()
	p.onReceived = func(Conn, []byte) int { return 0 }
	far.send("half")
	p.turn()
	fd, unread, err := p.loop.Detach(c)
	if err != nil || string(unread) != "half" {
		t.Fatalf("detached with %q, %v", unread, err)
	}
	far.send(" whole")
	p.turn()
	if p.calls != 1 || p.wasClosed(c) || p.loop.Conns() != 0 {
		t.Fatal("the first loop still has data of it")
	}
	c, err = q.loop.Adopt(fd, 9, unread)
	if err != nil || q.loop.Tag(c) != 9 || q.loop.Fd(c) != fd {
		t.Fatal(err)
	}
	q.turn()
	q.turn()
	if got := string(q.got[c]); got != "half whole" || len(q.opened) != 0 {
		t.Fatalf("the second loop received %q, opened %d", got, len(q.opened))
	}
}

func TestDetachTakesInputThatIsPaused(t *testing.T) {
	p, q := newProbe(t, Config{}), newProbe(t, Config{})
	c, far := p.pair()
	p.loop.Pause(c)
	far.send("in the kernel")
	far.closeWrite()
	p.turn()
	fd, unread, err := p.loop.Detach(c)
	if err != nil || len(unread) != 0 {
		t.Fatalf("%q, %v", unread, err)
	}
	c = q.adopt(fd)
	q.turn()
	if string(q.got[c]) != "in the kernel" || len(q.ended) != 1 {
		t.Fatalf("%q, ended %d times", q.got[c], len(q.ended))
	}
}

func TestAdoptFailureLeavesTheDescriptor(t *testing.T) {
	p := newProbe(t, Config{MaxConns: 1})
	p.pair()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[1])
	if c, err := p.loop.Adopt(fds[0], 0, nil); c != 0 || err != ErrNoRecord {
		t.Fatal(c, err)
	}
	if err := unix.Close(fds[0]); err != nil {
		t.Fatal("the descriptor is gone:", err)
	}
	if c, err := p.loop.Adopt(1<<20, 0, nil); c != 0 || err == nil {
		t.Fatal("an fd that is not open was adopted")
	}
}

func TestTimers(t *testing.T) {
	p := newProbe(t, Config{})
	l := p.loop
	c, _ := p.pair()
	l.SetTimer(c, time.Second)
	bare := l.Timer(2*time.Second, 77)
	if l.User(bare) != 77 || l.Fd(bare) != -1 || l.Stats().Open != 1 || l.Conns() != 2 {
		t.Fatal("a bare timer has wrong properties")
	}
	p.later(time.Second - time.Nanosecond)
	if len(p.expired) != 0 {
		t.Fatal("the timer expired early")
	}
	p.later(TickLength)
	if !slices.Equal(p.expired, []Conn{c}) {
		t.Fatal(p.expired)
	}
	l.SetTimer(c, time.Second)
	l.SetTimer(c, -1)
	p.later(time.Second + TickLength)
	if !slices.Equal(p.expired, []Conn{c, bare}) {
		t.Fatal(p.expired)
	}
	if err := l.Write(bare, []byte("x")); err != ErrClosed {
		t.Fatal("wrote to a timer:", err)
	}
	l.Close(bare)
	p.turn()
	p.mustBeClosed(bare, nil)
}

// A time that is too large for a Tick is far away, not in the past.
func TestTimerFarAway(t *testing.T) {
	p := newProbe(t, Config{})
	c, _ := p.pair()
	for _, d := range []time.Duration{5 * 365 * 24 * time.Hour, 1<<63 - 1} {
		p.loop.SetTimer(c, d)
		p.later(time.Hour)
		if len(p.expired) != 0 {
			t.Fatal(d, "has run out after an hour")
		}
	}
}

// More timers expire at once than one turn handles: the rest fire in the next turns,
// which do not sleep. Events that arrive meanwhile come before the rest, timers that
// expire meanwhile after it.
func TestExpireBudget(t *testing.T) {
	p := newProbe(t, Config{})
	c, peer := p.pair()
	early := map[Conn]bool{}
	for range 2*expireBudget + 10 {
		early[p.loop.Timer(time.Second, 0)] = true
	}
	for range 2 * expireBudget {
		p.loop.Timer(3*time.Second, 0)
	}
	p.later(2 * time.Second)
	if len(p.expired) != expireBudget {
		t.Fatal(len(p.expired), "told in the first turn")
	}
	if d := p.loop.waitTime(-1, p.now); d != 0 {
		t.Fatal("would sleep", d)
	}
	p.onReceived = func(_ Conn, in []byte) int {
		if len(p.expired) != expireBudget {
			t.Error(len(p.expired), "told before what has arrived")
		}
		return len(in)
	}
	peer.send("a request")
	p.later(2 * time.Second)
	if len(p.expired) != 2*expireBudget || string(p.got[c]) != "a request" {
		t.Fatalf("%d timers expired in two turns, and got %q", len(p.expired), p.got[c])
	}
	for p.loop.waitTime(-1, p.now) == 0 {
		p.turn()
	}
	if len(p.expired) != 4*expireBudget+10 {
		t.Fatal(len(p.expired), "told in all")
	}
	for i, c := range p.expired {
		if early[c] != (i < len(early)) {
			t.Fatalf("timer %d is of those that ran out first: %v", i, early[c])
		}
	}
}

// The held output and the remaining time that a connection reports.
func TestHeldOutAndTimeLeft(t *testing.T) {
	p := newProbe(t, Config{})
	l := p.loop
	c, _ := p.pair()
	if _, armed := l.TimeLeft(c); armed || l.HeldOut(c) != 0 {
		t.Error("a connection without either was accepted")
	}
	l.SetTimer(c, time.Minute)
	if left, armed := l.TimeLeft(c); !armed || left < time.Minute || left > time.Minute+TickLength {
		t.Errorf("%v", left)
	}
	l.Hold(c, &Frame{Bytes: make([]byte, 100)}, 23)
	if n := l.HeldOut(c); n != 77 {
		t.Errorf("%d bytes", n)
	}
	l.Close(c)
	p.turn()
	if _, armed := l.TimeLeft(c); armed || l.HeldOut(c) != 0 {
		t.Error("a connection that is gone")
	}
}
