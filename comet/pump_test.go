package comet

import (
	"bytes"
	"fmt"
	"runtime/debug"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/hub"
	"ccomet/comet/internal/pool"
)

// burst publishes several messages on one connection, like a backend that pipelines.
func burst(e *end, cname string, from, n int) {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "GET /push?cname=%s&content=m%d HTTP/1.1\r\nHost: x\r\n\r\n", cname, from+i)
	}
	e.write(b.String())
}

// streams subscribes n clients, spread over the loops, and reads what they get at first.
func streams(h *harness, cname string, n int) (ends []*end) {
	for i := range n {
		e := h.connect(h.srv.shards[i%len(h.srv.shards)], conn.Front, 0)
		e.get("/stream?cname=" + cname)
		ends = append(ends, e)
	}
	h.settle()
	for _, e := range ends {
		e.events()
	}
	return ends
}

// A burst is one write for each subscriber.
func TestBurstIsOneWrite(t *testing.T) {
	for _, loops := range []int{1, 3} {
		t.Run(fmt.Sprintf("%d loops", loops), func(t *testing.T) {
			h := newHarness(t, Config{Loops: loops})
			const clients, messages = 30, 50
			ends := streams(h, "a", clients)
			publisher := h.connect(h.srv.shards[0], conn.Admin, 0)
			before := h.writes()
			burst(publisher, "a", 0, messages)
			h.settle()
			if got := h.writes() - before; got != clients+1 { // and one for all the answers
				t.Errorf("%d writes for %d messages to %d clients, want %d", got, messages, clients, clients+1)
			}
			for _, e := range ends {
				list, _ := e.events()
				if len(list) != messages || list[0].Content != "m0" || list[messages-1].Content != fmt.Sprintf("m%d", messages-1) {
					t.Fatalf("a client got %d messages: %v", len(list), list)
				}
			}
		})
	}
}

// writes returns the number of write calls that the loops have made.
func (h *harness) writes() int {
	h.t.Helper()
	n := 0
	for _, s := range h.srv.shards {
		n += int(s.loop.Stats().Writes)
	}
	return n
}

// A long roster does not delay others: its delivery is spread over turns, and later
// messages come after it.
func TestLongDeliveryIsSpread(t *testing.T) {
	h := newHarness(t, Config{Loops: 1})
	s := h.srv.shards[0]
	const clients = hub.PumpBudget + 100
	ends := streams(h, "long", clients)
	other := streams(h, "other", 1)[0]
	publisher := h.connect(s, conn.Admin, 0)
	burst(publisher, "long", 0, 1)
	h.turn(s) // the request is read, and the first part delivered
	if s.hub.Tally.Delivered != hub.PumpBudget {
		t.Fatalf("%d deliveries in a turn, want the budget's %d", s.hub.Tally.Delivered, hub.PumpBudget)
	}
	burst(publisher, "other", 0, 1)
	burst(publisher, "long", 1, 1)
	for range 3 {
		h.turn(s)
	}
	if list, _ := other.events(); len(list) != 1 {
		t.Errorf("the other channel's client got %v", list)
	}
	h.settle()
	for i, e := range ends {
		list, _ := e.events()
		if len(list) != 2 || list[0].Content != "m0" || list[1].Content != "m1" {
			t.Fatalf("client %d of the long roster got %v", i, list)
		}
	}
	check(t, h.srv, true, "")
}

// When messages keep coming during a long delivery, those that every client has got are
// dropped.
func TestEndlessDeliveryForgets(t *testing.T) {
	h := newHarness(t, Config{Loops: 1})
	s := h.srv.shards[0]
	const messages = 60
	ends := streams(h, "long", hub.PumpBudget+100)
	publisher := h.connect(s, conn.Admin, 0)
	for n := range messages {
		burst(publisher, "long", n, 1)
		h.turn(s)
		for _, i := range s.hub.Pumps.Busy {
			if kept := len(s.hub.Pumps.All[i].Msgs); kept > 8 {
				t.Fatalf("%d messages are kept after %d", kept, n+1)
			}
		}
	}
	h.settle()
	for i, e := range ends {
		list, _ := e.events()
		if len(list) != messages {
			t.Fatalf("client %d got %d of %d messages", i, len(list), messages)
		}
		for n, ev := range list {
			if ev.Content != fmt.Sprintf("m%d", n) {
				t.Fatalf("client %d got %q for message %d", i, ev.Content, n)
			}
		}
	}
}

// All clients that are stuck in the same frame hold the same copy of its rest.
func TestStuckReadersShareAFrame(t *testing.T) {
	h := newHarness(t, Config{Loops: 1})
	s := h.srv.shards[0]
	var ends []*end
	for range 3 {
		e := h.connect(s, conn.Front, 4608)
		e.get("/stream?cname=a")
		ends = append(ends, e)
	}
	h.settle()
	publisher := h.connect(s, conn.Admin, 0)
	content := strings.Repeat("x", 8000)
	for range 4 {
		publisher.get("/push?cname=a&content=" + content)
		h.settle()
	}
	for _, e := range ends {
		if !s.loop.Blocked(e.conn) {
			t.Fatal("a client that does not read is not stuck")
		}
	}
	got := make([]int, len(ends))
	for range 40 {
		h.settle()
		for i, e := range ends {
			list, _ := e.events()
			for _, ev := range list {
				if ev.Type == "data" {
					got[i]++
				}
			}
		}
	}
	for i, n := range got {
		if n != 4 {
			t.Errorf("client %d got %d of 4 messages after it was stuck", i, n)
		}
	}
	check(t, h.srv, true, "")
}

// skipUnderRace skips a test that counts allocations, because the race detector makes
// some of its own.
func skipUnderRace(t *testing.T) {
	t.Helper()
	info, _ := debug.ReadBuildInfo()
	for _, s := range info.Settings {
		if s.Key == "-race" && s.Value == "true" {
			t.Skip("the race detector allocates memory itself")
		}
	}
}

// Delivering a message to 1,000 streams allocates nothing but the message.
func TestDeliveryAllocatesOnlyTheMessage(t *testing.T) {
	skipUnderRace(t)
	h := newHarness(t, Config{Loops: 1, ChannelBufferSize: 1})
	s := h.srv.shards[0]
	ends := streams(h, "a", 1000)
	publisher := h.connect(s, conn.Admin, 0)
	var buf [64 << 10]byte
	round := func() {
		publisher.get("/push?cname=a&content=m")
		for range 3 {
			h.turn(s)
		}
	}
	drain := func() {
		for _, e := range append(ends, publisher) {
			for {
				if n, err := unix.Read(e.fd, buf[:]); n <= 0 || err != nil {
					break
				}
			}
		}
	}
	round()
	drain()
	delivered := s.hub.Tally.Delivered
	// A message is two allocations: itself and its bytes. The publisher's requests are
	// made before, and its reads after.
	request := []byte("GET /push?cname=a&content=m HTTP/1.1\r\nHost: x\r\n\r\n")
	allocs := testing.AllocsPerRun(20, func() {
		if _, err := unix.Write(publisher.fd, request); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := s.loop.Turn(0); err != nil {
				t.Fatal(err)
			}
		}
	})
	if got := s.hub.Tally.Delivered - delivered; got != 21*1000 {
		t.Fatalf("%d deliveries, want %d", got, 21*1000)
	}
	if allocs > 1 {
		t.Errorf("%v allocations for a message to 1,000 streams, want the message", allocs)
	}
}

// A cycle of long poll, message and long poll allocates nothing but the message either.
func TestPollCycleAllocatesOnlyTheMessage(t *testing.T) {
	skipUnderRace(t)
	h := newHarness(t, Config{Loops: 1, ChannelBufferSize: 1})
	s := h.srv.shards[0]
	poller, publisher := h.connect(s, conn.Front, 0), h.connect(s, conn.Admin, 0)
	seq, buf := 1, make([]byte, 64<<10)
	var request []byte
	cycle := func() {
		request = fmt.Appendf(request[:0], "GET /poll?cname=a&seq=%d HTTP/1.1\r\nHost: x\r\n\r\n", seq)
		seq++
		for _, step := range []struct {
			e *end
			p []byte
		}{{poller, request}, {publisher, []byte("GET /push?cname=a&content=m HTTP/1.1\r\nHost: x\r\n\r\n")}} {
			if _, err := unix.Write(step.e.fd, step.p); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if err := s.loop.Turn(0); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, e := range []*end{poller, publisher} {
			if n, err := unix.Read(e.fd, buf); n <= 0 || !strings.HasPrefix(string(buf[:15]), "HTTP/1.1 200 OK") {
				t.Fatalf("answer %q, %v", buf[:max(n, 0)], err)
			}
		}
	}
	cycle()
	own := testing.AllocsPerRun(1, func() { request = fmt.Appendf(request[:0], "%d", seq) })
	if allocs := testing.AllocsPerRun(50, cycle); allocs > 1+own {
		t.Errorf("%v allocations a cycle, want the message", allocs)
	}
}

// TestLargeBuffersAreGivenBack: buffers in which large messages and backlogs were
// rendered are not kept.
func TestLargeBuffersAreGivenBack(t *testing.T) {
	h := newHarness(t, Config{Loops: 1})
	s := h.srv.shards[0]
	var waiting []*end
	for _, path := range []string{"/stream", "/sse", "/iframe", "/poll", "/poll?cb=f"} {
		sep := "?"
		if strings.Contains(path, "?") {
			sep = "&"
		}
		e := h.connect(s, conn.Front, 0)
		e.get(path + sep + "cname=a&seq=1&epoch=")
		waiting = append(waiting, e)
	}
	h.settle()
	for range 50 { // all in one turn
		s.broker.Inside().Publish("a", bytes.Repeat([]byte("x"), 10_000))
	}
	h.settle()
	for _, path := range []string{"/poll?seq=1&cname=a", "/poll?seq=1&cname=a&cb=f", "/stream?seq=1&cname=a"} {
		e := h.connect(s, conn.Front, 0)
		e.get(path)
		waiting = append(waiting, e)
		h.settle()
	}
	for range 100 {
		for _, e := range waiting {
			e.read()
		}
		h.settle()
	}
	for n, e := range waiting {
		if len(e.in) < 50*10_000 {
			t.Errorf("client %d has received %d bytes", n, len(e.in))
		}
	}
	for what, b := range map[string][]byte{"scratch": s.hub.Scratch, "body": s.hub.Body, "object": s.hub.Object,
		"web's scratch": s.web.Scratch, "web's body": s.web.Body, "web's object": s.web.Object, "batch": s.hub.Batch.Buf, "told": s.hub.Batch.Told} {
		if cap(b) > pool.KeepBuffer {
			t.Errorf("%s keeps %d bytes", what, cap(b))
		}
	}
	for _, i := range s.hub.Pumps.Idle {
		if size := s.hub.Pumps.All[i].Size(); size > pool.KeepBuffer {
			t.Errorf("an idle pump keeps %d bytes", size)
		}
	}
}
