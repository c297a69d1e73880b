package reactor

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestWriteTime: a peer has time to read, at the slowest rate, what is held for it and what the
// kernel has not sent, which it must read before.
func TestWriteTime(t *testing.T) {
	p := newProbe(t, Config{WriteTimeout: 10 * time.Second})
	c := p.exchange(p.listen("127.0.0.1:0", SocketOptions{Unsent: 50_000}))
	if got := p.loop.WriteTime(c); got != 10*time.Second {
		t.Errorf("%v, but there is nothing to read", got)
	}
	for !p.loop.Blocked(c) {
		if err := p.loop.Write(c, block); err != nil {
			t.Fatal(err)
		}
	}
	unsent, err := unix.IoctlGetInt(p.loop.Fd(c), unix.SIOCOUTQNSD)
	held := p.loop.HeldOut(c)
	if err != nil || unsent == 0 || held == 0 {
		t.Fatalf("%d bytes are held and %d are not sent: %v", held, unsent, err)
	}
	if got, want := p.loop.WriteTime(c), 10*time.Second+time.Duration(held+unsent)*time.Second/SlowestReader; got != want {
		t.Errorf("%v to read %d bytes that are held and %d that are not sent, want %v", got, held, unsent, want)
	}
}

// TestAcknowledged: what the peer's kernel has not acknowledged is known, and for how long
// it has acknowledged nothing.
func TestAcknowledged(t *testing.T) {
	p := newProbe(t, Config{})
	address := p.listen("127.0.0.1:0", SocketOptions{})
	far, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	p.until("it is accepted", func() bool { return len(p.opened) == 1 })
	c := p.opened[0]
	if n := p.loop.Unacknowledged(c); n != 0 {
		t.Errorf("%d bytes are left, but none was written", n)
	}
	raw, err := far.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	nothing := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K} // keeps 0 bytes of each packet
	control := func(do func(fd int) error) {
		if failed := raw.Control(func(fd uintptr) { err = do(int(fd)) }); failed != nil || err != nil {
			t.Fatal(failed, err)
		}
	}
	control(func(fd int) error {
		return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &nothing})
	})
	if err := p.loop.Write(c, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	if n := p.loop.Unacknowledged(c); n != 100 {
		t.Errorf("%d of 100 bytes did not reach the peer", n)
	}
	p.until("the peer is silent", func() bool { return p.loop.Silence(c) > 0 })
	control(func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0) })
	p.until("the peer acknowledges", func() bool { return p.loop.Unacknowledged(c) == 0 })
	p.loop.Close(c)
	p.until("closed", func() bool { return p.wasClosed(c) })
	if p.loop.Unacknowledged(c) != 0 || p.loop.Silence(c) != 0 {
		t.Error("a connection that is closed has figures")
	}
}
