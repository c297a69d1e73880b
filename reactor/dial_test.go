package reactor

import (
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// client and server loops in one: what is dialled has tag 8, what is accepted
// tag 3.
func TestDial(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "unix:" + filepath.Join(t.TempDir(), "socket")} {
		p := newProbe(t, Config{})
		bound := p.listen(address, SocketOptions{})
		c, err := p.loop.Dial(bound, "", 8, 99, SocketOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if len(p.opened) != 0 || p.loop.User(c) != 99 || p.loop.Tag(c) != 8 {
			t.Fatal("too early, or not what was given")
		}
		// written before it is connected: it is sent then
		if err := p.loop.Write(c, []byte("early")); err != nil {
			t.Fatal(err)
		}
		p.onReceived = func(c Conn, b []byte) int {
			if p.loop.Tag(c) == 3 { // answer and close, perhaps at once
				_ = p.loop.Write(c, b)
				p.loop.Finish(c)
			}
			return len(b)
		}
		p.onEnded = func(c Conn) {
			if string(p.got[c]) != "early" {
				t.Errorf("%s: ended after %q", address, p.got[c])
			}
			p.loop.Close(c)
		}
		p.until("all is over", func() bool { return len(p.closed) == 2 })
		if len(p.opened) != 2 || p.closed[c] != nil {
			t.Fatalf("%s: %d opened, closed with %v", address, len(p.opened), p.closed)
		}
	}
}

// The server writes and closes before the client has looked: all of it may come
// with the very first edge.
func TestDialAndEverythingAtOnce(t *testing.T) {
	path := "unix:" + filepath.Join(t.TempDir(), "socket")
	for _, address := range []string{"127.0.0.1:0", path} {
		p := newProbe(t, Config{})
		ln := mustListen(t, address, SocketOptions{})
		c, err := p.loop.Dial(ln.Addr(), "", 0, 0, SocketOptions{})
		if err != nil {
			t.Fatal(err)
		}
		poll := []unix.PollFd{{Fd: int32(ln.fd), Events: unix.POLLIN}}
		if _, err := unix.Poll(poll, 5000); err != nil {
			t.Fatal(err)
		}
		fd, errno := sysAccept(int32(ln.fd), unix.SOCK_CLOEXEC)
		if errno != 0 {
			t.Fatal(errno)
		}
		far := newPeer(t, int(fd))
		far.send("hello and goodbye")
		far.close()
		p.until("ended", func() bool { return len(p.ended) == 1 })
		if string(p.got[c]) != "hello and goodbye" || len(p.opened) != 1 {
			t.Fatalf("%s: %q", address, p.got[c])
		}
		ln.Close()
	}
}

func TestDialRefused(t *testing.T) {
	p := newProbe(t, Config{})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := ln.Addr().String()
	ln.Close()
	c, err := p.loop.Dial(nobody, "", 0, 0, SocketOptions{})
	if errors.Is(err, unix.ECONNREFUSED) {
		return // reported at once
	}
	if err != nil {
		t.Fatal(err)
	}
	p.until("closed", func() bool { return p.wasClosed(c) })
	p.mustBeClosed(c, unix.ECONNREFUSED)
	if len(p.opened) != 0 {
		t.Fatal("opened")
	}
}

func TestDialFromALocalAddress(t *testing.T) {
	p := newProbe(t, Config{})
	bound := p.listen("127.0.0.1:0", SocketOptions{})
	if _, err := p.loop.Dial(bound, "127.0.0.2:0", 8, 0, SocketOptions{}); err != nil {
		t.Fatal(err)
	}
	p.until("connected", func() bool { return len(p.opened) == 2 })
	for _, c := range p.opened {
		if p.loop.Tag(c) != 3 {
			continue
		}
		from, err := unix.Getpeername(p.loop.Fd(c))
		if err != nil || !strings.HasPrefix(formatAddr(from), "127.0.0.2:") {
			t.Fatal("came from", formatAddr(from), err)
		}
	}
}

func TestDialErrors(t *testing.T) {
	before := openDescriptors(t)
	p := newProbe(t, Config{MaxConns: 1})
	for _, address := range []string{"", "nonsense", "unix:/no/such/socket"} {
		if c, err := p.loop.Dial(address, "", 0, 0, SocketOptions{}); err == nil || c != 0 {
			t.Errorf("dialled %q", address)
		}
	}
	if _, err := p.loop.Dial("127.0.0.1:1", "nonsense", 0, 0, SocketOptions{}); err == nil {
		t.Error("an invalid local address was accepted")
	}
	p.loop.Timer(episode, 0)
	fds := [2]int{}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	p.adopt(fds[0])
	ln := mustListen(t, "127.0.0.1:0", SocketOptions{})
	if _, err := p.loop.Dial(ln.Addr(), "", 0, 0, SocketOptions{}); err != ErrNoRecord {
		t.Error("dialled over MaxConns:", err)
	}
	ln.Close()
	unix.Close(fds[1])
	p.loop.Release()
	if after := openDescriptors(t); after != before {
		t.Fatalf("%d descriptors were open, %d are", before, after)
	}
}

// A dialled connection that is finished before it is connected is never
// reported as open.
func TestFinishBeforeConnected(t *testing.T) {
	for _, write := range []string{"", "just this"} {
		p := newProbe(t, Config{})
		ln := mustListen(t, "127.0.0.1:0", SocketOptions{})
		c, err := p.loop.Dial(ln.Addr(), "", 0, 0, SocketOptions{})
		if err != nil {
			t.Fatal(err)
		}
		_ = p.loop.Write(c, []byte(write))
		p.loop.Finish(c)
		if write != "" {
			fd, errno := sysAccept(int32(ln.fd), unix.SOCK_CLOEXEC)
			for ; errno == unix.EAGAIN; fd, errno = sysAccept(int32(ln.fd), unix.SOCK_CLOEXEC) {
			}
			far := newPeer(t, int(fd))
			if got := string(far.readAll(p)); got != write {
				t.Fatalf("the peer read %q", got)
			}
			far.close()
		}
		p.until("closed", func() bool { return p.wasClosed(c) })
		p.mustBeClosed(c, nil)
		if len(p.opened) != 0 {
			t.Fatal("opened")
		}
		ln.Close()
	}
}
