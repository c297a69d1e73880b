package reactor

import (
	"time"

	"golang.org/x/sys/unix"
)

// busy measures which part of a processor's time is taken. How long turns took would not
// do: a loop that others keep from running has no more to do than one that they do not.
type busy struct {
	spent  func() (taken time.Duration, thread int) // processTime or threadTime
	since  time.Time                                // zero: it measures nothing
	taken  time.Duration                            // then
	thread int                                      // then
}

// part is the part since it was asked last. It is not known where nothing was measured, or
// of a thread that the goroutine does not run on any more.
func (b *busy) part(now time.Time) (part float64, known bool) {
	taken, thread := b.spent()
	part = float64(taken-b.taken) / float64(now.Sub(b.since))
	known = !b.since.IsZero() && thread == b.thread
	b.since, b.taken, b.thread = now, taken, thread
	return part, known
}

// processTime is what the process has taken.
func processTime() (time.Duration, int) { return clockTime(unix.CLOCK_PROCESS_CPUTIME_ID), 0 }

// threadTime is what the thread that calls it has taken.
func threadTime() (time.Duration, int) {
	return clockTime(unix.CLOCK_THREAD_CPUTIME_ID), unix.Gettid()
}

func clockTime(clock int32) time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(clock, &t) // it cannot fail for a clock that is always there
	return time.Duration(t.Nano())
}
