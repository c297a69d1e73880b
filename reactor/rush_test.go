package reactor

import (
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// waiting gives a probe a listener with a queue of limit connections, in which n wait that
// have sent something.
func (p *probe) waiting(limit, n int) (bound string) {
	p.t.Helper()
	bound = p.listen("127.0.0.1:0", SocketOptions{Backlog: limit})
	p.join(bound, n)
	return bound
}

// join connects n more clients, which send something. It returns when they wait in the queue
// of the listener.
func (p *probe) join(bound string, n int) {
	p.t.Helper()
	queue := func() int {
		waiting, _, _ := sysAcceptQueue(int32(p.loop.listeners[0].fd))
		return waiting
	}
	const patience = 30_000 // ms
	for before := queue(); n > 0; n-- {
		far := dialPeer(p.t, bound)
		if ready, err := unix.Poll([]unix.PollFd{{Fd: int32(far.fd), Events: unix.POLLOUT}}, patience); ready != 1 {
			p.t.Fatalf("a client is not connected (%v), and %d wait", err, queue())
		}
		far.send("hello")
		for before++; queue() != before; {
			runtime.Gosched() // the handshake of the kernel ends on another thread
		}
	}
}

// crowd gives the loop as many connections with input as the kernel reports in a turn.
func (p *probe) crowd() {
	p.t.Helper()
	for range eventBatch {
		_, far := p.pair()
		far.send("busy")
	}
}

// read returns how many of the accepted connections were read.
func (p *probe) read() (n int) {
	for _, c := range p.opened {
		if string(p.got[c]) == "hello" {
			n++
		}
	}
	return n
}

// When a queue is more than half full in a rush, all that wait in it are accepted at once, but
// no more of them are read in that turn than otherwise. The rest is read later.
func TestRushEmptiesTheQueue(t *testing.T) {
	p := newProbe(t, Config{})
	p.waiting(100, 90)
	for n, want := range []int{1, 90} { // the second event is the first one of a rush
		p.turn()
		if len(p.opened) != want {
			t.Fatalf("after turn %d %d connections are accepted, want %d", n, len(p.opened), want)
		}
	}
	if got := p.read(); got != 3 {
		t.Errorf("%d connections have been read, want 3", got)
	}
	p.until("all have been read", func() bool { return p.read() == 90 })
	if p.turn(); p.loop.listeners[0].many || p.loop.many {
		t.Error("the queue is empty, and is still looked at")
	}
}

// A queue does not overflow while the loop is busy with other connections, which the kernel
// reports first.
func TestRushBehindMany(t *testing.T) {
	p := newProbe(t, Config{})
	bound := p.listen("127.0.0.1:0", SocketOptions{Backlog: 100})
	p.crowd()
	p.join(bound, 50)
	p.turn()
	if len(p.opened) != 0 || p.calls < eventBatch {
		t.Fatalf("with a queue that is half full %d connections are accepted, and %d others were read", len(p.opened), p.calls)
	}
	p.until("all are accepted", func() bool { return len(p.opened) == 50 })
	p.crowd()
	p.join(bound, 60)
	p.turn()
	if len(p.opened) != 110 {
		t.Fatalf("with a queue that is more than half full %d connections are accepted, want 60", len(p.opened)-50)
	}
	p.until("all have been read", func() bool { return p.read() == 110 })
}

// Clients that connect faster than the loop serves them all get a place in the queue.
func TestRushLosesNoHandshake(t *testing.T) {
	p := newProbe(t, Config{})
	bound := p.listen("127.0.0.1:0", SocketOptions{Backlog: 300})
	for range 15 {
		p.join(bound, 100) // a turn reads 64 of them
		p.turn()
	}
	p.until("all have been read", func() bool { return p.read() == 1500 })
}

// The accept rate holds in a rush, and nothing is accepted while the loop holds its input.
func TestRushObeys(t *testing.T) {
	p := newProbe(t, Config{})
	bound := p.listen("127.0.0.1:0", SocketOptions{Backlog: 20, AcceptRate: 16})
	p.crowd()
	p.join(bound, 12)
	p.loop.HoldInput()
	p.turn()
	if len(p.opened) != 0 {
		t.Fatalf("%d connections are accepted while input is held", len(p.opened))
	}
	p.loop.ReleaseInput()
	p.crowd()
	p.turn()
	if len(p.opened) != 4 {
		t.Fatalf("%d connections are accepted, want 4: a quarter of a second's", len(p.opened))
	}
	p.turn()
	if len(p.opened) != 4 {
		t.Fatalf("%d connections are accepted while the listener pauses", len(p.opened))
	}
	p.later(time.Second)
	p.until("the others follow", func() bool { return len(p.opened) > 4 })
}

// The kernel tells how many connections wait at a TCP socket. Those at a unix socket are
// accepted in a rush without asking.
func TestAcceptQueue(t *testing.T) {
	p := newProbe(t, Config{})
	p.waiting(9, 3)
	if waiting, limit, known := sysAcceptQueue(int32(p.loop.listeners[0].fd)); waiting != 3 || limit != 9 || !known {
		t.Errorf("%d of %d wait, want 3 of 9", waiting, limit)
	}
	q := newProbe(t, Config{})
	q.rushed(300, "hello")
	for range 7 {
		q.turn()
	}
	if len(q.opened) != 300 {
		t.Errorf("of 300 connections to a unix socket %d are accepted", len(q.opened))
	}
	q.until("all have been read", func() bool { return q.read() == 300 })
}
