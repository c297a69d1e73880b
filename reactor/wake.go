package reactor

import (
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// waking is what goroutines that wake a loop know of it.
type waking struct {
	asleep  atomic.Uint32 // about to wait, or waiting
	woken   atomic.Uint32 // a turn is wanted
	wakers  atomic.Int32  // goroutines that may be writing to the eventfd
	stopped atomic.Bool
}

// Wake has the loop take a turn: at once if it sleeps, else after the one
// under way. However many call it, one does the work. Any goroutine may.
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

// wait sleeps without missing a Wake: one that comes before asleep is set is
// seen in woken, one that comes after writes the eventfd.
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
	l.woken.Store(0) // before a mailbox is drained: what is posted from here on wakes again
	return events, err
}
