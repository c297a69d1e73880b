package reactor

import (
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// waking is the part of a loop that other goroutines use to wake it.
type waking struct {
	asleep  atomic.Uint32 // the loop waits, or is about to
	woken   atomic.Uint32 // a turn is requested
	wakers  atomic.Int32  // goroutines that may be writing to the eventfd
	stopped atomic.Bool
}

// Wake makes the loop run a turn: at once if it sleeps, else after the current
// one. Many calls cause one wake-up. Any goroutine may call it.
func (l *Loop) Wake() {
	if l.woken.Swap(1) != 0 {
		return
	}
	l.wakers.Add(1)
	if l.asleep.Load() == 1 {
		l.poller.wake()
	}
	l.wakers.Add(-1)
}

// wait waits for events without missing a Wake: a Wake before asleep is set is
// seen in woken, a later one writes to the eventfd.
func (l *Loop) wait(timeout time.Duration) ([]unix.EpollEvent, error) {
	if l.givesWay {
		l.givesWay = false
		runtime.Gosched()
	}
	l.asleep.Store(1)
	if l.woken.Load() != 0 {
		timeout = 0
	}
	events, err := l.poller.wait(timeout)
	l.asleep.Store(0)
	l.woken.Store(0) // before mailboxes are drained: a later Post wakes the loop again
	return events, err
}
