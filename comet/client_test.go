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

// Two ways of standing before a server:
//
//   - a wireServer runs as it will, on TCP, with a clock that stands still, so
//     that nothing but what a test does happens;
//   - a stage is a server without goroutines and listeners: the test takes its
//     loops' turns and moves their clock, so that half an hour takes no time.

// hangTimeout turns what hangs into a failure.
const hangTimeout = 3 * time.Minute

var noon = time.Date(2024, 5, 17, 12, 0, 0, 0, time.UTC)

// What every response begins with, behind its status line and before its type.
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

// answer is a whole response; more are header lines before its length.
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

// reqForm is a request with a form for its body.
func reqForm(minor int, target, form string, more ...string) string {
	return fmt.Sprintf("POST %s HTTP/1.%d\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\n%sContent-Length: %d\r\n\r\n%s",
		target, minor, strings.Join(more, ""), len(form), form)
}

type wireServer struct {
	*Server
	root  testing.TB // whose server it is
	t     testing.TB // the test, or the part of it, that runs
	admin *wireConn  // a connection for what a test asks by the way
}

// startWire runs a server until the test ends, by when all clients must have been
// forgotten. Where the test does not say, it listens on 127.0.0.1.
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
	cfg.AdminHosts = append(cfg.AdminHosts, "h", "x") // what tests call it
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

// until waits for what the server does by itself.
func (w *wireServer) until(what string, done func() bool) {
	w.t.Helper()
	for limit := time.Now().Add(hangTimeout); !done(); runtime.Gosched() {
		if time.Now().After(limit) {
			w.t.Errorf("never happened: %s", what)
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

// ask has the admin side do something, and returns the body of its answer. All
// go over one connection, so that each is done behind those before it.
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
		w.admin.ask("/check?cname=a") // its answer comes from behind the broadcast
	}
	return body
}

func (w *wireServer) askAll(targets []string) {
	w.t.Helper()
	for _, target := range targets {
		w.ask(target)
	}
}

// talk sends bytes on a connection of their own and returns all that comes.
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

// expect reads as many bytes as want has, which must be those.
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

// rest is all that comes until the server ends the connection.
func (c *wireConn) rest() string {
	c.t.Helper()
	_ = c.SetDeadline(time.Now().Add(hangTimeout))
	got, err := io.ReadAll(c)
	if err != nil {
		c.t.Fatalf("after %q: %v", got, err)
	}
	return string(got)
}

// ask sends a request and returns the body of its answer, by its length.
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

// same compares what came with what must come.
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
	t.Fatalf("from byte %d of %d, wanted %d:\n got …%.600q\nwant …%.600q", at, len(got), len(want), got[from:], want[from:])
}
