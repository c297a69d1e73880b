package comet

import (
	"strings"
	"testing"
	"time"

	"ccomet/comet/internal/conn"
)

// A server that was stopped for a while (SIGSTOP, a suspended machine) reads
// everything that has arrived before any timer fires, however many timers have
// expired and however much has arrived.
func TestStoppedServerReadsFirst(t *testing.T) {
	const clients = 600 // more than one call returns
	h := newHarness(t, Config{Loops: 1, IdleTimeout: 20 * time.Second, RequestTimeout: 10 * time.Second, BodyTimeout: 10 * time.Second, MaxMessage: 100_000})
	s := h.srv.shards[0]
	large := reqForm(1, "/push?cname=large", "content="+strings.Repeat("x", 50_000))
	rests := map[string]struct{ before, after string }{
		"idle":           {reqGet(1, "/check?cname=a"), reqGet(1, "/push?cname=a&content=x")},
		"a whole one":    {"", reqGet(1, "/push?cname=a&content=x")},
		"half a request": {"GET /push?cname=a&con", "tent=x HTTP/1.1\r\nHost: h\r\n\r\n"},
		"half a body":    {large[:200], large[200:]},
		"a large body":   {"", large},
	}
	ends := map[string][]*end{}
	for n := range clients {
		for name, r := range rests {
			if strings.Contains(name, "body") && n > 0 {
				continue
			}
			e := h.connect(s, conn.Admin, 0)
			if r.before != "" {
				e.write(r.before)
			}
			ends[name] = append(ends[name], e)
		}
	}
	h.settle()
	for name, list := range ends {
		for _, e := range list {
			e.read()
			e.in = nil
			e.write(rests[name].after)
		}
	}
	h.now = h.now.Add(45 * time.Second)
	h.settle()
	for name, list := range ends {
		failed := 0
		for _, e := range list {
			if e.read(); e.ended || !strings.HasSuffix(string(e.in), `{"type":"ok"}`+"\n") {
				failed++
			}
		}
		if failed > 0 {
			t.Errorf("%s: %d of %d are not answered", name, failed, len(list))
		}
	}
	if n, want := s.broker.Inside().Channel("a").Next, int32(3*clients+1); n != want {
		t.Errorf("the channel's next number is %d, want %d", n, want)
	}
	h.now = h.now.Add(time.Hour) // no client sends anything more
	h.settle()
	if n := s.loop.Stats().Open; n != 0 {
		t.Errorf("%d connections are still open", n)
	}
}
