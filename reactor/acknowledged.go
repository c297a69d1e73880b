package reactor

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TCP_USER_TIMEOUT would have the kernel drop a connection whose peer acknowledges nothing.
// It is not set, because it also drops connections of peers that read. When the receive buffer
// of a peer is full, the kernel probes it; if it was full before, longer ago than the timeout,
// the kernel may take all the time since then for one wait, whatever was read meanwhile.

// Unacknowledged is the number of bytes written to c that the peer's kernel has not
// acknowledged. On a unix socket these are the bytes that the peer has not read. It is 0 if
// the kernel does not tell.
func (l *Loop) Unacknowledged(c Conn) int {
	r := l.record(c)
	if r == nil || r.fd < 0 {
		return 0
	}
	return sysUnacknowledged(r.fd)
}

// Silence is the time since the kernel of c's peer last acknowledged anything, which it also
// does while the peer does not read. It is 0 if the kernel does not tell, as on a unix socket.
func (l *Loop) Silence(c Conn) time.Duration {
	r := l.record(c)
	if r == nil || r.fd < 0 {
		return 0
	}
	return sysSilence(r.fd)
}

func sysUnacknowledged(fd int32) int { return sysQueued(fd, unix.SIOCOUTQ) }

// sysUnsent is the number of written bytes that the kernel has not sent yet; 0 on a unix
// socket.
func sysUnsent(fd int32) int { return sysQueued(fd, unix.SIOCOUTQNSD) }

func sysQueued(fd int32, which uintptr) int {
	var n int32
	if fault("ioctl", fd) != 0 {
		return 0
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), which, uintptr(unsafe.Pointer(&n))); errno != 0 {
		return 0
	}
	return int(n)
}

func sysSilence(fd int32) time.Duration {
	var info unix.TCPInfo
	if !sysTCPInfo(fd, &info) {
		return 0
	}
	return time.Duration(info.Last_ack_recv) * time.Millisecond
}

// sysTCPInfo fills in what the kernel tells of a TCP socket. It reports whether it does.
func sysTCPInfo(fd int32, info *unix.TCPInfo) bool {
	if fault("getsockopt", fd) != 0 {
		return false
	}
	size := uint32(unsafe.Sizeof(*info))
	_, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.IPPROTO_TCP, unix.TCP_INFO, uintptr(unsafe.Pointer(info)), uintptr(unsafe.Pointer(&size)), 0)
	return errno == 0
}
