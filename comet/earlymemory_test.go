package comet

import (
	"fmt"
	"os"
	"runtime"
	"testing"

	"ccomet/comet/internal/conn"
)

// TestHandOverMemory: writing a channel with one message takes little memory, and so does a
// rehearsing program, which reads no messages.
func TestHandOverMemory(t *testing.T) {
	const channels = 20_000
	h := newHarness(t, Config{Loops: 1, Inheritable: true})
	admin := h.connect(h.srv.shards[0], conn.Admin, 0)
	for i := range channels {
		if admin.get(fmt.Sprintf("/push?cname=channel%d&content=x", i)); i%50 == 49 {
			h.settle()
			admin.read()
			admin.in = admin.in[:0]
		}
	}
	if kept := h.srv.shards[0].broker.Figures().HistoryMessages; kept != channels {
		t.Fatalf("%d messages are kept", kept)
	}
	bounded := func(what string, most float64, do func()) {
		t.Helper()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		do()
		runtime.ReadMemStats(&after)
		if each := float64(after.TotalAlloc-before.TotalAlloc) / channels; each > most {
			t.Errorf("%s takes %.1f bytes a channel, and %.2f allocations", what, each, float64(after.Mallocs-before.Mallocs)/channels)
		}
	}
	// What is written in one turn is gathered in memory that the next turn uses again: some 40
	// bytes for each of so many channels.
	bounded("writing while it serves", 60, func() {
		h.writeEarly()
		h.settle()
	})
	p := h.park()
	var file *os.File
	bounded("writing the rest", 20, func() { file = h.written(p) })
	from, err := ReadHandOver(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := from.Rehearse([]int{dup(t, p.Records()[0])}); err != nil {
		t.Fatal(err)
	}
	cfg := h.successor(from, nil)
	var srv *Server
	bounded("a rehearsal", 30, func() { srv, err = New(cfg) })
	if err != nil {
		t.Fatal(err)
	}
	srv.abandon()
}
