package reactor

import (
	"bytes"
	"errors"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// probe is a Handler that records its calls, and does what a test has set.
type probe struct {
	t    testing.TB
	loop *Loop
	now  time.Time // the loop's clock, which only the test advances

	opened, ended, drained, expired []Conn
	closed                          map[Conn]error
	calls                           int // of Received
	got                             map[Conn][]byte
	warned                          []error

	onOpened, onEnded, onDrained, onExpired func(Conn)
	onReceived                              func(Conn, []byte) int
	onClosed                                func(Conn, error)
	onTurnEnded                             func() time.Duration
}

func newProbe(t testing.TB, cfg Config) *probe {
	t.Helper()
	p := &probe{t: t, now: time.Unix(1_700_000_000, 0), closed: map[Conn]error{}, got: map[Conn][]byte{}}
	cfg.Clock = func() time.Time { return p.now }
	if cfg.Warn == nil {
		cfg.Warn = func(err error) { p.warned = append(p.warned, err) }
	}
	loop, err := NewLoop(p, cfg)
	if err != nil {
		t.Fatal(err)
	}
	p.loop = loop
	t.Cleanup(func() {
		if p.loop.released {
			return
		}
		if err := checkLoop(p.loop); err != nil {
			t.Error(err)
		}
		p.loop.Release()
	})
	return p
}

func (p *probe) Opened(c Conn) {
	p.opened = append(p.opened, c)
	if p.onOpened != nil {
		p.onOpened(c)
	}
}

func (p *probe) Received(c Conn, b []byte) int {
	p.calls++
	n := len(b)
	if p.onReceived != nil {
		n = p.onReceived(c, b)
	}
	p.got[c] = append(p.got[c], b[:n]...)
	return n
}

func (p *probe) Ended(c Conn) {
	p.ended = append(p.ended, c)
	if p.onEnded != nil {
		p.onEnded(c)
	}
}

func (p *probe) Drained(c Conn) {
	p.drained = append(p.drained, c)
	if p.onDrained != nil {
		p.onDrained(c)
	}
}

func (p *probe) Expired(c Conn) {
	p.expired = append(p.expired, c)
	if p.onExpired != nil {
		p.onExpired(c)
	}
}

func (p *probe) Closed(c Conn, err error) {
	if _, twice := p.closed[c]; twice {
		p.t.Errorf("Closed was called twice for %#x", uint64(c))
	}
	p.closed[c] = err
	if p.onClosed != nil {
		p.onClosed(c, err)
	}
}

func (p *probe) TurnEnded(time.Time) time.Duration {
	if p.onTurnEnded != nil {
		return p.onTurnEnded()
	}
	return -1
}

// turn runs one turn without waiting.
func (p *probe) turn() {
	p.t.Helper()
	if err := p.loop.Turn(0); err != nil {
		p.t.Fatal(err)
	}
	if err := checkLoop(p.loop); err != nil {
		p.t.Fatal(err)
	}
}

// until runs turns until the kernel has made a condition true.
func (p *probe) until(what string, done func() bool) {
	p.t.Helper()
	for range 2000 {
		if done() {
			return
		}
		if err := p.loop.Turn(5 * time.Millisecond); err != nil {
			p.t.Fatal(err)
		}
	}
	p.t.Fatalf("this did not happen in time: %s", what)
}

// later advances the clock, and runs the turn that sees it.
func (p *probe) later(d time.Duration) {
	p.t.Helper()
	p.now = p.now.Add(d)
	p.turn()
}

func (p *probe) wasClosed(c Conn) bool { _, ok := p.closed[c]; return ok }

func (p *probe) mustBeClosed(c Conn, want error) {
	p.t.Helper()
	err, ok := p.closed[c]
	if !ok || !errors.Is(err, want) || (want == nil) != (err == nil) {
		p.t.Fatalf("closed: %v with %v, want with %v", ok, err, want)
	}
	if p.loop.record(c) != nil {
		p.t.Fatal("a closed connection still has its record")
	}
}

// peer is the other end of a connection: a bare non-blocking descriptor.
type peer struct {
	t  testing.TB
	fd int
}

func newPeer(t testing.TB, fd int) *peer {
	p := &peer{t: t, fd: fd}
	t.Cleanup(p.close)
	return p
}

// pair adopts one end of a socket pair and returns the other.
func (p *probe) pair() (Conn, *peer) {
	p.t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		p.t.Fatal(err)
	}
	return p.adopt(fds[0]), newPeer(p.t, fds[1])
}

// tcpPair is pair over TCP.
func (p *probe) tcpPair() (Conn, *peer) {
	p.t.Helper()
	near, far := tcpSockets(p.t)
	return p.adopt(near), newPeer(p.t, far)
}

func (p *probe) adopt(fd int) Conn {
	p.t.Helper()
	c, err := p.loop.Adopt(fd, 7, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

func tcpSockets(t testing.TB) (near, far int) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	far, err = dial(ln.Addr().String(), "", SocketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	file, err := accepted.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	near, err = unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	file.Close()
	accepted.Close()
	if err := unix.SetNonblock(near, true); err != nil {
		t.Fatal(err)
	}
	return near, far
}

func (e *peer) close() {
	if e.fd >= 0 {
		unix.Close(e.fd)
		e.fd = -1
	}
}

// reset closes a TCP peer with a RST.
func (e *peer) reset() {
	_ = unix.SetsockoptLinger(e.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	e.close()
}

func (e *peer) closeWrite() {
	e.t.Helper()
	if err := unix.Shutdown(e.fd, unix.SHUT_WR); err != nil {
		e.t.Fatal(err)
	}
}

// send writes all of s; the kernel must have room for it.
func (e *peer) send(s string) {
	e.t.Helper()
	if n, err := unix.Write(e.fd, []byte(s)); n != len(s) {
		e.t.Fatalf("the peer wrote %d of %d bytes: %v", n, len(s), err)
	}
}

// fill writes until the kernel accepts no more, and returns how much it has
// accepted.
func (e *peer) fill() int {
	total, block := 0, bytes.Repeat([]byte("x"), 64<<10)
	for {
		n, err := unix.Write(e.fd, block)
		if err != nil {
			return total
		}
		total += n
	}
}

// take reads what has arrived; end is true if the end follows.
func (e *peer) take() (data []byte, end bool) {
	buf := make([]byte, 64<<10)
	for {
		n, err := unix.Read(e.fd, buf)
		switch {
		case err == unix.EAGAIN:
			return data, false
		case err != nil || n == 0:
			return data, true
		}
		data = append(data, buf[:n]...)
	}
}

// readAll runs turns until the peer has read the end.
func (e *peer) readAll(p *probe) []byte {
	e.t.Helper()
	var all []byte
	p.until("the peer sees the end", func() bool {
		data, end := e.take()
		all = append(all, data...)
		return end
	})
	return all
}
