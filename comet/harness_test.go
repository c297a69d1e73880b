package comet

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ccomet/comet/internal/broker"
	"ccomet/comet/internal/record"
	"ccomet/comet/internal/token"
	"ccomet/httplite"
	"ccomet/reactor"
)

// The harness runs a server without listeners turn by turn, over socket pairs, with its
// own clock: no ports, no waiting, no chance.

type harness struct {
	t   testing.TB
	srv *Server
	now time.Time

	connected int           // connections since the start
	calm      int           // additional rounds until the loops rest: their calls fail
	failing   func(on bool) // makes some calls cost connections, or no longer
	end       func()

	watchRecords bool     // a server that takes over must not change any before it serves
	waits        bool     // at a hand-over, a client waits for a shared log
	byName       bool     // the hand-over is also written by names
	earlyFile    *os.File // the file of an early hand-over; nil: none has begun
}

func newHarness(t testing.TB, cfg Config) *harness {
	t.Helper()
	return newHarnessAt(t, cfg, noon)
}

func newHarnessAt(t testing.TB, cfg Config, now time.Time) *harness {
	t.Helper()
	h := &harness{t: t, now: now}
	orDefault(&cfg.RetryTime, -1)
	cfg.AdminHosts = append(cfg.AdminHosts, "h", "x") // names that tests use
	cfg.Clock = func() time.Time { return h.now }
	srv, err := newServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	sameLives(srv)
	h.srv = srv
	h.end = sync.OnceFunc(func() { h.srv.abandon() })
	t.Cleanup(h.end)
	return h
}

// settle turns all loops until none has work left: after rounds without mail, writes and
// closed connections, as many as it takes to handle every connection's events, and
// three.
func (h *harness) settle() {
	h.t.Helper()
	quiet, seen := 0, h.mails()
	for range 10000 {
		for _, s := range h.srv.shards {
			h.turn(s)
		}
		if now := h.mails(); now != seen {
			quiet, seen = 0, now
		} else if quiet++; quiet == 3+h.calm+h.connected/512 {
			return
		}
	}
	h.t.Fatal("the loops did not stop")
}

func (h *harness) mails() (n uint64) {
	for _, s := range h.srv.shards {
		loop := s.loop.Stats()
		n += s.Mails + s.hub.Tally.Delivered + uint64(loop.Writes) + uint64(loop.Open)<<32
	}
	return n
}

func (h *harness) turn(s *shard) {
	h.t.Helper()
	if err := s.loop.Turn(0); err != nil {
		h.t.Fatal(err)
	}
	checkSleep(h.t, s, h.now)
}

// connect gives a shard a connection and returns the other end.
func (h *harness) connect(s *shard, side uint8, sendBuffer int) *end {
	h.t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		h.t.Fatal(err)
	}
	if sendBuffer > 0 {
		if err := unix.SetsockoptInt(fds[0], unix.SOL_SOCKET, unix.SO_SNDBUF, sendBuffer); err != nil {
			h.t.Fatal(err)
		}
	}
	h.connected++
	if h.failing != nil { // connections that fail are not tested here
		h.failing(false)
		defer h.failing(true)
	}
	c, err := s.loop.Adopt(fds[0], side, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	s.web.Opened(c)
	e := &end{t: h.t, fd: fds[1], conn: c}
	h.t.Cleanup(e.close)
	return e
}

// end is a client's end of a connection.
type end struct {
	t     testing.TB
	fd    int
	conn  reactor.Conn
	in    []byte // read and not parsed yet
	ended bool
	head  httplite.Response
	body  httplite.Body
	heads int
	part  []byte // an incomplete payload

	refused bool // for lack of memory
}

func (e *end) close() {
	if e.fd >= 0 {
		unix.Close(e.fd)
		e.fd = -1
	}
}

func (e *end) write(s string) {
	e.t.Helper()
	if n, err := unix.Write(e.fd, []byte(s)); n != len(s) {
		e.t.Fatalf("write: %d, %v", n, err)
	}
}

func (e *end) get(path string) { e.t.Helper(); e.write("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n") }

// read reads what has arrived; it never waits.
func (e *end) read() {
	e.t.Helper()
	var buf [64 << 10]byte
	for !e.ended && e.fd >= 0 {
		n, err := unix.Read(e.fd, buf[:])
		switch {
		case err == unix.EAGAIN:
			return
		case err == unix.ECONNRESET || err == nil && n == 0:
			e.ended = true
		case err != nil:
			e.t.Fatal(err)
		default:
			e.in = append(e.in, buf[:n]...)
		}
	}
}

// event is one message as a client sees it.
type event struct {
	Type    string
	Cname   string
	Seq     int32
	Content string
	ID      string // of a server-sent event
}

// events parses the complete messages that have arrived, of a stream with any transport
// or of polls. clean reports whether the last response has ended properly.
func (e *end) events() (list []event, clean bool) {
	e.t.Helper()
	e.read()
	for {
		if e.heads == 0 || clean {
			e.head.Reset()
			n, err := e.head.ParseHead(e.in, nil)
			if err != nil {
				e.t.Fatalf("response %q: %v", e.in, err)
			}
			if n == 0 {
				return list, clean
			}
			if e.head.Status() == 503 {
				e.refused = true
				return list, false
			}
			e.in = e.in[n:]
			e.heads++
			e.body = e.head.Framing(httplite.GET)
			clean = false
		}
		payload, n, done, err := e.body.Next(e.in)
		if err != nil {
			e.t.Fatalf("body %q: %v", e.in, err)
		}
		e.part = append(e.part, payload...)
		e.in = e.in[n:]
		list = e.split(list)
		if done {
			clean = true
			if len(e.part) > 0 {
				e.t.Fatalf("the response ends with %q", e.part)
			}
			if len(e.in) == 0 {
				e.heads = 0
				return list, clean
			}
		}
		if n == 0 && !done {
			return list, clean
		}
	}
}

// split takes complete messages from the body.
func (e *end) split(list []event) []event {
	e.t.Helper()
	for {
		end := bytes.IndexByte(e.part, '\n')
		if end >= 0 && bytes.HasPrefix(e.part, []byte("retry: ")) {
			e.part = e.part[end+1:] // a line of the event that follows
			continue
		}
		if bytes.HasPrefix(e.part, []byte("id: ")) || bytes.HasPrefix(e.part, []byte("data: ")) {
			if end = bytes.Index(e.part, []byte("\n\n")); end >= 0 {
				end++
			}
		}
		if end < 0 {
			return list
		}
		text := string(e.part[:end])
		e.part = e.part[end+1:]
		id := ""
		if rest, ok := strings.CutPrefix(text, "id: "); ok {
			id, text, _ = strings.Cut(rest, "\n")
		}
		text = strings.TrimPrefix(strings.TrimSuffix(text, "\n"), "data: ")
		if !strings.HasPrefix(text, "[") {
			text = "[" + text + "]"
		}
		var some []event
		if err := json.Unmarshal([]byte(text), &some); err != nil {
			e.t.Fatalf("message %q: %v", text, err)
		}
		for i := range some {
			some[i].ID = id
		}
		list = append(list, some...)
	}
}

// In a test the epochs of each loop start at the same number: life(n) is that of the
// n-th channel made on its loop.
func life(n uint32) string {
	return string(record.AppendEpoch(nil, record.Scatter(n)))
}

// sameLives makes the epochs of a server that does not serve yet follow life.
func sameLives(srv *Server) {
	for _, s := range srv.shards {
		s.broker.Inside().SameEpochs(0)
	}
}

// home returns the broker of a channel.
func (srv *Server) home(cname string) broker.Inside {
	return srv.shards[srv.homes.Of([]byte(cname))].broker.Inside()
}

// tokenOf is the token of a channel where Config.Secret is "secret".
func tokenOf(cname string, n uint32) string {
	return string(token.New([]byte("secret")).Make([]byte(cname), record.Scatter(n), token.Subscribe))
}
