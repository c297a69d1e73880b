package hub

import "testing"

// Heartbeats of few clients are several ticks apart, so that the loop sleeps. Those of
// many come in each tick, so that no tick has many.
func TestBeatStep(t *testing.T) {
	for _, c := range []struct{ timeout, conns, want uint64 }{
		{468, 0, 8}, {468, 1, 8}, {468, 234, 8}, {468, 235, 7}, {468, 600, 3}, {468, 1873, 1}, {468, 1e6, 1},
		{46, 1, 2}, {4, 1, 1}, {4, 1e6, 1}, // --polling-timeout of seconds, and of a quarter of one
	} {
		if got := beatStep(c.timeout, c.conns); got != c.want {
			t.Errorf("%d ticks, %d connections: %d, want %d", c.timeout, c.conns, got, c.want)
		}
	}
}
