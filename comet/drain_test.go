package comet

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/drain"
)

const drainSpan = 5 * time.Second

// quiet reports whether all loops have finished.
func (h *harness) quiet() bool {
	for _, s := range h.srv.shards {
		if s.drain.Phase != drain.Quiet {
			return false
		}
	}
	return true
}

// drain starts to drain, until all connections were looked at.
func (h *harness) drain(d time.Duration) {
	h.srv.Drain(d)
	for _, s := range h.srv.shards {
		for s.drain.Phase < drain.Watching {
			h.turn(s)
		}
	}
	h.settle()
}

// ofEach lets so many clients of each of some transports wait on a loop.
func (h *harness) ofEach(s *shard, each int) map[string][]*end {
	ends := map[string][]*end{}
	for n := range each {
		for kind, path := range map[string]string{"stream": "/stream?cname=a&seq=1", "sse": "/sse?cname=a&seq=1", "poll": fmt.Sprintf("/poll?cname=a&seq=1&noop=%d", n)} {
			e := h.connect(s, conn.Front, 0)
			e.get(path)
			ends[kind] = append(ends[kind], e)
		}
		e := h.connect(s, conn.CComet, 0)
		e.get(fmt.Sprintf("/subscribe?channel=c&sname=u%d&seqid=0&callback=f", n))
		ends["ccomet"] = append(ends["ccomet"], e)
		if n%100 == 0 {
			h.settle()
		}
	}
	h.settle()
	return ends
}

// TestDrainSpreads: many waiting clients are closed, spread over the available time, each
// in the way of its transport, and no turn looks at all of them.
func TestDrainSpreads(t *testing.T) {
	const each, turnsToArrange = 500, 4*500/drainBudget + 1
	h := newHarness(t, Config{Loops: 1})
	s := h.srv.shards[0]
	ends := h.ofEach(s, each)
	check(t, h.srv, true, "before the drain")
	h.srv.Drain(drainSpan)
	turns := 0
	for ; s.drain.Phase < drain.Watching; turns++ {
		at := s.drain.At
		h.turn(s)
		if s.drain.Phase <= drain.Arranging && s.drain.At > at+drainBudget+1 {
			t.Fatalf("a turn examined connections %d to %d", at, s.drain.At)
		}
	}
	if turns < turnsToArrange {
		t.Errorf("all connections were examined within %d turns", turns)
	}
	const steps = 50
	before, most := each*4, 0
	for step := range steps {
		h.now = h.now.Add(drainSpan / steps)
		h.settle()
		if step%10 == 0 {
			check(t, h.srv, true, "while it drains")
		}
		now := 0
		for _, list := range ends {
			for _, e := range list {
				if e.read(); !e.ended {
					now++
				}
			}
		}
		most, before = max(most, before-now), now
	}
	if before != 0 || most > 3*4*each/steps*10/9 {
		t.Errorf("%d connections are left, and %d were closed at once", before, most)
	}
	checkParting(t, ends, each)
	if !h.quiet() {
		t.Error("it does not end with no client left")
	}
}

// checkParting checks what each client was sent at the end of its wait.
func checkParting(t *testing.T, ends map[string][]*end, each int) {
	t.Helper()
	retries := map[string]int{}
	for n := range each {
		if got := string(ends["stream"][n].in); !strings.HasSuffix(got, "\r\n\r\n") {
			t.Fatalf("a stream was sent %q", got)
		}
		if got := string(ends["ccomet"][n].in); got != "" {
			t.Fatalf("a client of CComet's dialect was sent %q", got)
		}
		want := fmt.Sprintf(`{"type":"noop","cname":"a","seq":%d,"content":""}`+"\n", n)
		if got := string(ends["poll"][n].in); !strings.HasSuffix(got, want) || !strings.Contains(got, closing) {
			t.Fatalf("a poll was sent %q", got)
		}
		_, body, _ := bytes.Cut(ends["sse"][n].in, []byte("\r\n\r\n"))
		retry := regexp.MustCompile("^59\r\nretry: (\\d+)\ndata: " + `{"type":"503","cname":"a","seq":0,"content":"the server is stopping"}` + "\n\n\r\n0\r\n\r\n$").FindSubmatch(body)
		if retry == nil {
			t.Fatalf("a browser was sent %q", body)
		}
		if ms, _ := strconv.Atoi(string(retry[1])); ms < 5000 || ms >= 6000 {
			t.Fatalf("a browser is to come back after %d ms", ms)
		}
		retries[string(retry[1])]++
	}
	if len(retries) < each/2 {
		t.Errorf("%d retry times are the same for all clients", len(retries))
	}
}

// asks sends a request for a path, and checks that the answer contains a text.
func (h *harness) asks(e *end, path, want string) {
	h.t.Helper()
	e.in = nil
	e.get(path)
	h.settle()
	if e.read(); !strings.Contains(string(e.in), want) {
		h.t.Fatalf("%s: %q, want %q", path, e.in, want)
	}
}

// TestDrainOfWhatDoesNotWait: idle connections are closed at once. A request that has begun
// to arrive is answered, and a new subscriber gets the stored messages. Backends can publish
// until the end, and are refused then.
func TestDrainOfWhatDoesNotWait(t *testing.T) {
	h := newHarness(t, Config{Loops: 2})
	s := h.srv.shards[0]
	idle, fresh, half, late := h.connect(s, conn.Front, 0), h.connect(s, conn.Front, 0), h.connect(s, conn.Front, 0), h.connect(s, conn.Front, 0)
	admin := [2]*end{h.connect(s, conn.Admin, 0), h.connect(h.srv.shards[1], conn.Admin, 0)}
	idle.get("/ping")
	half.write("GET /ping HTTP/1.1\r\n")
	late.write("GET /poll?cname=a&seq=1 HTTP/1.1\r\n")
	ask := func(e *end, path, want string) { t.Helper(); h.asks(e, path, want) }
	ask(admin[0], "/push?cname=a&content=x", "ok")
	ask(admin[0], "/healthz", "200 OK")
	h.drain(drainSpan)
	for _, e := range []*end{idle, fresh} {
		if e.read(); !e.ended {
			t.Error("an idle connection stays open")
		}
	}
	half.write("Host: x\r\n\r\n")
	late.write("Host: x\r\n\r\n")
	h.settle()
	for _, e := range []*end{half, late} {
		if e.read(); !e.ended || !strings.Contains(string(e.in), closing) {
			t.Errorf("a request that had begun: %q, %v", e.in, e.ended)
		}
	}
	if !strings.Contains(string(late.in), `"content":"x"`) {
		t.Errorf("the late client got %q", late.in)
	}
	waiting := h.connect(s, conn.Front, 0) // so that the drain does not end
	waiting.write("GET /stream?cname=a&seq=1 HTTP/1.1\r\n")
	h.settle()
	ask(admin[0], "/healthz", "503 Service Unavailable")
	ask(admin[0], "/push?cname=a&content=y&ack=1", `"seq":2`)
	h.now = h.now.Add(drainSpan)
	h.turn(s) // one loop knows that the time is up
	for _, path := range []string{"/push?cname=a&content=z", "/info"} {
		e := h.connect(s, conn.Admin, 0)
		e.get(path)
		h.turn(s)
		h.turn(s)
		if e.read(); !strings.HasPrefix(string(e.in), "HTTP/1.1 503 ") || !strings.Contains(string(e.in), "Retry-After: 1\r\n") {
			t.Errorf("%s: %q", path, e.in)
		}
	}
	// What the other loop has accepted gets its number and its answer.
	admin[1].get("/push?cname=a&content=z&ack=1")
	h.now = h.now.Add(-time.Second)
	h.turn(h.srv.shards[1])
	h.now = h.now.Add(time.Second)
	h.settle()
	if admin[1].read(); !strings.Contains(string(admin[1].in), `"seq":3`) || !h.quiet() {
		t.Errorf("at the end: %q", admin[1].in)
	}
}

// TestDrainIsNotPutOff: if Drain is called twice, the earlier end counts.
func TestDrainIsNotPutOff(t *testing.T) {
	h := newHarness(t, Config{Loops: 1})
	e := h.connect(h.srv.shards[0], conn.Front, 0)
	e.get("/stream?cname=a&seq=1")
	h.settle()
	h.drain(time.Hour)
	h.drain(time.Minute)
	h.drain(2 * time.Hour)
	if h.quiet() {
		t.Error("it did not wait")
	}
	h.now = h.now.Add(time.Minute)
	h.settle()
	if !h.quiet() {
		t.Error("it waited for longer")
	}
}

// TestDrainOfStuckReaders: a client that does not read is cut, and nothing is written into
// the middle of its message.
func TestDrainOfStuckReaders(t *testing.T) {
	h := newHarness(t, Config{Loops: 1})
	s := h.srv.shards[0]
	e := h.connect(s, conn.Front, 4096)
	e.get("/sse?cname=a&seq=1")
	h.settle()
	p := h.connect(s, conn.Admin, 0)
	for range 5 {
		p.get("/push?cname=a&content=" + strings.Repeat("x", 7000))
		h.settle()
	}
	if !s.loop.Blocked(e.conn) {
		t.Fatal("the client is not stuck")
	}
	h.drain(drainSpan)
	h.now = h.now.Add(drainSpan - 1)
	h.settle()
	if e.read(); !e.ended || bytes.Contains(e.in, []byte("retry")) || !h.quiet() {
		t.Errorf("it was sent %d bytes, ended %v", len(e.in), e.ended)
	}
}
