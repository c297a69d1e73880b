package reactor

import (
	"sync"

	"golang.org/x/sys/unix"
)

// watching holds the descriptors that a loop polls in addition to its connections and listeners.
type watching struct {
	watchMu      sync.Mutex
	watchers     []watcher // by number; the places of those that have ended are used again
	watchesEnded bool      // the loop is closed
}

type watcher struct {
	ready func() // nil: it has ended
	gen   uint32
}

// Watch is a descriptor that a loop polls for the caller of [Mailbox.Watch]. The zero value is no
// descriptor.
type Watch struct {
	loop *Loop
	fd   int
	key  uint64
}

// Watch makes the loop poll a descriptor: ready is called on the loop's goroutine, once a turn,
// while the descriptor is readable or at its end. ready must not block. Any goroutine may call
// Watch. The caller keeps the descriptor, and must call End before closing it. The error is
// ErrStopped if the loop is closed.
func (m *Mailbox[M]) Watch(fd int, ready func()) (Watch, error) {
	l := m.loop
	l.watchMu.Lock()
	defer l.watchMu.Unlock()
	if l.watchesEnded {
		return Watch{}, ErrStopped
	}
	n := 0
	for n < len(l.watchers) && l.watchers[n].ready != nil {
		n++
	}
	if n == len(l.watchers) {
		l.watchers = append(l.watchers, watcher{})
	}
	one := &l.watchers[n]
	one.gen++
	w := Watch{l, fd, uint64(one.gen)<<32 | watchKey | uint64(n)}
	if err := l.poller.add(int32(fd), w.key, unix.EPOLLIN); err != nil {
		return Watch{}, err
	}
	one.ready = ready
	return w, nil
}

// End stops the polling. Any goroutine may call it, also more than once. A call of ready that
// has begun on the loop's goroutine may still run when End returns.
func (w Watch) End() {
	if w.loop == nil {
		return
	}
	w.loop.watchMu.Lock()
	defer w.loop.watchMu.Unlock()
	if one := w.loop.watcher(w.key); one != nil {
		one.ready = nil
		_ = w.loop.poller.remove(int32(w.fd))
	}
}

// endWatches ends all watches, before the epoll descriptor is closed: its number may soon be reused.
func (l *watching) endWatches() {
	l.watchMu.Lock()
	defer l.watchMu.Unlock()
	l.watchers, l.watchesEnded = nil, true
}

// watcher returns the watcher with this key, or nil if it has ended. The caller holds watchMu.
func (l *watching) watcher(key uint64) *watcher {
	n := uint32(key) &^ watchKey
	if n >= uint32(len(l.watchers)) || l.watchers[n].gen != uint32(key>>32) || l.watchers[n].ready == nil {
		return nil
	}
	return &l.watchers[n]
}

// callWatcher calls the function of a descriptor that is ready. The epoll set of another program
// may report a Watch of that program, which this one does not know.
func (l *watching) callWatcher(key uint64) {
	var ready func()
	l.watchMu.Lock()
	if one := l.watcher(key); one != nil {
		ready = one.ready
	}
	l.watchMu.Unlock()
	if ready != nil {
		ready()
	}
}
