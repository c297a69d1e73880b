package comet

import (
	"slices"
	"testing"
	"time"

	"ccomet/comet/internal/conn"
)

// TestLateTouch: once a day the log is told that a channel with subscribers exists. A
// channel without subscribers is not reported, and expires.
func TestLateTouch(t *testing.T) {
	h, log := newLate(t, Config{ChannelTimeout: time.Hour, PollingTimeout: 2 * time.Hour})
	log.prompt = true
	e := h.connect(h.srv.shards[0], conn.Front, 0)
	e.get("/stream?cname=a&seq=1")
	h.settle()
	for range 48 {
		h.now = h.now.Add(time.Hour)
		h.settle()
	}
	if !slices.Equal(log.touched, []string{"a 0s", "a 0s"}) {
		t.Errorf("in two days the log was touched for %q", log.touched)
	}
	log.touched = nil
	e.close()
	h.settle()
	h.now = h.now.Add(time.Hour + time.Second)
	h.settle()
	if !slices.Equal(log.detached, []string{"a"}) || len(log.touched) > 0 {
		t.Errorf("a channel without subscribers: detached %q, touched %q", log.detached, log.touched)
	}
	check(t, h.srv, true, "at the end")
}
