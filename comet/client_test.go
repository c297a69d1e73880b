package comet

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"ccomet/comet/internal/conn"
)

// There are two ways to test a server:
//
//   - a wireServer runs by itself, on TCP, with a clock that stands still, so
//     that only what a test does happens;
//   - a stage is a server without goroutines and listeners: the test runs the
//     turns of its loops and moves their clock, so that half an hour takes no
//     time.

// hangTimeout makes a test that hangs fail.
const hangTimeout = 3 * time.Minute

var noon = time.Date(2024, 5, 17, 12, 0, 0, 0, time.UTC)

// The start of every response, after its status line and before its type.
const (
	dateLine = "Date: Fri, 17 May 2024 12:00:00 GMT\r\n"
	fixed    = "Cache-Control: no-cache\r\nExpires: 0\r\nX-Content-Type-Options: nosniff\r\n"
	unending = "Cache-Control: no-cache, no-transform\r\nExpires: 0\r\nX-Content-Type-Options: nosniff\r\nX-Accel-Buffering: no\r\n"
	closing  = "Connection: close\r\n"
	keeping  = "Connection: keep-alive\r\n"
)

const (
	asJSON   = "application/json; charset=utf-8"
	asScript = "text/javascript; charset=utf-8"
	asText   = "text/plain; charset=utf-8"
	asHTML   = "text/html; charset=utf-8"
	asEvents = "text/event-stream; charset=utf-8"
)

// answer is a complete response; more are header lines before its length.
func answer(status, contentType, body string, more ...string) string {
	return fmt.Sprintf("HTTP/1.1 %s\r\n%sContent-Type: %s\r\n%s%sContent-Length: %d\r\n\r\n%s",
		status, dateLine, contentType, fixed, strings.Join(more, ""), len(body), body)
}

// noContent is a response without a body.
func noContent(more ...string) string {
	return "HTTP/1.1 204 No Content\r\n" + dateLine + fixed + strings.Join(more, "") + "\r\n"
}

// reqGet is a request in HTTP/1.minor; more are header lines.
func reqGet(minor int, target string, more ...string) string {
	return fmt.Sprintf("GET %s HTTP/1.%d\r\nHost: h\r\n%s\r\n", target, minor, strings.Join(more, ""))
}

// reqForm is a request with a form as its body.
func reqForm(minor int, target, form string, more ...string) string {
	return fmt.Sprintf("POST %s HTTP/1.%d\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\n%sContent-Length: %d\r\n\r\n%s",
		target, minor, strings.Join(more, ""), len(form), form)
}

type wireServer struct {
	*Server
	root  testing.TB // the test to which the server belongs
	t     testing.TB // the test, or subtest, that runs now
	admin *wireConn  // a connection for other requests of a test
}

// startWire runs a server until the test ends. By then all clients must be
// forgotten. By default it listens on 127.0.0.1.
func startWire(t testing.TB, cfg Config) *wireServer {
	t.Helper()
	if len(cfg.Front) == 0 {
		cfg.Front = []string{"127.0.0.1:0"}
	}
	if len(cfg.Admin) == 0 {
		cfg.Admin = []string{"127.0.0.1:0"}
	}
	cfg.CComet = []string{"127.0.0.1:0"}
	orDefault(&cfg.RetryTime, -1)
	cfg.AdminHosts = append(cfg.AdminHosts, "h", "x") // names that tests use
	cfg.Clock = func() time.Time { return noon }
	srv, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	sameLives(srv)
	srv.Start()
	w := &wireServer{Server: srv, root: t, t: t}
	t.Cleanup(func() {
		w.t = t
		w.until("nobody is left", func() bool { return w.open() == 0 && srv.totals.Subscribers.Load() == 0 })
		srv.Stop()
		if err := srv.Wait(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *wireServer) open() (n int64) {
	for _, s := range w.shards {
		n += s.loop.Stats().Open
	}
	return n
}

// until waits for something that the server does by itself.
func (w *wireServer) until(what string, done func() bool) {
	w.t.Helper()
	for limit := time.Now().Add(hangTimeout); !done(); runtime.Gosched() {
		if time.Now().After(limit) {
			w.t.Errorf("this did not happen in time: %s", what)
			return
		}
	}
}

// subscribed waits until n subscribers are counted.
func (w *wireServer) subscribed(n int64) {
	w.t.Helper()
	w.until(fmt.Sprintf("%d subscribers", n), func() bool { return w.totals.Subscribers.Load() == n })
}

func (w *wireServer) dial(side uint8) *wireConn {
	w.t.Helper()
	address := [conn.NumSides][]string{w.front, w.Server.admin, w.ccomet}[side][0]
	c, err := net.DialTimeout("tcp", address, hangTimeout)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	return &wireConn{Conn: c, t: w.t}
}

// ask sends a request to the admin side, and returns the body of the answer. All
// use one connection, so that each is handled after those before it.
func (w *wireServer) ask(target string) string {
	w.t.Helper()
	if w.admin == nil {
		part := w.t
		w.t = w.root
		w.admin = w.dial(conn.Admin)
		w.t = part
	}
	w.admin.t = w.t
	body := w.admin.ask(target)
	if strings.HasPrefix(target, "/broadcast") {
		w.admin.ask("/check?cname=a") // its answer comes after the broadcast
	}
	return body
}

func (w *wireServer) askAll(targets []string) {
	w.t.Helper()
	for _, target := range targets {
		w.ask(target)
	}
}

// talk sends bytes on a new connection and returns everything that comes.
func (w *wireServer) talk(side uint8, request string) string {
	w.t.Helper()
	c := w.dial(side)
	defer c.Close()
	c.send(request)
	return c.rest()
}

type wireConn struct {
	net.Conn
	t testing.TB
}

func (c *wireConn) send(s string) {
	c.t.Helper()
	_ = c.SetDeadline(time.Now().Add(hangTimeout))
	if _, err := io.WriteString(c, s); err != nil {
		c.t.Fatal(err)
	}
}

// expect reads as many bytes as want has, and compares them.
func (c *wireConn) expect(want string) {
	c.t.Helper()
	_ = c.SetDeadline(time.Now().Add(hangTimeout))
	got := make([]byte, len(want))
	n, err := io.ReadFull(c, got)
	same(c.t, string(got[:n]), want)
	if err != nil {
		c.t.Fatal(err)
	}
}

// rest reads until the server ends the connection.
func (c *wireConn) rest() string {
	c.t.Helper()
	_ = c.SetDeadline(time.Now().Add(hangTimeout))
	got, err := io.ReadAll(c)
	if err != nil {
		c.t.Fatalf("after %q: %v", got, err)
	}
	return string(got)
}

// ask sends a request and returns the body of the answer, by its length.
func (c *wireConn) ask(target string) string {
	c.t.Helper()
	c.send(reqGet(1, target))
	var head []byte
	for one := make([]byte, 1); !strings.HasSuffix(string(head), "\r\n\r\n"); head = append(head, one[0]) {
		if _, err := io.ReadFull(c, one); err != nil {
			c.t.Fatalf("%s: after %q: %v", target, head, err)
		}
	}
	_, after, _ := strings.Cut(string(head), "Content-Length: ")
	size := 0
	if _, err := fmt.Sscan(after, &size); err != nil {
		c.t.Fatalf("%s: no length in %q", target, head)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(c, body); err != nil {
		c.t.Fatal(err)
	}
	return string(body)
}

// same compares a result with the expected one.
func same(t testing.TB, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	from := max(at-300, 0)
	t.Fatalf("different from byte %d on, of %d, want %d:\n got …%.600q\nwant …%.600q", at, len(got), len(want), got[from:], want[from:])
}
