package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Exhausted file descriptors: new clients are refused with the reason, the others are served,
// and when descriptors are available again, the server works as before.

// limit sets a resource limit of the running program.
func (p *process) limit(resource int, soft, hard uint64) {
	p.t.Helper()
	if err := unix.Prlimit(p.cmd.Process.Pid, resource, &unix.Rlimit{Cur: soft, Max: hard}, nil); err != nil {
		p.t.Fatal(err)
	}
}

// caller is a client on a persistent connection.
type caller struct {
	net.Conn
	in     *bufio.Reader
	status int
	body   io.Reader
}

// call requests a path, and does not wait for the answer.
func call(t *testing.T, address, path string) *caller {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := &caller{Conn: conn, in: bufio.NewReader(conn)}
	c.ask(path)
	return c
}

// ask sends a request. The connection may be refused already; then its answer can be read.
func (c *caller) ask(path string) {
	_ = c.SetDeadline(time.Now().Add(hangTimeout))
	_, _ = fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path)
}

// answered reads the head of the answer. Status 0 means that the connection was reset.
func (c *caller) answered(t *testing.T) int {
	t.Helper()
	resp, err := http.ReadResponse(c.in, nil)
	switch {
	case err == nil:
		c.status, c.body = resp.StatusCode, resp.Body
	case !errors.Is(err, syscall.ECONNRESET):
		t.Fatalf("neither served nor refused: %v", err)
	}
	return c.status
}

// whole returns an answer's body.
func (c *caller) whole(t *testing.T) string {
	t.Helper()
	body, err := io.ReadAll(c.body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// line returns the next line of an endless answer.
func (c *caller) line(t *testing.T) string {
	t.Helper()
	var line []byte
	for one := make([]byte, 1); !strings.HasSuffix(string(line), "\n"); line = append(line, one[0]) {
		if _, err := io.ReadFull(c.body, one); err != nil {
			t.Fatalf("after %q: %v", line, err)
		}
	}
	return string(line)
}

// insist repeats a request until the answer has this status.
func insist(t *testing.T, status int, address, path string) *caller {
	t.Helper()
	for limit := time.Now().Add(hangTimeout); ; runtime.Gosched() {
		c := call(t, address, path)
		if c.answered(t) == status {
			return c
		}
		if c.Close(); time.Now().After(limit) {
			t.Fatalf("%s is never answered with %d", path, status)
		}
	}
}

func TestOutOfDescriptors(t *testing.T) {
	t.Parallel()
	const room, callers = 20, 100
	p := start(t, nil, "--loops", "2")
	admin := insist(t, 200, p.admin, "/healthz")
	admin.whole(t)
	names, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	p.limit(unix.RLIMIT_NOFILE, uint64(len(names)+room), uint64(len(names)+callers+room))
	var all, served []*caller
	for range callers {
		all = append(all, call(t, p.front, "/stream?cname=a&seq=1"))
	}
	refused := 0
	for _, c := range all {
		switch c.answered(t) {
		case 200:
			served = append(served, c)
		case 503:
			if refused++; !strings.Contains(c.whole(t), "no descriptors left for another connection") {
				t.Error("refused without the reason")
			}
		}
	}
	// While one loop uses its reserve descriptor, the other may be refused one too.
	if len(served) < room-2 || len(served) > room+2 || refused < (callers-room)/2 {
		t.Fatalf("of %d callers, %d were served and %d refused", callers, len(served), refused)
	}
	admin.ask("/push?cname=a&content=still")
	if status, body := admin.answered(t), admin.whole(t); status != 200 {
		t.Fatal(status, body)
	}
	for _, c := range served {
		if line := c.line(t); !strings.Contains(line, `"seq":1,"content":"still"`) {
			t.Fatalf("a subscriber gets %q", line)
		}
	}
	for _, c := range served[:len(served)/2] {
		c.Close()
	}
	if line := insist(t, 200, p.front, "/stream?cname=a&seq=1").line(t); !strings.Contains(line, "still") {
		t.Fatalf("a new subscriber gets %q", line)
	}
	const said = "connections are refused until descriptors are free"
	p.logs(said) // it may take a while
	if n := strings.Count(p.logged(), said); n > 2 {
		t.Errorf("it was logged %d times:\n%s", n, p.logged())
	}
}
