package reactor

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// rushed gives a probe a listener, and n connections that have sent something before the
// loop's first turn.
func (p *probe) rushed(n int, sent string) {
	p.t.Helper()
	bound := p.listen("unix:"+filepath.Join(p.t.TempDir(), "socket"), SocketOptions{})
	for range n {
		far := dialPeer(p.t, bound)
		if sent != "" {
			far.send(sent)
		}
	}
}

// Input that comes with a connection is read in the turn that accepts it, and the kernel
// reports nothing more then.
func TestReadAtAccept(t *testing.T) {
	p := newProbe(t, Config{})
	p.rushed(1, "hello")
	p.turn()
	if len(p.opened) != 1 || string(p.got[p.opened[0]]) != "hello" {
		t.Fatalf("after one turn %d connections are open, and have sent %v", len(p.opened), p.got)
	}
	if events, err := p.loop.poller.wait(0); err != nil || len(events) > 0 {
		t.Fatalf("the next turn would have %d events (%v), and nothing has happened", len(events), err)
	}
}

// If the new connection has sent much, the accepting turn reads little of it, because there
// may be many such connections. Its own turns read the rest.
func TestReadAtAcceptIsBounded(t *testing.T) {
	p := newProbe(t, Config{})
	const much = 5 * inputLeast
	p.rushed(1, strings.Repeat("x", much))
	p.turn()
	c := p.opened[0]
	if n := len(p.got[c]); n != inputLeast {
		t.Fatalf("the turn that accepts has read %d bytes, want %d", n, inputLeast)
	}
	for range 5 {
		p.turn()
	}
	if n := len(p.got[c]); n != much {
		t.Fatalf("%d of %d bytes have been read", n, much)
	}
}

// A connection that is closed, or paused, when it is opened is not read.
func TestNotReadAtAccept(t *testing.T) {
	p := newProbe(t, Config{})
	p.onOpened = func(c Conn) {
		if len(p.opened) == 1 {
			p.loop.Close(c)
		} else {
			p.loop.Pause(c)
		}
	}
	p.rushed(2, "hello")
	p.until("both accepted", func() bool { return len(p.opened) == 2 })
	if p.calls != 0 {
		t.Fatalf("closed and paused connections were read: %v", p.got)
	}
	p.mustBeClosed(p.opened[0], nil)
	p.loop.Resume(p.opened[1])
	p.until("it is read", func() bool { return string(p.got[p.opened[1]]) == "hello" })
}

// A turn accepts one connection and does not ask for a second. But if each turn brings more,
// it soon accepts as many as the bound allows, while the queue of the socket has room.
func TestAcceptsInARush(t *testing.T) {
	p := newProbe(t, Config{})
	p.waiting(1000, 300)
	before := 0
	for n, want := range []int{1, 2, 4, 8, 16, 32, 64, 64, 64, 45, 0} {
		p.turn()
		if got := len(p.opened) - before; got != want {
			t.Fatalf("turn %d accepts %d connections, want %d", n, got, want)
		}
		before = len(p.opened)
	}
	bound := p.loop.listeners[0].addr
	for range 3 {
		far := dialPeer(t, bound)
		p.turn() // accepts one, the only one
		if got := len(p.opened) - before; got != 1 {
			t.Fatalf("%d connections are accepted, want 1", got)
		}
		if most := p.loop.listeners[0].most; most != 1 {
			t.Fatalf("a turn expected %d connections, without a rush before it", most)
		}
		before++
		p.turn() // nothing comes in this turn
		far.close()
		p.turn()
	}
}

// It is also a rush if timers expire in each turn, so that the kernel is asked a second time:
// a loop that gets little of a processor must not fall behind.
func TestAcceptsInARushBesideTimers(t *testing.T) {
	p := newProbe(t, Config{})
	p.rushed(300, "")
	for turns := 0; len(p.opened) < 300; turns++ {
		if turns == 10 {
			t.Fatalf("%d connections are accepted in %d turns", len(p.opened), turns)
		}
		p.loop.Timer(TickLength, 0)
		p.later(2 * TickLength)
	}
}

// The rush continues if other connections have so many events that the listener is reported
// only in some turns.
func TestAcceptsInARushBesideMany(t *testing.T) {
	p := newProbe(t, Config{})
	p.rushed(100, "")
	ln := &p.loop.listeners[0]
	for n, want := range []int{1, 2, 4, 8} {
		if got := p.loop.expected(ln); got != want {
			t.Fatalf("report %d: %d connections are expected, want %d", n, got, want)
		}
		p.loop.stats.turns.Add(3) // in each of them the kernel had more events
	}
	p.loop.whole = p.loop.stats.turns.Load()
	if got := p.loop.expected(ln); got != 1 {
		t.Fatalf("after a turn in which the listener had nothing to report %d connections are expected, want 1", got)
	}
}

// A connection is watched for EPOLLOUT from its first short write on.
func TestOutputIsWatchedFromTheFirstShortWrite(t *testing.T) {
	p := newProbe(t, Config{})
	bound := p.listen("127.0.0.1:0", SocketOptions{SendBuffer: 4 << 10})
	far := dialPeer(t, bound)
	p.until("accepted", func() bool { return len(p.opened) > 0 })
	c := p.opened[0]
	total := 0
	for round := range 3 {
		for !p.loop.Blocked(c) {
			if err := p.loop.Write(c, make([]byte, 64<<10)); err != nil {
				t.Fatal(err)
			}
			total += 64 << 10
		}
		if p.loop.record(c).flags&flagOutput == 0 {
			t.Fatal("the kernel does not report that it is writable")
		}
		got := 0
		p.until("all is read", func() bool {
			data, _ := far.take()
			got += len(data)
			return got == total
		})
		p.until("drained", func() bool { return len(p.drained) == round+1 })
		total = 0
	}
}

// If the kernel cannot watch it, the connection is lost, and reported as lost.
func TestOutputCannotBeWatched(t *testing.T) {
	p := newProbe(t, Config{})
	c, _ := p.pair()
	fd := int32(p.loop.Fd(c))
	if err := p.loop.poller.remove(fd); err != nil { // so that modify fails
		t.Fatal(err)
	}
	for p.loop.Open(c) {
		if p.loop.Blocked(c) {
			t.Fatal("it waits for an event that never comes")
		}
		_ = p.loop.Write(c, make([]byte, 64<<10))
	}
	p.turn()
	p.mustBeClosed(c, unix.ENOENT)
	p.later(time.Hour)
}
