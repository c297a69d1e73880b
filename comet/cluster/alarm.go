package cluster

import (
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// alarm makes a goroutine wait. It is a timer of the kernel (timerfd), which Go's poller watches, and
// wakes one thread. A timer of the Go runtime would wake the thread that polls twice, because that
// waits for whole milliseconds, and then the monitor thread and a thread that looks for more work.
type alarm struct {
	file *os.File
	raw  syscall.RawConn
}

func newAlarm() (*alarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	file := os.NewFile(uintptr(fd), "timer")
	raw, err := file.SyscallConn()
	return &alarm{file, raw}, err
}

// set makes wait return after d, which must be positive: also a wait that has begun. Any goroutine may
// call it.
func (a *alarm) set(d time.Duration) {
	after := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}
	_ = a.raw.Control(func(fd uintptr) {
		_, _, _ = unix.RawSyscall6(unix.SYS_TIMERFD_SETTIME, fd, 0, uintptr(unsafe.Pointer(&after)), 0, 0, 0)
	})
}

// wait waits for the time that was set last.
func (a *alarm) wait() {
	count := new(uint64)
	_ = a.raw.Read(func(fd uintptr) bool {
		_, _, errno := unix.RawSyscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(count)), unsafe.Sizeof(*count))
		return errno != unix.EAGAIN && errno != unix.EINTR
	})
}

func (a *alarm) close() { _ = a.file.Close() }
