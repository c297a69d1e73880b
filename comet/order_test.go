package comet

import (
	"bytes"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/hub"
)

// sharing gives the shard another connection that writes to the same socket as e: the
// peer reads what is sent on both, in the order of the writes.
func (h *harness) sharing(s *shard, e *end, side uint8) {
	h.t.Helper()
	fd, err := unix.Dup(s.loop.Fd(e.conn))
	if err != nil {
		h.t.Fatal(err)
	}
	c, err := s.loop.Adopt(fd, side, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	h.connected++
	s.web.Opened(c)
}

// A message reaches few subscribers before its publisher is answered. If there are
// many, the publisher waits only for the first.
func TestAnswerComesBehindTheFirstDeliveries(t *testing.T) {
	for _, c := range []struct {
		subscribers int
		answerFirst bool
	}{{1, false}, {hub.PumpFirst, false}, {hub.PumpFirst + 1, true}, {300, true}} {
		t.Run(fmt.Sprint(c.subscribers), func(t *testing.T) {
			h := newHarness(t, Config{Loops: 1})
			s := h.srv.shards[0]
			// The first one to come is the last in its roster.
			last := h.connect(s, conn.Front, 0)
			last.get("/stream?cname=a")
			h.settle()
			ends := streams(h, "a", c.subscribers-1)
			last.events()
			h.sharing(s, last, conn.Admin) // the subscriber waits: this one reads

			last.get("/push?cname=a&content=hello")
			h.settle()
			last.read()
			delivered, answered := bytes.Index(last.in, []byte("hello")), bytes.Index(last.in, []byte("HTTP/1.1 200"))
			if delivered < 0 || answered < 0 {
				t.Fatalf("want the message and the answer, got %q", last.in)
			}
			if answerFirst := answered < delivered; answerFirst != c.answerFirst {
				t.Errorf("answered before the last delivery of %d: %v, want %v", c.subscribers, answerFirst, c.answerFirst)
			}
			for i, e := range ends {
				if list, _ := e.events(); len(list) != 1 {
					t.Errorf("subscriber %d got %v", i, list)
				}
			}
		})
	}
}
