package comet

import (
	"fmt"
	"runtime"
	"testing"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/hub"
)

// sleepsOn has a shard turn on a goroutine of its own, as its loop does when it runs, until
// the test ends it.
func (h *harness) sleepsOn(s *shard) (end func()) {
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			if err := s.loop.Turn(-1); err != nil {
				done <- err
				return
			}
		}
	}()
	return func() {
		close(stop)
		s.loop.Wake()
		if err := <-done; err != nil {
			h.t.Error(err)
		}
	}
}

// onShard is a channel whose home is a shard.
func (h *harness) onShard(s *shard) string {
	for i := 0; ; i++ {
		if name := fmt.Sprint("n", i); h.srv.homes.Of([]byte(name)) == s.Id {
			return name
		}
	}
}

// A publisher's loop takes the turns of a home that sleeps: each message comes once and in
// order, and the publisher is answered, whoever has taken the turn; of many deliveries the
// home's own goroutine does the rest.
func TestPublishThroughALoopThatSleeps(t *testing.T) {
	for _, n := range []int{1, 5 * hub.PumpFirst} {
		t.Run(fmt.Sprint(n, " subscribers"), func(t *testing.T) {
			h := newHarness(t, Config{Loops: 2})
			home, other := h.srv.shards[0], h.srv.shards[1]
			name := h.onShard(home)
			var ends []*end
			for range n {
				e := h.connect(home, conn.Front, 0)
				e.get("/stream?cname=" + name)
				ends = append(ends, e)
			}
			h.settle()
			for _, e := range ends {
				e.events()
			}
			publisher := h.connect(other, conn.Admin, 0)
			endTurns := h.sleepsOn(home)
			const least = 20
			sent := 0
			for ; sent < least || home.loop.Stats().Lent < least; sent++ {
				publisher.get(fmt.Sprintf("/push?cname=%s&content=m%d", name, sent))
				for answered := len(publisher.in); len(publisher.in) == answered; publisher.read() {
					if err := other.loop.Turn(0); err != nil {
						t.Fatal(err)
					}
					runtime.Gosched()
				}
				for _, e := range ends { // so that the home sleeps again
					for before := len(e.in); len(e.in) == before; e.read() {
						runtime.Gosched()
					}
				}
			}
			endTurns()
			h.settle()
			for i, e := range ends {
				list, _ := e.events()
				if len(list) != sent {
					t.Fatalf("subscriber %d has %d messages of %d", i, len(list), sent)
				}
				for k, m := range list {
					if m.Content != fmt.Sprint("m", k) {
						t.Fatalf("subscriber %d: message %d is %q", i, k, m.Content)
					}
				}
			}
		})
	}
}
