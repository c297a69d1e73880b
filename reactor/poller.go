package reactor

import (
	"math"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Every connection is watched, edge-triggered, from the moment it is added, for all
// that its peer may do, so that it costs one epoll_ctl in its life. The price is to
// remember an edge that was not wanted yet (see flagReadable). That it can be written
// to is true of a new connection, and would cost it a turn that brings nothing: it is
// watched for that from the first short write on (flagOutput), and a dialled one at once.
const (
	connEvents   = unix.EPOLLIN | unix.EPOLLPRI | unix.EPOLLRDHUP | unix.EPOLLET
	outputEvents = connEvents | unix.EPOLLOUT
)

// poller knows descriptors, masks and 64-bit keys, nothing else. A key is
// generation<<32 | index, so that an event which was queued for a descriptor
// closed meanwhile is recognised, not guessed at.
type poller struct {
	fd     int
	wakeFd int
	events []unix.EpollEvent
	busy   bool      // the last waits were short ones
	spare  bool      // what spareProcessor has said of late: to ask takes a lock
	quiet  time.Time // since when waits have brought nothing; zero: the last has
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
	// Edge-triggered: each write is an edge, so it need never be read back.
	if err = p.add(int32(p.wakeFd), wakeKey, unix.EPOLLIN|unix.EPOLLET); err != nil {
		p.close()
	}
	return err
}

// resume goes on with the set of another program, which knows all that is watched.
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

// modify changes the mask of a descriptor. What is true already is an edge again.
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
	shortWait = 2 * time.Millisecond   // how long a busy loop waits past the scheduler, whatever else there is to run
	patience  = 150 * time.Millisecond // and where there is a processor for that; then it is not busy any more
)

// wait fills p.events. timeout is rounded up to whole milliseconds; negative
// waits for ever.
//
// A call that the scheduler knows of costs far more than the call where it takes some
// time: the processor is taken away from the goroutine, which has to get one again, and
// the runtime's monitor thread, which does that, then looks every 20 µs for some time
// whether there is more of it. So a loop whose last wait was short waits without telling
// the scheduler, which interrupts it every 10 ms. A loop that little happens to waits as
// the scheduler would have it, which then leaves the machine alone.
//
// Where it can, such a wait is long: the kernel sets a timer for it, and one that is the
// next to run out costs a virtual machine 3 to 5 µs, as much as to wake up.
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

// stayBusy notes that a wait has brought nothing, as the scheduler sees to every 10 ms
// or so. A loop is busy until none has brought anything for as long as its patience.
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

// spareProcessor says whether goroutines have a processor where all loops keep one.
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

// wake makes a wait return. Any goroutine may call it.
func (p *poller) wake() {
	sysSignal(int32(p.wakeFd))
}

func eventKey(ev *unix.EpollEvent) uint64 {
	return uint64(uint32(ev.Pad))<<32 | uint64(uint32(ev.Fd))
}
