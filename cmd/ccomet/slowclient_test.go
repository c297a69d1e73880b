package main

import (
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestSmallReceiveBuffer: a client that reads is not cut for not reading, whatever its receive
// buffer has room for. When that is full the kernel probes whether there is room again; with
// TCP_USER_TIMEOUT it would give the connection up where it probes twice, the second time after the
// timeout, though the client has read megabytes meanwhile.
func TestSmallReceiveBuffer(t *testing.T) {
	t.Parallel()
	const patience = 2 * time.Second // --write-timeout
	p := start(t, nil, "--write-timeout", "2", "--max-message", "65536", "--channel-buffer-bytes", "1000000")
	var enough atomic.Bool
	published := make(chan struct{})
	go func() {
		defer close(published)
		for !enough.Load() {
			p.push("a", strings.Repeat("x", 50_000))
		}
	}()
	defer func() { enough.Store(true); <-published }()
	dialer := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) (err error) {
		return errors.Join(raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 16<<10) }), err)
	}}
	// stalled says whether the client itself was late: then it may be cut.
	read := func() (stalled bool, err error) {
		c, err := dialer.Dial("tcp", p.front)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte("GET /stream?cname=a&seq=1&lost=1 HTTP/1.1\r\nHost: a\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 1<<16)
		last := time.Now()
		for began := last; time.Since(began) < 2*patience; {
			for paused := time.Now(); time.Since(paused) < patience/10; {
				stalled = stalled || time.Since(last) > patience/2
				last = time.Now()
				if _, err := c.Read(buf); err != nil {
					return stalled, err
				}
			}
			time.Sleep(patience / 5) // longer than it takes until the kernel probes
		}
		return false, nil
	}
	until(t, func() bool {
		stalled, err := read()
		if err != nil && !stalled {
			t.Fatalf("a client that reads was cut: %v", err)
		}
		return err == nil
	})
}

// TestVanished: a client whose machine is gone, which no message tells, is found when it acknowledges
// nothing; one that does not read meanwhile is kept.
func TestVanished(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "--polling-timeout", "1", "--write-timeout", "1")
	gone, unread := p.stream("a"), p.stream("a")
	defer gone.Close()
	defer unread.Close()
	_, there := raw(t, p.front, "GET /stream?cname=a&seq=1 HTTP/1.1\r\nHost: a\r\n\r\n")
	readUntil(t, there, "noop")
	conn, err := gone.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	nothing := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K} // of no packet a byte is let in
	if failed := conn.Control(func(fd uintptr) {
		err = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &nothing})
	}); failed != nil || err != nil {
		t.Fatal(failed, err)
	}
	until(t, func() bool { return strings.Contains(get(t, p.admin, "/stats").body, `"cut":1,`) })
	p.subscribers(2)
	for range 3 {
		readUntil(t, there, "noop")
	}
	if s := get(t, p.admin, "/stats").body; !strings.Contains(s, `"cut":1,`) {
		t.Errorf("a connected client was cut: %s", s)
	}
}
