package reactor

import (
	"runtime"
	"testing"
	"time"
)

// The share of a processor's time is known from one call to the next, if both are on the
// same thread.
func TestBusy(t *testing.T) {
	var taken time.Duration
	var thread int
	b := busy{spent: func() (time.Duration, int) { return taken, thread }}
	now := time.Unix(1000, 0)
	for i, step := range []struct {
		taken  time.Duration // since the step before
		thread int
		want   float64
		known  bool
	}{
		{7, 1, 0, false}, // the first call
		{5, 1, 0.5, true},
		{10, 1, 1, true},
		{-20, 2, 0, false},
		{2, 2, 0.2, true},
	} {
		taken, thread, now = taken+step.taken*time.Millisecond, step.thread, now.Add(10*time.Millisecond)
		if part, known := b.part(now); known != step.known || known && part != step.want {
			t.Errorf("step %d: %v, %v, want %v, %v", i, part, known, step.want, step.known)
		}
	}
}

// The clock of a thread does not count what other threads do; that of the process does.
func TestBusyClocks(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const much = 20 * time.Millisecond
	process, _ := processTime()
	own, thread := threadTime()
	work := make(chan int)
	go func() {
		runtime.LockOSThread() // so the work runs on another thread
		began, other := threadTime()
		for now := began; now-began < much; now, _ = threadTime() {
		}
		work <- other
	}()
	if other := <-work; other == thread {
		t.Errorf("two threads are both %d", thread)
	}
	if now, _ := processTime(); now-process < much {
		t.Errorf("the process has taken %v, of which another thread %v", now-process, much)
	}
	if now, same := threadTime(); same != thread || now-own >= much {
		t.Errorf("thread %d has taken %v; it was %d and waited", same, now-own, thread)
	}
}
