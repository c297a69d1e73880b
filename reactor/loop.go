package reactor

import (
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// TickLength is the grain of timers: what is set runs out at the first tick
// that is not before its time.
const TickLength = 64 * time.Millisecond

const (
	eventBatch  = 512      // events taken from the kernel in one call
	keepList    = 64 << 10 // room an emptied work list keeps
	wakeKey     = 0        // index 0 is no connection
	listenerKey = 1 << 31  // in a key's index: a listener, whose number follows
)

// Loop is an epoll event loop: one goroutine with its own descriptors, records,
// timers and buffers, and no lock. See Handler for what it tells, Conn for what
// can be done. Of its methods only Wake, Stop and Stats may be called from
// other goroutines.
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
	readyList  []uint32 // to be read next turn
	readySpare []uint32 // room for the turn after
	doomed     []uint32
	signals    *Mailbox[os.Signal]
	cancels    []func() // of Notify
	holding    bool     // nothing is read and nothing accepted (HoldInput)
	released   bool
	givesWay   bool          // to goroutines, before it waits (Mailbox.GiveWay)
	turning    bool          // how long the last turn took is not noted yet
	untouched  bool          // it goes on for another program's, and has not turned yet
	anew       bool          // and has its descriptors from nobody (NewLoopSince)
	rehearses  bool          // and has no sockets
	rests      []Conn        // timers of the other program's listeners
	arena      *Arena        // of the records; nil: no other program goes on with them
	sleep      time.Duration // the handler's last wish
	stats      counters
	writes     int64   // not yet in stats
	tally      Figures // for the loop's goroutine alone: see Figures

	waking // at the end: other goroutines write it
}

type counters struct {
	open, held, accepted, refused, turns, writes atomic.Int64
}

// Stats are a loop's figures. Open and Held are as of now, the rest since the
// start.
type Stats struct {
	Open     int64 // connections
	Held     int64 // connections that borrow a buffer
	Accepted int64
	Refused  int64 // connections refused when they came: by Admit, or for want of descriptors, records or memory
	Turns    int64
	Writes   int64 // write calls to connections, as of the end of the last turn
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

// farthest is as far ahead as a timer may be: half of what a Tick can compare.
const farthest = 1 << 30 * TickLength

// Conns counts the connections and bare timers that have a record.
func (l *Loop) Conns() int { return l.conns.Live() }

// Indexes bounds the connections' indexes: a walk from 1 to it, inclusive, that
// asks ConnAt, meets them all.
func (l *Loop) Indexes() uint32 { return l.conns.Used() }

// Stats may be called from any goroutine.
func (l *Loop) Stats() Stats {
	s := &l.stats
	return Stats{Open: s.open.Load(), Held: s.held.Load(), Accepted: s.accepted.Load(), Refused: s.refused.Load(), Turns: s.turns.Load(), Writes: s.writes.Load()}
}

// Run turns until Stop is called, then closes the loop and everything in it.
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

// Stop has Run return after the turn under way. Any goroutine may call it.
func (l *Loop) Stop() {
	l.stopped.Store(true)
	l.Wake()
}

// Turn waits for events for at most timeout (negative: as long as it takes),
// and tells the handler all of them:
//
//  1. what the kernel reports, listeners included;
//  2. input that an earlier turn left, on connections resumed meanwhile;
//  3. timers that ran out, after what else the kernel has to report;
//  4. signals, then TurnEnded;
//  5. and frees what was closed.
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

// take is a turn with what the kernel has reported; polled says whether it was asked.
func (l *Loop) take(events []unix.EpollEvent, polled bool) error {
	l.turning = true
	l.stats.turns.Add(1)
	l.set(l.cfg.Clock())
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
	l.stats.writes.Add(l.writes)
	l.writes = 0
	return nil
}

// waitTime is how long the next wait, which begins now, may take.
func (l *Loop) waitTime(timeout time.Duration, now time.Time) time.Duration {
	if len(l.readyList) > 0 && !l.holding || l.wheel.Pending() {
		return 0
	}
	if l.sleep >= 0 && (timeout < 0 || l.sleep < timeout) {
		timeout = l.sleep
	}
	if ticks, any := l.wheel.Next(); any {
		// Not from the last turn's time: the turn took some.
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
		if !l.holding {
			n := int(index &^ listenerKey)
			l.accept(n, l.expected(&l.listeners[n]))
		}
		return
	}
	c := Conn(key)
	r := l.open(c)
	if r == nil {
		return // closed earlier in this turn, or its descriptor's last event came late
	}
	// The first edge of a dialled connection may bring everything below, too.
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
			return // lost, or closed or detached in Drained
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
		case r.flags&flagReady == 0: // else it is read later in this turn, or in the next
			l.read(c, r)
		}
	}
}

// Timer makes a bare timer: a Conn without a descriptor, whose Expired is
// called d from now. SetTimer arms it again, Close frees it. It is 0 when no
// record is free.
func (l *Loop) Timer(d time.Duration, user uint32) Conn {
	c, _ := l.newConn(-1, 0)
	if c != 0 {
		l.SetUser(c, user)
		l.SetTimer(c, d)
	}
	return c
}

// Adopt makes a connection of a descriptor that the caller opened, or got from
// Detach with the input in unread. The loop owns it from here on, unless there
// is an error. Opened is not called: the caller has the Conn.
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

// newConn takes a record for a descriptor (-1: none); 0 when there is none.
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

// Release closes everything and gives back all memory: Closed is told for each
// connection, with ErrStopped. Only for the loop's goroutine, and only once;
// Run does it. Of a loop that was resumed and has not turned, descriptors stay open.
func (l *Loop) Release() {
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
	l.released = true // Closed may not open anything now
	for i := uint32(1); i <= l.conns.Used(); i++ {
		r := l.conns.At(i)
		switch {
		case r.flags&(flagLive|flagClosing) != flagLive || r.rests(): // that one goes with its listener
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
		runtime.Gosched() // it may be about to write to what is an eventfd, but would not be for long
	}
	l.poller.close()
	l.conns.Release()
	l.arena.Close()
}

// trim empties a work list, and lets go of it if a rush has made it large.
func trim(list []uint32) []uint32 {
	if cap(list) > keepList {
		return nil
	}
	return list[:0]
}
