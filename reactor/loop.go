package reactor

import (
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// TickLength is the resolution of timers: a timer fires at the first tick at or
// after its time.
const TickLength = 64 * time.Millisecond

const (
	eventBatch  = 512      // most events of one epoll_wait call
	keepList    = 64 << 10 // capacity up to which an emptied work list is kept
	wakeKey     = 0        // index 0 is no connection
	listenerKey = 1 << 31  // flag in a key's index: the rest is the number of a listener
	watchKey    = 3 << 30  // flags in a key's index: the rest is the number of a Watch
)

// Loop is an epoll event loop: one goroutine with its own descriptors, records,
// timers and buffers, without locks. Handler lists its events, Conn what can be done
// with a connection. Only Wake, Stop and Stats may be called from other goroutines.
type Loop struct {
	cfg     Config
	handler Handler
	poller  poller
	conns   Slab[record]
	wheel   *Wheel
	clock
	in []byte
	borrowed
	accepting
	watching
	readyList  []uint32 // connections to read in the next turn
	readySpare []uint32 // an empty list for the turn after that
	doomed     []uint32
	signals    *Mailbox[os.Signal]
	cancels    []func() // those that Notify has returned
	holding    bool     // nothing is read or accepted (HoldInput)
	released   bool
	after      afterTurn
	givesWay   bool          // it yields to goroutines before it waits (Mailbox.GiveWay)
	turning    bool          // the duration of the last turn is not recorded yet
	untouched  bool          // it continues a loop of another program and has not turned yet
	anew       bool          // the same, but with descriptors of its own (NewLoopSince)
	rehearses  bool          // the same, without sockets: it must not turn
	rests      []Conn        // timers of the other program's listeners
	arena      *Arena        // of the records; nil: no other program can take them over
	sleep      time.Duration // what TurnEnded has returned
	stats      counters
	writes     int64   // not yet added to stats
	tally      Figures // used only on the loop's goroutine: see Figures

	waking // last, because other goroutines write it
}

type counters struct {
	open, held, accepted, refused, turns, writes atomic.Int64
}

// Stats are the basic counters of a loop. Open and Held are current values, the rest
// count since the start.
type Stats struct {
	Open     int64 // connections
	Held     int64 // connections that borrow a buffer
	Accepted int64
	Refused  int64 // connections refused on arrival: by Admit, or for lack of descriptors, records or memory
	Turns    int64
	Writes   int64 // write calls on connections, up to the end of the last turn
}

// NewLoop opens a loop. Nothing happens until Turn or Run is called.
func NewLoop(h Handler, cfg Config) (*Loop, error) {
	l := newLoop(h, cfg)
	if err := l.poller.open(eventBatch); err != nil {
		return nil, err
	}
	if cfg.Inheritable {
		var err error
		if l.arena, err = NewArena(); err != nil {
			l.poller.close()
			return nil, err
		}
		l.conns.In(l.arena)
	}
	return l, nil
}

func newLoop(h Handler, cfg Config) *Loop {
	cfg.fill()
	l := &Loop{cfg: cfg, handler: h, in: make([]byte, inputSize), sleep: -1}
	l.held, l.reserve, l.accepting.loop = make([]held, 1), -1, l
	l.now = cfg.Clock()
	l.start = l.now
	l.wheel = NewWheel(0, func(i uint32) *Timer { return &l.conns.At(i).timer })
	if !cfg.Inheritable {
		l.acceptFlags = unix.SOCK_CLOEXEC
	}
	return l
}

// farthest is the longest time of a timer: half the range in which Ticks can be
// compared.
const farthest = 1 << 30 * TickLength

// Conns returns the number of connections and bare timers.
func (l *Loop) Conns() int { return l.conns.Live() }

// Indexes returns the highest index that was ever used: calling ConnAt for 1 to
// Indexes, inclusive, finds all connections.
func (l *Loop) Indexes() uint32 { return l.conns.Used() }

// Stats returns the loop's counters. Any goroutine may call it.
func (l *Loop) Stats() Stats {
	s := &l.stats
	return Stats{Open: s.open.Load(), Held: s.held.Load(), Accepted: s.accepted.Load(), Refused: s.refused.Load(), Turns: s.turns.Load(), Writes: s.writes.Load()}
}

// Run runs turns until Stop is called or a turn fails. Then it closes the loop and
// everything in it.
func (l *Loop) Run() error {
	running.Add(1)
	defer running.Add(-1)
	for !l.stopped.Load() {
		if err := l.Turn(-1); err != nil {
			l.Release()
			return err
		}
	}
	l.Release()
	return nil
}

// Stop makes Run return after the current turn. Any goroutine may call it.
func (l *Loop) Stop() {
	l.stopped.Store(true)
	l.Wake()
}

// Turn waits for events for at most timeout (negative: no limit) and passes them to
// the handler, in this order:
//
//  1. events from the kernel, for listeners, too;
//  2. input that was left by earlier turns, also of resumed connections;
//  3. expired timers, after further events that the kernel has;
//  4. signals, then TurnEnded, then what AfterTurn was called for.
//
// At its end it frees the connections that were closed.
func (l *Loop) Turn(timeout time.Duration) error {
	if l.untouched {
		if err := l.begin(); err != nil {
			return err
		}
	}
	began := l.cfg.Clock()
	l.tally.TurnTimes.end(&l.turning, began.Sub(l.now))
	events, err := l.wait(l.waitTime(timeout, began))
	if err != nil {
		return err
	}
	return l.take(events, true)
}

// take runs a turn with events from the kernel. polled is false if the kernel was
// not asked.
func (l *Loop) take(events []unix.EpollEvent, polled bool) error {
	l.turning = true
	l.stats.turns.Add(1)
	l.readClock()
	var ready []uint32
	if !l.holding {
		ready = l.takeReady()
	}
	l.apportion(len(events) + len(ready))
	for i := range events {
		l.dispatch(&events[i])
	}
	if polled && len(events) < eventBatch {
		l.whole = l.stats.turns.Load()
	}
	l.relieve(len(events) == eventBatch)
	if l.finishing {
		l.finishListeners()
	}
	l.readReady(ready)
	if err := l.catchUp(); err != nil {
		return err
	}
	l.expire()
	l.tellSignals()
	for {
		l.sleep = l.handler.TurnEnded(l.now)
		if !l.reap(nil) {
			break
		}
	}
	l.after.run()
	l.stats.writes.Add(l.writes)
	l.writes = 0
	return nil
}

// waitTime returns how long the next wait, which starts now, may take; negative: no
// limit.
func (l *Loop) waitTime(timeout time.Duration, now time.Time) time.Duration {
	if len(l.readyList) > 0 && !l.holding || l.wheel.Pending() {
		return 0
	}
	if l.sleep >= 0 && (timeout < 0 || l.sleep < timeout) {
		timeout = l.sleep
	}
	if ticks, any := l.wheel.Next(); any {
		// From now, not from the last turn's time: the turn took some time.
		at := l.start.Add(time.Duration(l.wheel.now+Tick(ticks)) * TickLength)
		if d := max(at.Sub(now), 0); timeout < 0 || d < timeout {
			timeout = d
		}
	}
	return timeout
}

func (l *Loop) dispatch(ev *unix.EpollEvent) {
	key := eventKey(ev)
	index := uint32(key)
	if key == wakeKey {
		return
	}
	if index&listenerKey != 0 {
		if index&watchKey == watchKey {
			l.callWatcher(key)
		} else if !l.holding {
			n := int(index &^ listenerKey)
			l.accept(n, l.expected(&l.listeners[n]))
		}
		return
	}
	c := Conn(key)
	r := l.open(c)
	if r == nil {
		return // closed earlier in this turn, or a late event of a closed descriptor
	}
	// The first edge of a dialled connection may report everything below, too.
	if r.flags&flagConnecting != 0 && !l.connected(c, r) {
		return
	}
	if ev.Events&unix.EPOLLERR != 0 {
		if l.holding {
			l.holdEnd(c, r)
			return
		}
		l.broken(c, r, nil)
		return
	}
	if ev.Events&unix.EPOLLOUT != 0 && r.flags&flagBlocked != 0 {
		l.flush(c, r)
		if l.open(c) == nil {
			return // failed, or closed or detached in Drained
		}
	}
	if ev.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP) != 0 {
		r.flags |= flagEnded
	}
	if ev.Events&unix.EPOLLPRI != 0 {
		r.flags |= flagUrgent
	}
	if ev.Events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP) != 0 {
		r.flags |= flagReadable
		switch {
		case l.holding:
			l.ready(index, r)
		case r.flags&flagReady == 0: // otherwise it is read later in this turn, or in the next one
			l.read(c, r)
		}
	}
}

// Timer makes a bare timer: a Conn without a descriptor, for which Expired is called
// after d. User returns user. SetTimer arms it again, Close frees it. It is 0 if no
// record is free.
func (l *Loop) Timer(d time.Duration, user uint32) Conn {
	c, _ := l.newConn(-1, 0)
	if c != 0 {
		l.SetUser(c, user)
		l.SetTimer(c, d)
	}
	return c
}

// Adopt makes a connection from a descriptor that the caller has opened, or that
// Detach has returned together with unread. The loop owns the descriptor from now
// on, except on an error. Opened is not called, because the caller gets the Conn.
func (l *Loop) Adopt(fd int, tag uint8, unread []byte) (Conn, error) {
	if err := sysNonblock(fd); err != nil {
		return 0, opError("adopt", err)
	}
	c, r := l.newConn(int32(fd), tag)
	if c == 0 {
		return 0, ErrNoRecord
	}
	if err := l.poller.add(r.fd, uint64(c), connEvents); err != nil {
		l.freeRecord(c.Index(), r)
		return 0, err
	}
	if len(unread) > 0 {
		in := l.buffers.Get()
		in.B = append(in.B[:0], unread...)
		l.keepInput(l.borrow(r), in)
		l.ready(c.Index(), r)
	}
	return c, nil
}

// newConn allocates a record for a descriptor (-1: a bare timer); 0 if none is free.
func (l *Loop) newConn(fd int32, tag uint8) (Conn, *record) {
	if l.released || fd >= 0 && l.stats.open.Load() >= int64(l.cfg.MaxConns) {
		return 0, nil
	}
	i := l.conns.Alloc()
	if i == 0 {
		return 0, nil
	}
	r := l.conns.At(i)
	*r = record{fd: fd, gen: r.gen, flags: flagLive, tag: tag}
	if fd >= 0 {
		l.stats.open.Add(1)
	}
	return makeConn(i, r.gen), r
}

// Release closes everything and frees all memory; Closed is called for each
// connection, with ErrStopped. Call it only on the loop's goroutine, and once; Run
// calls it itself. If a resumed loop has not turned yet, its descriptors stay open.
func (l *Loop) Release() {
	l.endWatches()
	if l.untouched {
		l.released = true
		l.conns.Release()
		if l.anew {
			l.poller.close()
			l.arena.Close()
		}
		return
	}
	l.reap(nil)
	l.released = true // Closed must not open anything from now on
	for i := uint32(1); i <= l.conns.Used(); i++ {
		r := l.conns.At(i)
		switch {
		case r.flags&(flagLive|flagClosing) != flagLive || r.rests(): // a listener's timer is freed with its listener
		default:
			l.doom(i, r)
		}
	}
	l.reap(ErrStopped)
	for _, cancel := range l.cancels {
		cancel()
	}
	l.CloseListeners()
	if l.reserve >= 0 {
		sysClose(int32(l.reserve))
		l.reserve = -1
	}
	for l.wakers.Load() != 0 {
		runtime.Gosched() // a waker may be about to write to the eventfd; it soon will have done so
	}
	l.poller.close()
	l.conns.Release()
	l.arena.Close()
}

// trim empties a work list, and frees it if a rush has made it large.
func trim(list []uint32) []uint32 {
	if cap(list) > keepList {
		return nil
	}
	return list[:0]
}
