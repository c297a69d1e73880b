package comet

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ccomet/comet/internal/conn"
	"ccomet/reactor"
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

// startWire runs a server until the test ends, by when everybody must have been
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

type stage struct {
	t   testing.TB
	srv *Server
	now time.Time
}

func newStage(t testing.TB, cfg Config) *stage {
	t.Helper()
	st := &stage{t: t, now: noon}
	orDefault(&cfg.RetryTime, -1)
	cfg.AdminHosts = append(cfg.AdminHosts, "h", "x") // what tests call it
	cfg.Clock = func() time.Time { return st.now }
	srv, err := newServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	sameLives(srv)
	st.srv = srv
	t.Cleanup(srv.abandon)
	return st
}

// settle takes turns until nothing is under way: a mail brings another at the
// most a few times.
func (st *stage) settle() {
	for range 6 {
		for i := range st.srv.shards {
			st.turn(i)
		}
	}
}

// until takes turns until something is done that needs another goroutine.
func (st *stage) until(what string, done func() bool) {
	st.t.Helper()
	for limit := time.Now().Add(hangTimeout); !done(); runtime.Gosched() {
		if st.settle(); time.Now().After(limit) {
			st.t.Fatalf("never happened: %s", what)
		}
	}
}

func (st *stage) turn(loop int) {
	st.t.Helper()
	if err := st.srv.shards[loop].loop.Turn(0); err != nil {
		st.t.Fatal(err)
	}
}

// later moves the clock.
func (st *stage) later(d time.Duration) {
	st.t.Helper()
	st.now = st.now.Add(d)
	st.settle()
}

// homed returns a channel's name whose home is that loop.
func (st *stage) homed(loop int) string {
	for n := 0; ; n++ {
		if cname := fmt.Sprintf("c%d", n); int(st.srv.homes.Of([]byte(cname))) == loop {
			return cname
		}
	}
}

// player is a client of a stage.
type player struct {
	st    *stage
	conn  reactor.Conn // the server's end
	fd    int
	ended bool
	buf   []byte
}

func (st *stage) enter(loop int, side uint8) *player {
	st.t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		st.t.Fatal(err)
	}
	s := st.srv.shards[loop]
	var c reactor.Conn
	if c, err = s.loop.Adopt(fds[0], side, nil); err != nil {
		st.t.Fatal(err)
	}
	s.web.Opened(c)
	p := &player{st: st, conn: c, fd: fds[1], buf: make([]byte, 256<<10)}
	st.t.Cleanup(p.leave)
	return p
}

func (p *player) leave() {
	if p.fd >= 0 {
		unix.Close(p.fd)
		p.fd = -1
	}
}

// half ends what the player sends, and goes on to read.
func (p *player) half() {
	if err := unix.Shutdown(p.fd, unix.SHUT_WR); err != nil {
		p.st.t.Fatal(err)
	}
}

// write sends, and leaves the turns to be taken.
func (p *player) write(s string) {
	p.st.t.Helper()
	if n, err := unix.Write(p.fd, []byte(s)); n != len(s) {
		p.st.t.Fatalf("wrote %d of %d bytes: %v", n, len(s), err)
	}
}

func (p *player) send(s string) {
	p.st.t.Helper()
	p.write(s)
	p.st.settle()
}

// take is what has come.
func (p *player) take() string {
	var got []byte
	for {
		n, err := unix.Read(p.fd, p.buf)
		if err != nil || n == 0 {
			p.ended = p.ended || err != unix.EAGAIN
			return string(got)
		}
		got = append(got, p.buf[:n]...)
	}
}

// body is what has come, without the head in front of it.
func (p *player) body() string {
	p.st.t.Helper()
	got := p.take()
	_, body, ok := strings.Cut(got, "\r\n\r\n")
	if !ok {
		p.st.t.Fatalf("no response in %q", got)
	}
	return body
}

// admin has the admin side of a loop do something, and returns the answer's body.
func (st *stage) admin(loop int, target string) string {
	st.t.Helper()
	p := st.enter(loop, conn.Admin)
	p.send(reqGet(1, target, closing))
	body := p.body()
	p.leave()
	st.settle()
	return body
}
