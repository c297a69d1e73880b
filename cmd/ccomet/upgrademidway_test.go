package main

import (
	"bufio"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// stuck is a client with a small receive buffer that does not read the response.
func stuck(t *testing.T, address, request string) *bufio.Reader {
	t.Helper()
	dialer := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 4096) })
	}}
	conn, err := dialer.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(hangTimeout))
	fmt.Fprint(conn, request)
	return bufio.NewReader(conn)
}

// TestUpgradeMidway: unfinished work continues over several upgrades: a stuck reader whose
// channel is closed after the messages that it has not read; requests that arrive byte by byte;
// a publisher that does not wait for answers; a listener to /psub.
func TestUpgradeMidway(t *testing.T) {
	t.Parallel()
	s := install(t, "--channel-buffer-bytes", "4000000", "--channel-buffer-size", "1000", "--write-timeout", "600", "--request-timeout", "600", "--body-timeout", "600")
	behind := stuck(t, s.front, "GET /stream?cname=c0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
	readUntil(t, behind, "next_seq")
	const large = 200
	for range large {
		s.push("c0", strings.Repeat("x", 16<<10))
	}
	if a := get(t, s.admin, "/close?cname=c0"); a.status != 200 {
		t.Fatal(a)
	}
	_, presence := raw(t, s.admin, "GET /psub HTTP/1.1\r\nHost: localhost\r\n\r\n")
	readUntil(t, presence, "200 OK")
	slow, slowAnswer := raw(t, s.front, "")
	posting, postAnswer := raw(t, s.admin, "")
	publisher, answers := raw(t, s.admin, "")
	poll := "GET /poll?cname=c1&seq=1 HTTP/1.1\r\nHost: localhost\r\n\r\n"
	post := "POST /push?cname=c2 HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 10\r\n\r\n0123456789"
	const rounds, batch = 4, 50
	for n := range rounds {
		fmt.Fprint(slow, poll[len(poll)*n/rounds:len(poll)*n/rounds+1])
		fmt.Fprint(posting, post[len(post)*n/rounds:len(post)*n/rounds+1])
		fmt.Fprint(publisher, strings.Repeat("GET /push?cname=c1&ack=1&content=on HTTP/1.1\r\nHost: localhost\r\n\r\n", batch))
		s.put(t, s.versions[(n+1)%2])
		if said, err := s.upgrade(); err != nil {
			t.Fatalf("%v: %s", err, said)
		}
		fmt.Fprint(slow, poll[len(poll)*n/rounds+1:len(poll)*(n+1)/rounds])
		fmt.Fprint(posting, post[len(post)*n/rounds+1:len(post)*(n+1)/rounds])
		channel := fmt.Sprintf("p%d", n)
		conn, joined := raw(t, s.front, "GET /stream?cname="+channel+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
		readUntil(t, joined, "next_seq")
		readUntil(t, presence, "1 "+channel)
		conn.Close()
	}
	for n := range rounds * batch {
		readUntil(t, answers, fmt.Sprintf(`"seq":%d`, n+1))
	}
	readUntil(t, slowAnswer, `"seq":1,"content":"on"`)
	readUntil(t, postAnswer, `"type":"ok"`)
	for n := range large {
		readUntil(t, behind, fmt.Sprintf(`"seq":%d,`, n+1))
	}
	readUntil(t, behind, `"type":"close"`)
}

// TestUpgradeOfOneThatEnds: a draining server refuses an upgrade with an error.
func TestUpgradeOfOneThatEnds(t *testing.T) {
	t.Parallel()
	pidfile := filepath.Join(t.TempDir(), "pid")
	s := install(t, "--drain-time", "600", "--pidfile", pidfile)
	conn, lines := raw(t, s.front, "GET /stream?cname=c0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
	readUntil(t, lines, "next_seq")
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.logs("draining")
	out, err := command(nil, "upgrade", "--pidfile", pidfile, "--timeout", "180").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "not upgraded: the server is about to end") {
		t.Errorf("%v: %s", err, out)
	}
	s.logs(`"error":"the server is about to end","time"`)
	conn.Close()
	if err := s.wait(); err != nil {
		t.Error(err)
	}
}
