package bench

import (
	"encoding/binary"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"ccomet/reactor"
)

// pace is a schedule under way: the kernel's timer, whose expiries are counted. The
// loop's own timers are too coarse for it.
type pace struct {
	at, interval int64 // when the next message is to be sent, and the time between two; nanoseconds of the monotonic clock
	left         int   // messages
	times        []int64
}

// paceTag is that of the timer among a publisher's connections.
const paceTag = 1

// start begins a schedule, one interval from now, on a loop.
func (p *pace) start(loop *reactor.Loop, now int64, n int, rate float64) error {
	fd, err := p.arm(now, n, rate)
	if err == nil {
		_, err = loop.Adopt(fd, paceTag, nil)
	}
	return err
}

// arm is the timer of such a schedule.
func (p *pace) arm(now int64, n int, rate float64) (fd int, err error) {
	p.interval = int64(float64(time.Second) / rate)
	if n < 1 || p.interval < 1 {
		return 0, fmt.Errorf("a schedule of %d messages, one each %d ns", n, p.interval)
	}
	p.at, p.left = now+p.interval, n
	if fd, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC); err != nil {
		return 0, err
	}
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(p.at), Interval: unix.NsecToTimespec(p.interval)}
	return fd, unix.TimerfdSettime(fd, unix.TFD_TIMER_ABSTIME, &spec, nil)
}

// due is when the messages should have been sent whose time has come. The timer of
// a schedule that is at its end is closed.
func (p *pace) due(loop *reactor.Loop, timer reactor.Conn, expiries []byte) []int64 {
	times := p.come(expiries)
	if p.left == 0 {
		loop.Close(timer)
	}
	return times
}

// come is that, of what the timer says.
func (p *pace) come(expiries []byte) []int64 {
	p.times = p.times[:0]
	for n := binary.NativeEndian.Uint64(expiries); n > 0 && p.left > 0; n-- {
		p.times = append(p.times, p.at)
		p.at += p.interval
		p.left--
	}
	return p.times
}
