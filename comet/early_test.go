package comet

import (
	"strings"
	"testing"

	"ccomet/comet/internal/conn"
)

// writeEarly lets the loops begin to write the early part of a hand-over in their turns, or
// forget what they have written.
func (h *harness) writeEarly() {
	if h.earlyFile != nil {
		h.srv.early.Load().End()
		h.earlyFile = nil
		return
	}
	h.earlyFile = h.memoryFile()
	h.srv.beginEarly(h.earlyFile)
}

// TestHandOverEarly: the history of channels is written while the server still serves. Until
// it is parked, channels get more messages, fewer or none, and channels are created and
// deleted.
func TestHandOverEarly(t *testing.T) { ways(t, testHandOverEarly) }

func testHandOverEarly(t *testing.T, handOver func(*harness, func(*Config))) {
	h := newHarness(t, Config{Loops: 2, Inheritable: true, ChannelBufferSize: 4})
	admin, front := h.connect(h.srv.shards[0], conn.Admin, 0), h.connect(h.srv.shards[1], conn.Front, 0)
	askOf := func(e *end, path string) string {
		e.get(path)
		h.settle()
		e.read()
		text := string(e.in)
		e.in = e.in[:0]
		return text
	}
	ask := func(path string) string { return askOf(admin, path) }
	history := func(name string) string { return askOf(front, "/history?cname="+name) }
	push := func(name string, contents ...string) {
		for _, content := range contents {
			ask("/push?cname=" + name + "&content=" + content)
		}
	}
	long := strings.Repeat("long", 1000)
	push("same", "s1", "s2", long)
	push("more", "m1")
	push("fewer", "f1", "f2", "f3", "f4")
	push("cleared", "c1", "c2")
	push("closed", "d1")
	ask("/broadcast?content=toall")
	h.writeEarly()
	h.settle()
	push("more", "m2", "m3")
	push("fewer", "f5", "f6")
	ask("/close?cname=closed")
	push("new", "n1")
	ask("/broadcast?content=again")
	ask("/clear?cname=cleared")
	want := map[string]string{}
	for _, name := range []string{"same", "more", "fewer", "cleared", "closed", "new"} {
		want[name] = history(name)
	}
	handOver(h, nil)
	for name, before := range want {
		if now := history(name); now != before || !strings.Contains(before, "again") && name != "closed" && name != "cleared" {
			t.Errorf("%s keeps %s, and kept %s before", name, now, before)
		}
	}
	push("cleared", "c3")
	if text := history("cleared"); !strings.Contains(text, "c3") || strings.Contains(text, "c1") {
		t.Errorf("a channel that was cleared keeps %s", text)
	}
	check(t, h.srv, true, "after all")
}
