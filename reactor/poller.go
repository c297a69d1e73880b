package reactor

import (
	"math"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Every connection is watched for everything, edge-triggered, from the moment
// it is added: its mask never changes, so a connection costs one epoll_ctl in
// its life. The price is to remember an edge that nobody wanted yet (see
// flagReadable).
const connEvents = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET

// poller knows descriptors, masks and 64-bit keys, nothing else. A key is
// generation<<32 | index, so that an event which was queued for a descriptor
// closed meanwhile is recognised, not guessed at.
type poller struct {
	fd     int
	wakeFd int
	events []unix.EpollEvent
}

func (p *poller) open(batch int) error {
	var err error
	if p.fd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return opError("epoll_create1", err)
	}
	if p.wakeFd, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		unix.Close(p.fd)
		return opError("eventfd", err)
	}
	p.events = make([]unix.EpollEvent, batch)
	// Edge-triggered: each write is an edge, so it need never be read back.
	if err = p.add(int32(p.wakeFd), wakeKey, unix.EPOLLIN|unix.EPOLLET); err != nil {
		p.close()
	}
	return err
}

func (p *poller) close() {
	unix.Close(p.wakeFd)
	unix.Close(p.fd)
}

func (p *poller) add(fd int32, key uint64, mask uint32) error {
	return p.ctl(unix.EPOLL_CTL_ADD, fd, key, mask)
}

func (p *poller) remove(fd int32) error { return p.ctl(unix.EPOLL_CTL_DEL, fd, 0, 0) }

func (p *poller) ctl(op int, fd int32, key uint64, mask uint32) error {
	ev := unix.EpollEvent{Events: mask, Fd: int32(uint32(key)), Pad: int32(uint32(key >> 32))}
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(p.fd), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(&ev)), 0, 0)
	if errno != 0 {
		return opError("epoll_ctl", errno)
	}
	return nil
}

// shortWait is how long a wait goes past the scheduler, in milliseconds.
const shortWait = 2

// wait fills p.events. timeout is rounded up to whole milliseconds; negative
// waits for ever.
//
// A call that the scheduler knows of costs a busy loop more than the call: the
// processor is taken away from a goroutine that is in one for 20 µs, threads
// are woken to use it, and it has to be got back. So the first moments are
// waited without telling it, which in a busy loop is all there is. A loop that
// nothing happens to then waits as the scheduler would have it.
func (p *poller) wait(timeout time.Duration) ([]unix.EpollEvent, error) {
	ms := -1
	if timeout >= 0 {
		timeout = min(timeout, math.MaxInt32*time.Millisecond)
		ms = int((timeout + time.Millisecond - 1) / time.Millisecond)
	}
	first := ms
	if ms < 0 || ms > shortWait {
		first = shortWait
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)), uintptr(first), 0, 0)
	if n != 0 || errno != 0 || first == ms {
		return p.result(int(n), errno)
	}
	if ms > 0 {
		ms -= first
	}
	n, _, errno = unix.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)), uintptr(ms), 0, 0)
	return p.result(int(n), errno)
}

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
	one := [8]byte{1}
	_, _ = sysWrite(int32(p.wakeFd), one[:])
}

func eventKey(ev *unix.EpollEvent) uint64 {
	return uint64(uint32(ev.Pad))<<32 | uint64(uint32(ev.Fd))
}
