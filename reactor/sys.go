package reactor

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// All system calls of this package. With fault and the like, tests make each of
// them fail (faults.go); in production these do nothing (nofaults.go).
//
// The calls of the hot paths never block, because every descriptor is
// non-blocking. So they are raw calls, without the scheduler's bookkeeping for
// calls that might block.

func sysRead(fd int32, p []byte) (int, unix.Errno) {
	for {
		part, errno := faultyPart("read", fd, p)
		n := ^uintptr(0)
		if errno == 0 {
			n, _, errno = unix.RawSyscall6(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(part))), uintptr(len(part)), 0, 0, 0)
		}
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}

func sysWrite(fd int32, p []byte) (int, unix.Errno) {
	for {
		part, errno := faultyPart("write", fd, p)
		n := ^uintptr(0)
		if errno == 0 {
			n, _, errno = unix.RawSyscall6(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(part))), uintptr(len(part)), 0, 0, 0)
		}
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}

// sysSignal adds one to an eventfd, which wakes the loop that waits for it.
func sysSignal(fd int32) {
	one := uint64(1)
	for errno := unix.EINTR; errno == unix.EINTR; {
		if errno = fault("signal", fd); errno == 0 {
			_, _, errno = unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&one)), unsafe.Sizeof(one))
		}
	}
}

// sysAccept accepts a connection. flags is SOCK_CLOEXEC or 0.
func sysAccept(fd int32, flags uintptr) (int32, unix.Errno) {
	if errno := fault("accept4", fd); errno != 0 {
		return -1, errno
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), 0, 0, unix.SOCK_NONBLOCK|flags, 0, 0)
	return int32(n), errno
}

func sysPeer(fd int32, sa *unix.RawSockaddrAny) unix.Errno {
	if errno := fault("getpeername", fd); errno != 0 {
		return errno
	}
	size := uint32(unsafe.Sizeof(*sa))
	_, _, errno := unix.RawSyscall(unix.SYS_GETPEERNAME, uintptr(fd), uintptr(unsafe.Pointer(sa)), uintptr(unsafe.Pointer(&size)))
	return errno
}

// sysClose closes a descriptor, which is free whatever the call returns.
func sysClose(fd int32) {
	forget(fd)
	_, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
}

func sysShutdown(fd int32) error {
	if errno := fault("shutdown", fd); errno != 0 {
		return errno
	}
	return unix.Shutdown(int(fd), unix.SHUT_WR)
}

// sockError returns and clears the pending error of a socket.
func sockError(fd int32) error {
	if errno := fault("getsockopt", fd); errno != 0 {
		return errno
	}
	v, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return err
	}
	if v != 0 {
		return unix.Errno(v)
	}
	return nil
}

func sysEpollCreate() (int, error) {
	if errno := fault("epoll_create1", -1); errno != 0 {
		return -1, errno
	}
	return unix.EpollCreate1(unix.EPOLL_CLOEXEC)
}

func sysEventfd() (int, error) {
	if errno := fault("eventfd", -1); errno != 0 {
		return -1, errno
	}
	return unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
}

func sysEpollCtl(epfd, op int, fd int32, key uint64, mask uint32) unix.Errno {
	call := "epoll_ctl"
	if op == unix.EPOLL_CTL_DEL {
		call = "epoll_ctl_del"
	}
	if errno := fault(call, fd); errno != 0 {
		return errno
	}
	ev := unix.EpollEvent{Events: mask, Fd: int32(uint32(key)), Pad: int32(uint32(key >> 32))}
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(epfd), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(&ev)), 0, 0)
	if errno == 0 {
		watched(epfd, op, fd, key, mask)
	}
	return errno
}

// sysEpollWait waits for at most ms milliseconds. told makes the scheduler know
// of the wait, for one that may be long.
func sysEpollWait(epfd int, events []unix.EpollEvent, ms uintptr, told bool) (n int, errno unix.Errno) {
	if errno := fault("epoll_wait", int32(epfd)); errno != 0 {
		return -1, errno
	}
	list, size := uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)) // on the heap, which does not move
	var r uintptr
	if told {
		r, _, errno = unix.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(epfd), list, size, ms, 0, 0)
	} else {
		r, _, errno = unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epfd), list, size, ms, 0, 0)
	}
	return spurious(epfd, events, int(r)), errno
}

func sysSocket(family int) (int, error) {
	if errno := fault("socket", -1); errno != 0 {
		return -1, errno
	}
	return unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
}

func sysSetsockopt(fd, level, option, value int) error {
	if errno := fault("setsockopt", int32(fd)); errno != 0 {
		return errno
	}
	return unix.SetsockoptInt(fd, level, option, value)
}

// sysResetOnClose makes closing a socket reset its connection.
func sysResetOnClose(fd int32) error {
	if errno := fault("setsockopt", fd); errno != 0 {
		return errno
	}
	return unix.SetsockoptLinger(int(fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
}

func sysBind(fd int, sa unix.Sockaddr) error {
	if errno := fault("bind", int32(fd)); errno != 0 {
		return errno
	}
	return unix.Bind(fd, sa)
}

func sysListen(fd, backlog int) error {
	if errno := fault("listen", int32(fd)); errno != 0 {
		return errno
	}
	return unix.Listen(fd, backlog)
}

func sysGetsockname(fd int) (unix.Sockaddr, error) {
	if errno := fault("getsockname", int32(fd)); errno != 0 {
		return nil, errno
	}
	return unix.Getsockname(fd)
}

func sysConnect(fd int, sa unix.Sockaddr) error {
	if errno := fault("connect", int32(fd)); errno != 0 {
		return errno
	}
	return unix.Connect(fd, sa)
}

func sysDup(fd int) (int, error) {
	if errno := fault("fcntl", int32(fd)); errno != 0 {
		return -1, errno
	}
	return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
}

func sysNonblock(fd int) error {
	if errno := fault("fcntl", int32(fd)); errno != 0 {
		return errno
	}
	return unix.SetNonblock(fd, true)
}

// sysSpare opens a descriptor whose only use is to be closed.
func sysSpare() (int, error) {
	if errno := fault("open", -1); errno != 0 {
		return -1, errno
	}
	return unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
}

// sysMap maps anonymous memory.
func sysMap(size int) ([]byte, error) {
	return unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
}

// sysMemfd makes an in-memory file, which is not executable if the kernel
// supports that.
func sysMemfd(name string) (int, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_NOEXEC_SEAL)
	if err == unix.EINVAL {
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	}
	return fd, err
}

// Monotonic returns the time of a clock that all processes share, in
// nanoseconds.
func Monotonic() int64 {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) // cannot fail: this clock always exists
	return t.Nano()
}

func opError(op string, err error) error { return fmt.Errorf("reactor: %s: %w", op, err) }
