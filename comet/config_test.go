package comet

import "testing"

func TestDefaultLoops(t *testing.T) {
	for cpus, want := range map[int]int{1: 1, 2: 1, 3: 1, 4: 2, 16: 8, 1000: MaxLoops} {
		if got := DefaultLoops(cpus); got != want {
			t.Errorf("%d CPUs: %d loops, want %d", cpus, got, want)
		}
	}
}
