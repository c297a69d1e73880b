package comet

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/hub"
	"ccomet/comet/internal/web"
	"ccomet/reactor"
)

// requests pipelines GETs.
func requests(paths ...string) string {
	var b strings.Builder
	for _, path := range paths {
		b.WriteString("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	return b.String()
}

// A poll that is answered at once contains the name of its own channel, even if that is closed
// and another channel gets its record in the same turn.
func TestAnsweredPollKeepsItsChannelsName(t *testing.T) {
	h := newHarness(t, Config{Loops: 1})
	s := h.srv.shards[0]
	admin, poller := h.connect(s, conn.Admin, 0), h.connect(s, conn.Front, 0)
	admin.get("/sign?cname=mine")
	h.settle()
	poller.get("/poll?cname=mine")
	admin.write(requests("/close?cname=mine", "/push?cname=other&content=x"))
	h.settle()
	list, _ := poller.events()
	if len(list) != 1 || list[0].Type != "next_seq" || list[0].Cname != "mine" {
		t.Errorf("got %+v", list)
	}
}

// A reader that is stuck when its channel is closed still gets all messages that were published
// before, and then the close.
func TestStuckReaderOfAClosedChannel(t *testing.T) {
	h := newHarness(t, Config{Loops: 1, ChannelBufferBytes: 16 << 20})
	s := h.srv.shards[0]
	e := h.connect(s, conn.Front, 4608)
	e.get("/stream?cname=a")
	h.settle()
	admin := h.connect(s, conn.Admin, 0)
	const messages = 40
	content := strings.Repeat("x", 7000)
	for range messages {
		admin.write(requests("/push?cname=a&content=" + content))
		h.turn(s)
	}
	admin.write(requests("/close?cname=a"))
	h.settle()
	if held := s.loop.Stats().Held; held != 1 {
		t.Fatalf("%d connections hold data, want only the stuck one", held)
	}
	data, last, clean := 0, "", false
	for range 3 * messages {
		h.settle()
		list, ended := e.events()
		clean = clean || ended
		for _, ev := range list {
			if last = ev.Type; last == "data" {
				data++
			}
		}
	}
	if data != messages || last != "close" || !clean {
		t.Errorf("%d of %d messages, then %q, clean end %v", data, messages, last, clean)
	}
	check(t, h.srv, true, "")
}

// A long roster of one channel, with messages without end, does not delay another channel's
// subscriber.
func TestLongRosterStarvesNobody(t *testing.T) {
	h := newHarness(t, Config{Loops: 1})
	s := h.srv.shards[0]
	streams(h, "long", 3*hub.PumpBudget)
	other := streams(h, "other", 1)[0]
	admin := h.connect(s, conn.Admin, 0)
	for n := range 10 {
		burst(admin, "long", n, 1)
		h.turn(s)
	}
	burst(admin, "other", 0, 1)
	waited := 0
	for ; waited < 10; waited++ {
		if list, _ := other.events(); len(list) == 1 {
			break
		}
		burst(admin, "long", 100+waited, 1)
		h.turn(s)
	}
	if waited > 3 {
		t.Errorf("the other channel's subscriber waited %d turns", waited)
	}
}

// A client that sends requests and does not read is read no further: one response is held for
// it, however many requests it has pipelined.
func TestPipelinedPollsDoNotPileUp(t *testing.T) {
	h := newHarness(t, Config{Loops: 1})
	s := h.srv.shards[0]
	admin := h.connect(s, conn.Admin, 0)
	for range 10 {
		admin.get("/push?cname=a&content=" + strings.Repeat("x", 7000))
	}
	h.settle()
	e := h.connect(s, conn.Front, 4608)
	const polls = 5
	before := s.Mails
	e.write(requests("/poll?cname=a&seq=1", "/poll?cname=a&seq=1", "/poll?cname=a&seq=1", "/poll?cname=a&seq=1", "/poll?cname=a&seq=1"))
	for range 5 {
		h.settle()
	}
	if !s.loop.Blocked(e.conn) {
		t.Fatal("the client that does not read is not stuck")
	}
	if n := s.Mails - before; n != 2 { // to the home and back
		t.Errorf("%d mails while the first poll's response is not read, want one poll's 2", n)
	}
	got := 0
	for range 20 * polls {
		h.settle()
		list, _ := e.events()
		got += len(list)
	}
	if got != 10*polls {
		t.Errorf("got %d messages in all, want %d", got, 10*polls)
	}
}

// A noop that was stuck for a while does not delay the next one.
func TestNoopAfterAStuckNoop(t *testing.T) {
	h := newHarness(t, Config{Loops: 1, PollingTimeout: 5 * time.Second, WriteTimeout: time.Minute})
	s := h.srv.shards[0]
	e := h.connect(s, conn.Front, 4608)
	e.get("/stream?cname=" + strings.Repeat("n", 200))
	h.settle()
	for n := 0; !s.loop.Blocked(e.conn); n++ {
		if n == 1000 {
			t.Fatal("the reader never became stuck")
		}
		h.now = h.now.Add(5 * time.Second)
		h.settle()
	}
	e.events()
	h.settle()
	e.events()
	h.now = h.now.Add(5 * time.Second)
	h.settle()
	if list, _ := e.events(); len(list) == 0 {
		t.Error("no heartbeat came within the polling timeout")
	}
}

// A stuck reader has the write timeout, whatever timer was armed before.
func TestStuckReaderHasTheWriteTimeout(t *testing.T) {
	h := newHarness(t, Config{Loops: 1, PollingTimeout: 5 * time.Second, WriteTimeout: 20 * time.Second})
	s := h.srv.shards[0]
	e := h.connect(s, conn.Front, 4608)
	e.get("/stream?cname=a")
	h.settle()
	admin := h.connect(s, conn.Admin, 0)
	for range 4 {
		admin.get("/push?cname=a&content=" + strings.Repeat("x", 7000))
	}
	h.settle()
	for _, step := range []struct {
		after time.Duration
		alive bool
	}{{19 * time.Second, true}, {2 * time.Second, false}} {
		h.now = h.now.Add(step.after)
		h.settle()
		if alive := s.loop.Alive(e.conn); alive != step.alive {
			t.Fatalf("%v later: alive %v", step.after, alive)
		}
	}
	if n := h.srv.Stats().Cut; n != 1 {
		t.Errorf("%d readers cut, want 1", n)
	}
}

// A client that does not read the response to any request is counted when it is cut, and what
// was held for it is dropped.
func TestStuckReadersAreCounted(t *testing.T) {
	const cname = "/push?cname=a&content="
	for name, c := range map[string]struct {
		side     uint8
		requests string
	}{
		"stream":  {conn.Front, reqGet(1, "/stream?cname=a&seq=1")},
		"poll":    {conn.Front, reqGet(1, "/poll?cname=a&seq=1")},
		"page":    {conn.Front, reqGet(1, "/page")},
		"answers": {conn.Admin, strings.Repeat(reqGet(1, "/info"), 200)},
		"psub":    {conn.Admin, reqGet(1, "/psub?now=1")},
		"handler": {conn.Admin, reqGet(1, "/handled")},
		"last":    {conn.Front, reqGet(1, "/poll?cname=a&seq=1", closing)},
	} {
		t.Run(name, func(t *testing.T) {
			large := bytes.Repeat([]byte("x"), 60_000)
			h := newHarness(t, Config{Loops: 1, Pages: []web.Page{{Path: "/page", ContentType: frame.TypeText, Body: large}}, Handlers: map[string]http.Handler{
				"/handled": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(large) }),
			}})
			s := h.srv.shards[0]
			for n := range 300 {
				h.ask(conn.Admin, fmt.Sprintf("/sign?expires=300&cname=%0100d", n))
			}
			h.ask(conn.Admin, "/sign?expires=300&cname=a")
			for range 8 {
				h.ask(conn.Admin, cname+strings.Repeat("x", 7000))
			}
			e := h.connect(s, c.side, 4608)
			e.write(c.requests)
			for limit := time.Now().Add(hangTimeout); !s.loop.Blocked(e.conn); h.settle() {
				if time.Now().After(limit) {
					t.Fatal("everything was written, so the test does not test a short write")
				}
			}
			h.now = h.now.Add(time.Minute)
			h.settle()
			if s.loop.Open(e.conn) || h.srv.totals.SlowClosed.Load() != 1 {
				t.Errorf("open %v, %d counted as cut", s.loop.Open(e.conn), h.srv.totals.SlowClosed.Load())
			}
			if s.hub.Pumps.LastHeldFrame != nil {
				t.Error("the frame at which it was stuck is still held")
			}
		})
	}
}

// A client that gets much at once and reads it slowly is not cut. Otherwise it would come back
// for the same, and be cut again, for ever.
func TestSlowPollerHasTime(t *testing.T) {
	h := newHarness(t, Config{Loops: 1})
	s := h.srv.shards[0]
	admin := h.connect(s, conn.Admin, 0)
	for range 20 {
		admin.write(reqForm(1, "/push?cname=a", "content="+strings.Repeat("x", 50_000)))
		h.settle()
		admin.read()
	}
	slow, stuck := h.connect(s, conn.Front, 4608), h.connect(s, conn.Front, 4608)
	for _, e := range []*end{slow, stuck} {
		e.write(reqGet(1, "/poll?cname=a&seq=1", closing))
	}
	h.settle()
	left := s.loop.HeldOut(slow.conn)
	if left < 900_000 {
		t.Fatalf("%d bytes are held", left)
	}
	rate := 2 * reactor.SlowestReader
	for got, seconds := 0, 0; s.loop.HeldOut(slow.conn) > 0; seconds++ {
		for buf := make([]byte, 1024); got < seconds*rate; {
			n, err := unix.Read(slow.fd, buf)
			if err == unix.EAGAIN {
				h.settle()
				continue
			} else if err != nil || n == 0 {
				t.Fatalf("it was cut after %d s, after it had read %d of %d bytes: %v", seconds, got, left, err)
			}
			got += n
		}
		h.now = h.now.Add(time.Second)
		h.settle()
	}
	h.now = h.now.Add(time.Duration(left/reactor.SlowestReader) * time.Second)
	if h.settle(); s.loop.Alive(stuck.conn) {
		t.Error("a client that does not read was never cut")
	}
}

// A client that closes only its half of the connection, as "nc -N" does, gets what there is and
// then a proper end. One that closes all of it costs nothing.
func TestHalfClosed(t *testing.T) {
	const noop = `{"type":"noop","cname":"b","seq":0,"content":""}` + "\n"
	for name, c := range map[string]struct{ request, want string }{
		"stream": {reqGet(1, "/stream?cname=a&seq=2"),
			streamHead(1, asJSON) + piece(1, objectOf("a", "data", 2, "x2")+"\n") + piece(1, objectOf("a", "data", 3, "x3")+"\n") + "0\r\n\r\n"},
		"stream in HTTP/1.0":       {reqGet(0, "/stream?cname=a&seq=3"), streamHead(0, asJSON) + objectOf("a", "data", 3, "x3") + "\n"},
		"stream without a backlog": {reqGet(1, "/stream?cname=b&seq=1"), streamHead(1, asJSON) + "0\r\n\r\n"},
		"stream of two":            {reqGet(0, "/stream?cname=b&seq=1&cname=a&seq=3"), streamHead(0, asJSON) + objectOf("a", "data", 3, "x3") + "\n"},
		"poll":                     {reqGet(1, "/poll?cname=a&seq=3", closing), answer(ok200, asJSON, "["+objectOf("a", "data", 3, "x3")+"]\n", closing)},
		"poll without a backlog":   {reqGet(1, "/poll?cname=b&seq=1", closing), answer(ok200, asJSON, noop, closing)},
		"poll of two":              {reqGet(1, "/poll?cname=b&seq=1&cname=b2&seq=1", closing), answer(ok200, asJSON, noop, closing)},
		"psub":                     {reqGet(1, "/psub"), streamHead(1, asText) + "0\r\n\r\n"},
	} {
		for _, waits := range []bool{false, true} {
			t.Run(fmt.Sprint(name, waits), func(t *testing.T) {
				h := newHarness(t, Config{Loops: 2})
				h.ask(conn.Admin, "/sign?cname=b")
				for n := 1; n <= 3; n++ {
					h.ask(conn.Admin, fmt.Sprintf("/push?cname=a&content=x%d", n))
				}
				side := conn.Front
				if name == "psub" {
					side = conn.Admin
				}
				e := h.connect(h.srv.shards[0], side, 0)
				e.write(c.request)
				if waits {
					h.settle()
				}
				if err := unix.Shutdown(e.fd, unix.SHUT_WR); err != nil {
					t.Fatal(err)
				}
				h.settle()
				e.read()
				got := string(e.in)
				if name == "poll of two" { // either channel may be asked first
					got = strings.Replace(got, `"b2"`, `"b"`, 1)
					got = strings.Replace(got, "Content-Length: 50", "Content-Length: 49", 1)
				}
				same(t, got, c.want)
				if !e.ended || h.srv.totals.Subscribers.Load() != 0 {
					t.Errorf("ended %v, %d subscribers are left", e.ended, h.srv.totals.Subscribers.Load())
				}
			})
		}
	}
}

// A client that has closed its half and reads slowly still gets the whole backlog.
func TestHalfClosedReadsSlowly(t *testing.T) {
	h := newHarness(t, Config{Loops: 1})
	for range 20 {
		h.ask(conn.Admin, "/push?cname=a&content="+strings.Repeat("x", 7000))
	}
	e := h.connect(h.srv.shards[0], conn.Front, 4608)
	e.get("/stream?cname=a&seq=1")
	h.settle()
	if err := unix.Shutdown(e.fd, unix.SHUT_WR); err != nil {
		t.Fatal(err)
	}
	var all []event
	clean := false
	for limit := time.Now().Add(hangTimeout); !clean && !e.ended && time.Now().Before(limit); h.settle() {
		var list []event
		list, clean = e.events()
		all = append(all, list...)
	}
	if len(all) != 20 || !clean {
		t.Errorf("%d messages, the end clean: %v", len(all), clean)
	}
}

// A listener to /psub that has ended its side leaves, even if it came with requests whose
// answers were still under way.
func TestEndedListenerLeaves(t *testing.T) {
	h := newHarness(t, Config{Loops: 3})
	for i := range 12 { // some of the channels have another loop as their home
		e := h.connect(h.srv.shards[0], conn.Admin, 0)
		e.write(requests(fmt.Sprintf("/push?cname=c%d&content=x", i), "/psub"))
		if err := unix.Shutdown(e.fd, unix.SHUT_WR); err != nil {
			t.Fatal(err)
		}
		h.settle()
		if e.read(); !e.ended || !strings.Contains(string(e.in), `{"type":"ok"}`) {
			t.Fatalf("listener %d: ended %v after %q", i, e.ended, e.in)
		}
	}
}
