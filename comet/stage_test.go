package comet

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ccomet/comet/internal/conn"
	"ccomet/reactor"
)

// stage runs a server without listeners turn by turn. Its clients are players.
type stage struct {
	t   testing.TB
	srv *Server
	now time.Time
}

func newStage(t testing.TB, cfg Config) *stage {
	t.Helper()
	st := &stage{t: t, now: noon}
	orDefault(&cfg.RetryTime, -1)
	cfg.AdminHosts = append(cfg.AdminHosts, "h", "x") // names that tests use
	cfg.Clock = func() time.Time { return st.now }
	srv, err := newServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	sameLives(srv)
	st.srv = srv
	t.Cleanup(func() { st.srv.abandon() }) // another one if it has been handed over
	return st
}

// settle runs turns until nothing is under way: a mail causes at most a few
// others.
func (st *stage) settle() {
	for range 6 {
		for i := range st.srv.shards {
			st.turn(i)
		}
	}
}

// until runs turns until something is done that needs another goroutine.
func (st *stage) until(what string, done func() bool) {
	st.t.Helper()
	for limit := time.Now().Add(hangTimeout); !done(); runtime.Gosched() {
		if st.settle(); time.Now().After(limit) {
			st.t.Fatalf("this did not happen in time: %s", what)
		}
	}
}

func (st *stage) turn(loop int) {
	st.t.Helper()
	if err := st.srv.shards[loop].loop.Turn(0); err != nil {
		st.t.Fatal(err)
	}
}

// later advances the clock.
func (st *stage) later(d time.Duration) {
	st.t.Helper()
	st.now = st.now.Add(d)
	st.settle()
}

// homed returns the name of a channel whose home is that loop.
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

// half ends the sending side of a player, which goes on reading.
func (p *player) half() {
	if err := unix.Shutdown(p.fd, unix.SHUT_WR); err != nil {
		p.st.t.Fatal(err)
	}
}

// write sends, and runs no turn.
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

// take returns what has arrived.
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

// body returns what has arrived, without the head before it.
func (p *player) body() string {
	p.st.t.Helper()
	got := p.take()
	_, body, ok := strings.Cut(got, "\r\n\r\n")
	if !ok {
		p.st.t.Fatalf("no response in %q", got)
	}
	return body
}

// admin sends a request to the admin side of a loop, and returns the body of
// the answer.
func (st *stage) admin(loop int, target string) string {
	st.t.Helper()
	p := st.enter(loop, conn.Admin)
	p.send(reqGet(1, target, closing))
	body := p.body()
	p.leave()
	st.settle()
	return body
}
