package reactor

import (
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	acceptBudget   = 64                     // connections accepted from one listener in a turn, at most
	acceptPause    = 250 * time.Millisecond // how long a listener rests when the kernel is out of something
	resumeListener = 255                    // tag of the bare timer that ends such a rest
	listenEvents   = unix.EPOLLIN | unix.EPOLLEXCLUSIVE
)

// listener is a listening socket that a loop has.
type listener struct {
	Listener
	tag       uint8
	resting   bool
	finishing bool      // it is closed when it has accepted what is connected
	timer     Conn      // ends a rest; taken beforehand, for there may be no record to be had then
	trouble   time.Time // when there was some last
	most      int       // connections that were to be accepted last; 0: there were not so many
	turn      int64     // and when that was
	budget    float64   // connections that the accept rate leaves now
	filled    time.Time // when the budget was brought up to date
}

// accepting is a loop's listeners, and what it accepts connections with.
type accepting struct {
	loop         *Loop
	listeners    []listener
	reserve      int     // a descriptor to give up when there is no other
	reserveSpent bool    // it was given up, and is not back
	finishing    bool    // listeners are to be finished in the next turn
	whole        int64   // the last turn that the kernel has told all that it had to report
	acceptFlags  uintptr // of accepted sockets
}

// episode is how long all must have been well before trouble is news again.
const episode = 10 * time.Second

// AddListener has the loop accept from ln, which it owns from here on. tag is
// what Tag tells of its connections. On an error ln stays the caller's.
func (l *Loop) AddListener(ln *Listener, tag uint8) error {
	if l.reserve < 0 {
		l.takeReserve()
	}
	n := len(l.listeners)
	l.listeners = append(l.listeners, listener{Listener: *ln, tag: tag, resting: l.untouched, budget: max(ln.rate/burstPart, 1), filled: l.now})
	if l.untouched {
		return nil // begin goes on
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

// takeTimer gives a listener the timer of its rests.
func (a *accepting) takeTimer(n int) error {
	timer, r := a.loop.newConn(-1, resumeListener)
	if timer == 0 {
		return ErrNoRecord
	}
	r.user = uint32(n)
	a.listeners[n].timer = timer
	return nil
}

// CloseListeners stops accepting. Connections go on.
func (l *Loop) CloseListeners() {
	for i := range l.listeners {
		l.closeListener(&l.listeners[i])
	}
}

// LeaveListeners stops accepting where another process has the same sockets
// (Group.Sockets): what waits there is left to that one, and so is the file of a
// unix socket.
func (l *Loop) LeaveListeners() {
	for i := range l.listeners {
		l.listeners[i].unix = ""
	}
	l.CloseListeners()
}

// FinishListeners has the next turn accept what the kernel has connected
// already, and stop accepting after that: closed at once, the listeners would
// have those reset.
func (l *Loop) FinishListeners() {
	for n := range l.listeners {
		l.finishListener(n)
	}
}

func (a *accepting) finishListener(n int) {
	a.listeners[n].finishing, a.finishing = true, true
	a.loop.Wake()
}

// finishRounds bounds how much is accepted from one listener that is finished:
// so many times acceptBudget, of a queue of mostly 4096.
const finishRounds = 64

func (a *accepting) finishListeners() {
	a.finishing = false
	for n := range a.listeners {
		ln := &a.listeners[n]
		if !ln.finishing {
			continue
		}
		ln.rate, ln.resting = 0, false // nothing can wait any longer
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
		// Closing does not do it while other loops have the same socket (Dup).
		_ = a.loop.poller.remove(int32(ln.fd))
	}
	ln.Close()
	ln.fd = -1
	a.reserveBack()
	if ln.timer != 0 {
		a.loop.freeRecord(ln.timer.Index(), a.loop.record(ln.timer))
	}
}

// loopsWithoutReserve counts the loops of the process that have given up their reserve and not
// got it back. Until they have, no other loop keeps a connection: it may have that
// very descriptor, and for want of it the first could not even refuse.
var loopsWithoutReserve atomic.Int32

// takeReserve opens the reserve, if there is a descriptor for it.
func (a *accepting) takeReserve() {
	fd, err := sysSpare()
	if err != nil {
		return
	}
	a.reserve = fd
	a.reserveBack()
}

// reserveBack notes that the loop has its reserve again, or needs none any more.
func (a *accepting) reserveBack() {
	if a.reserveSpent {
		a.reserveSpent = false
		loopsWithoutReserve.Add(-1)
	}
}

// spendReserve closes the reserve, whose descriptor then serves to accept and refuse.
func (a *accepting) spendReserve() {
	a.reserveSpent = true
	loopsWithoutReserve.Add(1) // before the descriptor can be had
	sysClose(int32(a.reserve))
	a.reserve = -1
}

// accept takes so many connections from a listener, and no more than there are.
func (a *accepting) accept(n, most int) {
	defer a.giveWay(n)
	if a.reserveSpent {
		a.takeReserve()
	}
	for range most { // level-triggered: what is left is reported again
		ln := &a.listeners[n] // Opened may add listeners, and close them
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
			a.admit(fd, ln)
		case unix.EAGAIN:
			ln.most = 0
			return
		case unix.EINTR, unix.ECONNABORTED, unix.EPROTO, unix.EPERM, unix.ENETDOWN, unix.EHOSTUNREACH, unix.ENETUNREACH:
			// of that one connection, which is gone
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

// expected is how many connections are accepted at a report: one, since mostly no more have
// come, and a call that says so would be for nothing; in a rush twice as many as at the last
// report. A rush goes on where the listener is reported again as soon as it can be: in the
// same turn (catchUp), in the next one, or when those have been reported that stood before it.
func (a *accepting) expected(ln *listener) int {
	if ln.turn >= a.whole {
		ln.most = min(max(2*ln.most, 1), acceptBudget)
	} else {
		ln.most = 1
	}
	ln.turn = a.loop.stats.turns.Load()
	return ln.most
}

// burstPart is the part of a second whose connections may be accepted at once.
const burstPart = 4

// spend takes a connection off the budget that the accept rate leaves; false:
// there is none.
func (ln *listener) spend(now time.Time) bool {
	ln.budget = min(ln.budget+now.Sub(ln.filled).Seconds()*ln.rate, max(ln.rate/burstPart, 1))
	ln.filled = now
	if ln.budget < 1 {
		return false
	}
	ln.budget--
	return true
}

// refill is how long it takes until the budget is worth looking at again.
func (ln *listener) refill() time.Duration {
	return max(time.Duration((1-ln.budget)/ln.rate*float64(time.Second)), TickLength)
}

// giveWay has the loop stand last in the queue for a socket that it shares. Of
// those that sleep the kernel wakes the first, which would otherwise be the same
// one each time, and have nearly all connections.
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

// admit makes a connection of an accepted descriptor, or refuses it.
func (a *accepting) admit(fd int32, ln *listener) {
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
	a.loop.readFirst(c)
}

// readFirst reads what a new connection has brought along, which is mostly all of its
// first request: the kernel would report it in a turn of its own. It reads no more than a
// connection has in the fullest of turns.
func (l *Loop) readFirst(c Conn) {
	r := l.open(c)
	if r == nil || r.flags&flagReady != 0 {
		return // closed in Opened, or to be read in the next turn
	}
	whole := l.in
	l.in = l.in[:inputLeast]
	r.flags |= flagReadable
	l.read(c, r)
	l.in = whole
}

// warn tells of trouble with a listener, once an episode.
func (a *accepting) warn(ln *listener, format string, args ...any) {
	news := ln.trouble.IsZero() || a.loop.now.Sub(ln.trouble) > episode
	ln.trouble = a.loop.now
	if news {
		a.loop.cfg.Warn(fmt.Errorf("reactor: accept on %s: %w", ln.addr, fmt.Errorf(format, args...)))
	}
}

const outOfDescriptors = "%w: connections are refused until descriptors are free"

// refuse tells a connection that there is no room, as well as can be done
// without waiting for it.
func (a *accepting) refuse(fd int32, why error) {
	a.loop.stats.refused.Add(1)
	if a.loop.cfg.Refusal != nil {
		_, _ = sysWrite(fd, a.loop.cfg.Refusal(why))
	}
	_ = sysShutdown(fd)
	_, _ = sysRead(fd, a.loop.in) // unread input would turn the close into a reset
	sysClose(fd)
}

// refuseWaiting gives up the reserve descriptor to accept and refuse those that
// wait, one after the other, so that they need not wait for an answer that will
// not come.
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

// rest stops accepting for a while, for the kernel is out of something.
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
		_ = a.loop.poller.remove(int32(ln.fd)) // or it would be reported all the time
		ln.resting = true
	}
	a.loop.wheel.Schedule(ln.timer.Index(), a.loop.ticksAhead(d))
}

// rests says whether r is the timer of a listener's rests, which the handler is not
// shown.
func (r *record) rests() bool { return r.fd < 0 && r.tag == resumeListener }

func (a *accepting) resumeListening(n int) {
	ln := &a.listeners[n]
	if a.reserveSpent {
		if a.takeReserve(); a.reserveSpent { // others refuse until it has: it cannot wait for a connection to come
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
