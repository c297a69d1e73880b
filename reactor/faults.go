//go:build faults

package reactor

import (
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Faults makes system calls of this package fail as the kernel might fail them, for tests. It
// is only built with the tag "faults": a production build has not even a branch for it.
//
// A fault keeps the kernel's promises. After an EAGAIN, or a read or write of only a part,
// another edge reports when the call can continue. A descriptor is free once it is closed.
type Faults struct {
	// Choose returns the error of a call; 0: the call is made. Beside errors it may return
	// Short. It is called on the goroutine of the call, one at a time. The names of calls are
	// the kernel's, except:
	//
	//	signal         the write to an eventfd that wakes a loop
	//	mmap           a slab is asked for a record
	//	epoll_ctl_del  EPOLL_CTL_DEL; epoll_ctl is EPOLL_CTL_ADD and EPOLL_CTL_MOD
	//	event          fd is an epoll descriptor: Short reports events that have not happened,
	//	               an error reports that the kernel has given up some connection
	Choose func(call string, fd int) unix.Errno
	// Told, if set, is called for each fault; for "event" with the descriptor of the event.
	Told func(call string, fd int, errno unix.Errno)
	// Hits counts the faults by call and error.
	Hits map[string]int

	mu  sync.Mutex
	rnd *rand.Rand
}

// Short is not an error: a read or write gets only a part of the bytes.
const Short = unix.Errno(1 << 15)

// watch is what was registered for a descriptor at an epoll descriptor.
type watch struct {
	epfd int
	key  uint64
	mask uint32
}

// faults are those in force. watches is kept up to date without any, too.
var (
	faults  atomic.Pointer[Faults]
	watches = map[int32]watch{}
	watchMu sync.Mutex
)

// NewFaults makes system calls fail as f.Choose decides, from now on until Remove. seed seeds
// all other random choices.
func NewFaults(seed uint64) *Faults {
	f := &Faults{Hits: map[string]int{}, rnd: rand.New(rand.NewPCG(seed, 11))}
	faults.Store(f)
	return f
}

// Remove ends the faults.
func (f *Faults) Remove() { faults.CompareAndSwap(f, nil) }

// Mild are faults that no client may notice. Severe are those that cost a connection, or keep
// one from being made.
var (
	Mild = map[string][]unix.Errno{
		"read":       {unix.EINTR, unix.EAGAIN, Short},
		"write":      {unix.EINTR, unix.EAGAIN, Short},
		"signal":     {unix.EINTR},
		"epoll_wait": {unix.EINTR},
		"event":      {Short},
		"accept4": {unix.EINTR, unix.EAGAIN, unix.ECONNABORTED, unix.EPROTO, unix.EPERM, unix.ENETDOWN,
			unix.ENOBUFS, unix.ENOMEM},
		"open": {unix.EMFILE, unix.ENFILE, unix.ENOMEM},
	}
	Severe = map[string][]unix.Errno{
		"read":        {unix.ECONNRESET, unix.ETIMEDOUT, unix.EHOSTUNREACH, unix.ENOMEM, unix.ENOBUFS},
		"write":       {unix.EPIPE, unix.ECONNRESET, unix.ETIMEDOUT, unix.ENOBUFS, unix.ENOMEM},
		"event":       {unix.ECONNRESET},
		"accept4":     {unix.EMFILE, unix.ENFILE},
		"epoll_ctl":   {unix.ENOMEM, unix.ENOSPC},
		"mmap":        {unix.ENOMEM},
		"getpeername": {unix.ENOTCONN, unix.ENOBUFS},
		"getsockopt":  {unix.ENOBUFS},
		"setsockopt":  {unix.ENOMEM},
		"shutdown":    {unix.ENOTCONN, unix.ENOBUFS},
	}
)

// Random fails one in n of the calls that are in a table, with one of the call's errors.
func (f *Faults) Random(n int, table map[string][]unix.Errno) func(call string, fd int) unix.Errno {
	return func(call string, _ int) unix.Errno {
		list := table[call]
		if len(list) == 0 || f.rnd.IntN(n) != 0 {
			return 0
		}
		return list[f.rnd.IntN(len(list))]
	}
}

func (f *Faults) choose(call string, fd int32) unix.Errno {
	if f.Choose == nil {
		return 0
	}
	errno := f.Choose(call, int(fd))
	if errno == unix.EAGAIN && !rearm(fd) && call == "read" {
		return 0
	}
	if errno != 0 && call != "event" {
		f.tell(call, fd, errno)
	}
	return errno
}

func (f *Faults) tell(call string, fd int32, errno unix.Errno) {
	name := unix.ErrnoName(errno)
	if errno == Short {
		name = "short"
	}
	f.Hits[call+" "+name]++
	if f.Told != nil {
		f.Told(call, int(fd), errno)
	}
}

func fault(call string, fd int32) unix.Errno {
	f := faults.Load()
	if f == nil {
		return 0
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.choose(call, fd)
}

// faultyPart is fault for a call that moves data.
func faultyPart(call string, fd int32, p []byte) ([]byte, unix.Errno) {
	f := faults.Load()
	if f == nil {
		return p, 0
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	errno := f.choose(call, fd)
	if errno != Short {
		return p, errno
	}
	if len(p) < 2 {
		return p, 0
	}
	rearm(fd)
	n := 1 + f.rnd.IntN(len(p)-1)
	if call == "read" {
		n = min(n, 1+f.rnd.IntN(64)) // it asks for far more than has arrived
	}
	return p[:n], 0
}

// rearm makes the kernel report the state of a descriptor once more. It returns false if no
// loop would be told, or if the peer sends no more: then the kernel lets no reader wait.
func rearm(fd int32) bool {
	watchMu.Lock()
	w, ok := watches[fd]
	watchMu.Unlock()
	state := []unix.PollFd{{Fd: fd, Events: unix.POLLRDHUP}}
	if _, err := unix.Poll(state, 0); !ok || err != nil {
		return false
	}
	ev := unix.EpollEvent{Events: w.mask, Fd: int32(uint32(w.key)), Pad: int32(uint32(w.key >> 32))}
	return unix.EpollCtl(w.epfd, unix.EPOLL_CTL_MOD, int(fd), &ev) == nil && state[0].Revents == 0
}

// spurious may add an event to the n events that the kernel has reported.
func spurious(epfd int, events []unix.EpollEvent, n int) int {
	f := faults.Load()
	if f == nil || n < 0 {
		return n
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	errno := f.choose("event", int32(epfd))
	if errno == 0 || n == len(events) {
		return n
	}
	watchMu.Lock()
	defer watchMu.Unlock()
	var list []int32
	for _, fd := range slices.Sorted(maps.Keys(watches)) {
		if w := watches[fd]; w.epfd == epfd && (errno == Short || w.mask|unix.EPOLLOUT == outputEvents) {
			list = append(list, fd)
		}
	}
	if len(list) == 0 {
		return n
	}
	fd := list[f.rnd.IntN(len(list))]
	f.tell("event", fd, errno)
	w := watches[fd]
	mask := []uint32{unix.EPOLLIN, unix.EPOLLOUT, unix.EPOLLIN | unix.EPOLLOUT}[f.rnd.IntN(3)]
	if errno != Short {
		mask = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR
	}
	events[n] = unix.EpollEvent{Events: mask, Fd: int32(uint32(w.key)), Pad: int32(uint32(w.key >> 32))}
	return n + 1
}

// watched records a successful epoll_ctl.
func watched(epfd, op int, fd int32, key uint64, mask uint32) {
	watchMu.Lock()
	defer watchMu.Unlock()
	if op == unix.EPOLL_CTL_DEL {
		delete(watches, fd)
	} else {
		watches[fd] = watch{epfd, key, mask}
	}
}

// forget drops the record of a descriptor that is about to be closed.
func forget(fd int32) {
	watchMu.Lock()
	defer watchMu.Unlock()
	delete(watches, fd)
}
