package reactor

import (
	"math"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// A connection is watched, edge-triggered, for input, urgent data and the end of its peer
// from the moment it is added: one epoll_ctl in its life. In return the loop must
// remember an edge that it cannot use yet (flagReadable). A new connection is always
// writable, so EPOLLOUT would cost it a turn for nothing: it is watched from the first
// short write on (flagOutput). A dialled connection is watched for it from the start.
const (
	connEvents   = unix.EPOLLIN | unix.EPOLLPRI | unix.EPOLLRDHUP | unix.EPOLLET
	outputEvents = connEvents | unix.EPOLLOUT
)

// poller knows only descriptors, event masks and 64-bit keys. A key is generation<<32 |
// index, so that a stale event, of a descriptor that was closed meanwhile, is recognised.
type poller struct {
	fd     int
	wakeFd int
	events []unix.EpollEvent
	busy   bool      // the last waits were short
	spare  bool      // the last result of spareProcessor, which takes a lock
	quiet  time.Time // since when waits bring no events; zero: the last one did
}

func (p *poller) open(batch int) error {
	var err error
	if p.fd, err = sysEpollCreate(); err != nil {
		return opError("epoll_create1", err)
	}
	if p.wakeFd, err = sysEventfd(); err != nil {
		sysClose(int32(p.fd))
		return opError("eventfd", err)
	}
	p.events = make([]unix.EpollEvent, batch)
	// Edge-triggered: each write is an edge, so the eventfd need never be read.
	if err = p.add(int32(p.wakeFd), wakeKey, unix.EPOLLIN|unix.EPOLLET); err != nil {
		p.close()
	}
	return err
}

// resume continues with the epoll set of another program, where everything is registered.
func (p *poller) resume(fd, wakeFd, batch int) {
	p.fd, p.wakeFd = fd, wakeFd
	p.events = make([]unix.EpollEvent, batch)
}

func (p *poller) close() {
	sysClose(int32(p.wakeFd))
	sysClose(int32(p.fd))
}

func (p *poller) add(fd int32, key uint64, mask uint32) error {
	return p.ctl(unix.EPOLL_CTL_ADD, fd, key, mask)
}

// modify changes the mask of a descriptor. Epoll reports again what is already true.
func (p *poller) modify(fd int32, key uint64, mask uint32) error {
	return p.ctl(unix.EPOLL_CTL_MOD, fd, key, mask)
}

func (p *poller) remove(fd int32) error { return p.ctl(unix.EPOLL_CTL_DEL, fd, 0, 0) }

func (p *poller) ctl(op int, fd int32, key uint64, mask uint32) error {
	if errno := sysEpollCtl(p.fd, op, fd, key, mask); errno == unix.ENOSPC {
		return opError("epoll_ctl: fs.epoll.max_user_watches is reached", errno)
	} else if errno != 0 {
		return opError("epoll_ctl", errno)
	}
	return nil
}

const (
	shortWait = 2 * time.Millisecond   // longest wait of a busy loop past the scheduler, if no processor is spare
	patience  = 150 * time.Millisecond // the same with a spare processor; without events for so long a loop is not busy any more
)

// wait fills p.events. timeout is rounded up to whole milliseconds; negative waits for
// ever. It may return earlier without events.
//
// A blocking system call that the scheduler knows of costs far more than the call. The
// scheduler takes the processor away from the goroutine, which has to get one again. The
// runtime's monitor thread, which does that, then looks for more such calls every 20 µs
// for some time. So a loop whose last wait was short waits without telling the scheduler,
// which interrupts it every 10 ms. A loop with few events tells the scheduler, which then
// leaves the machine idle.
//
// With a spare processor a wait past the scheduler is long: the kernel sets a timer for
// it. If that timer is the next to expire, it costs a virtual machine 3 to 5 µs, as much
// as a wake-up.
func (p *poller) wait(timeout time.Duration) ([]unix.EpollEvent, error) {
	if timeout < 0 || timeout > math.MaxInt32*time.Millisecond {
		timeout = math.MaxInt32 * time.Millisecond
	}
	if p.busy || timeout == 0 {
		limit := shortWait
		if p.spare {
			limit = patience
		}
		n, errno := sysEpollWait(p.fd, p.events, millis(min(timeout, limit)), false)
		if n > 0 || timeout == 0 {
			p.quiet = time.Time{}
			return p.result(n, errno)
		}
		if p.stayBusy(time.Now()); p.spare || errno != 0 || timeout <= limit {
			return p.result(n, errno)
		}
		timeout -= limit
	}
	began := time.Now()
	n, errno := sysEpollWait(p.fd, p.events, millis(timeout), true)
	p.busy, p.spare = time.Since(began) < patience, spareProcessor()
	return p.result(n, errno)
}

// stayBusy records a wait without events; the scheduler causes one every 10 ms or so. The
// loop stops being busy when no wait has brought events for as long as patience.
func (p *poller) stayBusy(now time.Time) {
	p.spare = spareProcessor()
	switch {
	case p.quiet.IsZero():
		p.quiet = now
	case now.Sub(p.quiet) >= patience:
		p.quiet, p.busy = time.Time{}, false
	}
}

// running counts the loops of the process that run on goroutines of their own.
var running atomic.Int32

// spareProcessor reports whether a processor is left for other goroutines if every loop
// keeps one.
func spareProcessor() bool { return runtime.GOMAXPROCS(0) > int(running.Load()) }

func millis(d time.Duration) uintptr { return uintptr((d + time.Millisecond - 1) / time.Millisecond) }

func (p *poller) result(n int, errno unix.Errno) ([]unix.EpollEvent, error) {
	switch errno {
	case 0:
		return p.events[:n], nil
	case unix.EINTR:
		return nil, nil
	}
	return nil, opError("epoll_wait", errno)
}

// wake makes wait return. Any goroutine may call it.
func (p *poller) wake() {
	sysSignal(int32(p.wakeFd))
}

func eventKey(ev *unix.EpollEvent) uint64 {
	return uint64(uint32(ev.Pad))<<32 | uint64(uint32(ev.Fd))
}
