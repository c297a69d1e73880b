package reactor

import (
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	acceptBudget   = 64                     // most connections accepted from one listener in a turn
	acceptPause    = 250 * time.Millisecond // pause of a listener after the kernel has run out of descriptors or memory
	resumeListener = 255                    // tag of the bare timer that ends the pause
	listenEvents   = unix.EPOLLIN | unix.EPOLLEXCLUSIVE
)

// listener is a listening socket that belongs to a loop.
type listener struct {
	Listener
	tag       uint8
	resting   bool
	many      bool      // more connections wait than the last event accepted
	finishing bool      // it is closed after it has accepted the connections that are already established
	timer     Conn      // fires at the end of a pause; allocated in advance, because no record may be free then
	trouble   time.Time // when accepting last failed
	most      int       // number of connections to accept at the last event; 0: fewer were waiting
	turn      int64     // turn of that event
	budget    float64   // connections that the accept rate still allows now
	filled    time.Time // when the budget was last refilled
}

// accepting holds the listeners of a loop and what it needs to accept connections.
type accepting struct {
	loop         *Loop
	listeners    []listener
	reserve      int     // a spare descriptor, closed when no other is free; -1: none
	reserveSpent bool    // the reserve was closed and is not open again yet
	finishing    bool    // some listeners finish in the next turn
	many         bool    // of some listener
	whole        int64   // the last turn in which the kernel reported all events that it had
	acceptFlags  uintptr // of accepted sockets
}

// episode is the time without failures after which a new failure is reported again.
const episode = 10 * time.Second

// AddListener makes the loop accept connections from ln. The loop owns ln from now on; on an
// error the caller still owns it. Tag returns tag for the connections that it accepts.
func (l *Loop) AddListener(ln *Listener, tag uint8) error {
	if l.reserve < 0 {
		l.takeReserve()
	}
	n := len(l.listeners)
	l.listeners = append(l.listeners, listener{Listener: *ln, tag: tag, resting: l.untouched, budget: max(ln.rate/burstPart, 1), filled: l.now})
	if l.untouched {
		return nil // begin does the rest
	}
	err := l.takeTimer(n)
	if err == nil {
		if err = l.poller.add(int32(ln.fd), listenerKey|uint64(n), listenEvents); err != nil {
			timer := l.listeners[n].timer
			l.freeRecord(timer.Index(), l.record(timer))
		}
	}
	if err != nil {
		l.listeners = l.listeners[:n]
	}
	return err
}

// takeTimer allocates the timer that ends the pauses of a listener.
func (a *accepting) takeTimer(n int) error {
	timer, r := a.loop.newConn(-1, resumeListener)
	if timer == 0 {
		return ErrNoRecord
	}
	r.user = uint32(n)
	a.listeners[n].timer = timer
	return nil
}

// CloseListeners stops accepting. Open connections stay open.
func (l *Loop) CloseListeners() {
	for i := range l.listeners {
		l.closeListener(&l.listeners[i])
	}
}

// LeaveListeners stops accepting in this process. Another process has the same sockets
// (Group.Sockets) and accepts the waiting connections. The file of a unix socket is not
// removed.
func (l *Loop) LeaveListeners() {
	for i := range l.listeners {
		l.listeners[i].unix = ""
	}
	l.CloseListeners()
}

// FinishListeners makes the next turn accept the connections that the kernel has already
// established, and then close the listeners. Closed at once, the listeners would reset them.
func (l *Loop) FinishListeners() {
	for n := range l.listeners {
		l.finishListener(n)
	}
}

func (a *accepting) finishListener(n int) {
	a.listeners[n].finishing, a.finishing = true, true
	a.loop.Wake()
}

// finishRounds times acceptBudget bounds the connections that are accepted from a listener
// that finishes: 4096, the usual length of the backlog.
const finishRounds = 64

func (a *accepting) finishListeners() {
	a.finishing = false
	for n := range a.listeners {
		ln := &a.listeners[n]
		if !ln.finishing {
			continue
		}
		ln.rate, ln.resting = 0, false // the listener is closed below: nothing can wait any longer
		for range finishRounds {
			before := a.loop.stats.accepted.Load() + a.loop.stats.refused.Load()
			if a.accept(n, acceptBudget); a.loop.stats.accepted.Load()+a.loop.stats.refused.Load() == before {
				break
			}
		}
		a.closeListener(&a.listeners[n])
	}
}

func (a *accepting) closeListener(ln *listener) {
	if ln.fd < 0 {
		return
	}
	if !ln.resting {
		// Closing does not remove it from epoll while other loops have the same socket (Dup).
		_ = a.loop.poller.remove(int32(ln.fd))
	}
	ln.Close()
	ln.fd = -1
	a.reserveBack()
	if ln.timer != 0 {
		a.loop.freeRecord(ln.timer.Index(), a.loop.record(ln.timer))
	}
}

// loopsWithoutReserve counts the loops of the process that have closed their reserve and not
// reopened it. Meanwhile no loop keeps a new connection: it might have taken that very
// descriptor, and then the loop without a reserve could not even refuse connections.
var loopsWithoutReserve atomic.Int32

// takeReserve opens the reserve, if a descriptor is free.
func (a *accepting) takeReserve() {
	fd, err := sysSpare()
	if err != nil {
		return
	}
	a.reserve = fd
	a.reserveBack()
}

// reserveBack records that the loop has its reserve again, or no longer needs one.
func (a *accepting) reserveBack() {
	if a.reserveSpent {
		a.reserveSpent = false
		loopsWithoutReserve.Add(-1)
	}
}

// spendReserve closes the reserve. Its descriptor then serves to accept and refuse.
func (a *accepting) spendReserve() {
	a.reserveSpent = true
	loopsWithoutReserve.Add(1) // before the descriptor becomes free
	sysClose(int32(a.reserve))
	a.reserve = -1
}

// accept accepts up to most connections from listener n, and reads them.
func (a *accepting) accept(n, most int) {
	defer a.giveWay(n)
	a.acceptSome(n, most, true)
	if ln := &a.listeners[n]; most > 1 && ln.most > 0 {
		ln.many, a.many = true, true
	}
}

// acceptSome accepts up to most connections from listener n. Without read, epoll reports
// their input in a later turn.
func (a *accepting) acceptSome(n, most int, read bool) {
	if a.reserveSpent {
		a.takeReserve()
	}
	for range most { // level-triggered: epoll reports again what is left
		ln := &a.listeners[n] // Opened may add and close listeners
		if ln.fd < 0 || ln.resting {
			return
		}
		if ln.rate > 0 && !ln.spend(a.loop.now) {
			a.loop.tally.Pauses++
			a.pause(n, ln.refill())
			return
		}
		fd, errno := sysAccept(int32(ln.fd), a.acceptFlags)
		switch errno {
		case 0:
			if loopsWithoutReserve.Load() > 0 {
				a.refuse(fd, unix.EMFILE)
				a.warn(ln, outOfDescriptors, unix.EMFILE)
				if a.reserveSpent {
					a.takeReserve()
				}
				continue
			}
			a.admit(fd, ln, read)
		case unix.EAGAIN:
			ln.most, ln.many = 0, false
			return
		case unix.EINTR, unix.ECONNABORTED, unix.EPROTO, unix.EPERM, unix.ENETDOWN, unix.EHOSTUNREACH, unix.ENETUNREACH:
			// the error concerns only this connection, which is gone
		case unix.EMFILE, unix.ENFILE:
			a.refuseWaiting(ln, errno)
			a.warn(ln, outOfDescriptors, errno)
			a.rest(n)
			return
		default:
			a.warn(ln, "%w: connections wait", errno)
			a.rest(n)
			return
		}
	}
}

// burstPart bounds a burst: 1/burstPart of the connections of a second.
const burstPart = 4

// spend takes one connection from the budget of the accept rate; false: the budget is empty.
func (ln *listener) spend(now time.Time) bool {
	ln.budget = min(ln.budget+now.Sub(ln.filled).Seconds()*ln.rate, max(ln.rate/burstPart, 1))
	ln.filled = now
	if ln.budget < 1 {
		return false
	}
	ln.budget--
	return true
}

// refill returns how long it takes until the budget allows a connection, at least a tick.
func (ln *listener) refill() time.Duration {
	return max(time.Duration((1-ln.budget)/ln.rate*float64(time.Second)), TickLength)
}

// giveWay moves the loop to the end of the kernel's wait queue of a shared socket. The kernel
// wakes the first sleeping loop of that queue. Without giveWay the same loop would be woken
// each time and get nearly all connections.
func (a *accepting) giveWay(n int) {
	ln := &a.listeners[n]
	if !ln.shared || ln.fd < 0 || ln.resting || a.loop.poller.remove(int32(ln.fd)) != nil {
		return
	}
	if err := a.loop.poller.add(int32(ln.fd), listenerKey|uint64(n), listenEvents); err != nil {
		a.warn(ln, "%w: connections wait", err)
		a.rest(n)
	}
}

// admit makes a connection from an accepted descriptor, or refuses it.
func (a *accepting) admit(fd int32, ln *listener, read bool) {
	if a.loop.cfg.Admit != nil {
		if err := a.loop.cfg.Admit(ln.tag); err != nil {
			a.refuse(fd, err)
			return
		}
	}
	c, r := a.loop.newConn(fd, ln.tag)
	if c == 0 {
		a.refuse(fd, ErrNoRecord)
		a.warn(ln, "%w: %d connections are open: more are refused", ErrNoRecord, a.loop.stats.open.Load())
		return
	}
	if err := a.loop.poller.add(fd, uint64(c), connEvents); err != nil {
		a.loop.freeRecord(c.Index(), r)
		a.refuse(fd, err)
		a.warn(ln, "%w: connections are refused", err)
		return
	}
	a.loop.stats.accepted.Add(1)
	a.loop.handler.Opened(c)
	if read {
		a.loop.readFirst(c)
	}
}

// readFirst reads the input that has arrived with a new connection, mostly its whole first
// request: epoll would report it only in another turn. It reads at most inputLeast bytes, the
// share of a connection in the busiest turn.
func (l *Loop) readFirst(c Conn) {
	r := l.open(c)
	if r == nil || r.flags&flagReady != 0 {
		return // closed in Opened, or queued for the next turn
	}
	whole := l.in
	l.in = l.in[:inputLeast]
	r.flags |= flagReadable
	l.read(c, r)
	l.in = whole
}

// warn reports a failure of a listener, once an episode.
func (a *accepting) warn(ln *listener, format string, args ...any) {
	news := ln.trouble.IsZero() || a.loop.now.Sub(ln.trouble) > episode
	ln.trouble = a.loop.now
	if news {
		a.loop.cfg.Warn(fmt.Errorf("reactor: accept on %s: %w", ln.addr, fmt.Errorf(format, args...)))
	}
}

const outOfDescriptors = "%w: connections are refused until descriptors are free"

// refuse writes the refusal to a connection and closes it, without waiting for the peer.
func (a *accepting) refuse(fd int32, why error) {
	a.loop.stats.refused.Add(1)
	if a.loop.cfg.Refusal != nil {
		_, _ = sysWrite(fd, a.loop.cfg.Refusal(why))
	}
	_ = sysShutdown(fd)
	_, _ = sysRead(fd, a.loop.in) // with unread input, close would reset the connection
	sysClose(fd)
}

// refuseWaiting closes the reserve, and accepts and refuses the waiting connections with its
// descriptor, one after the other. They would otherwise wait for an answer that does not come.
func (a *accepting) refuseWaiting(ln *listener, why error) {
	if a.reserve < 0 {
		return
	}
	a.spendReserve()
	for range acceptBudget {
		fd, errno := sysAccept(int32(ln.fd), a.acceptFlags)
		if errno != 0 {
			break
		}
		a.refuse(fd, why)
	}
	a.takeReserve()
}

// rest pauses a listener because the kernel is out of descriptors or memory.
func (a *accepting) rest(n int) {
	a.loop.tally.Troubles++
	a.pause(n, acceptPause)
}

func (a *accepting) pause(n int, d time.Duration) {
	ln := &a.listeners[n]
	if a.reserve < 0 {
		a.takeReserve()
	}
	if !ln.resting {
		_ = a.loop.poller.remove(int32(ln.fd)) // otherwise epoll would report it all the time
		ln.resting = true
	}
	a.loop.wheel.Schedule(ln.timer.Index(), a.loop.ticksAhead(d))
}

// rests reports whether r is the timer of a listener's pauses. The handler never sees it.
func (r *record) rests() bool { return r.fd < 0 && r.tag == resumeListener }

func (a *accepting) resumeListening(n int) {
	ln := &a.listeners[n]
	if a.reserveSpent {
		if a.takeReserve(); a.reserveSpent { // the other loops refuse connections until the reserve is back: do not wait for a connection
			a.rest(n)
			return
		}
	}
	if a.loop.holding {
		a.pause(n, acceptPause)
		return
	}
	if err := a.loop.poller.add(int32(ln.fd), listenerKey|uint64(n), listenEvents); err != nil {
		a.warn(ln, "%w: connections wait", err)
		a.rest(n)
		return
	}
	ln.resting = false
}
