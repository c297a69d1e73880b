package reactor

import (
	"time"

	"golang.org/x/sys/unix"
)

// busy measures the share of a processor's time that is used. The duration of turns would
// not do: it also grows when other threads keep a loop from running.
type busy struct {
	spent  func() (taken time.Duration, thread int) // processTime or threadTime
	since  time.Time                                // start of the measurement; zero: none
	taken  time.Duration                            // CPU time at the start
	thread int                                      // thread at the start
}

// part returns the share since its last call. It is not known if no measurement was under
// way, or if the goroutine has moved to another thread.
func (b *busy) part(now time.Time) (part float64, known bool) {
	taken, thread := b.spent()
	part = float64(taken-b.taken) / float64(now.Sub(b.since))
	known = !b.since.IsZero() && thread == b.thread
	b.since, b.taken, b.thread = now, taken, thread
	return part, known
}

// processTime returns the CPU time of the process.
func processTime() (time.Duration, int) { return clockTime(unix.CLOCK_PROCESS_CPUTIME_ID), 0 }

// threadTime returns the CPU time of the calling thread, and its id.
func threadTime() (time.Duration, int) {
	return clockTime(unix.CLOCK_THREAD_CPUTIME_ID), unix.Gettid()
}

func clockTime(clock int32) time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(clock, &t) // cannot fail: these clocks always exist
	return time.Duration(t.Nano())
}
