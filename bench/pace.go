package bench

import (
	"encoding/binary"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"ccomet/reactor"
)

// pace is a schedule in progress. It counts the expiries of a kernel timer, because the
// loop's own timers are too coarse.
type pace struct {
	at, interval int64 // time of the next message, and interval, in nanoseconds of the monotonic clock
	left         int   // messages
	times        []int64
}

// paceTag is the tag of the timer among a publisher's connections.
const paceTag = 1

// start starts a schedule on a loop. Its first message is due after one interval.
func (p *pace) start(loop *reactor.Loop, now int64, n int, rate float64) error {
	fd, err := p.arm(now, n, rate)
	if err == nil {
		_, err = loop.Adopt(fd, paceTag, nil)
	}
	return err
}

// arm returns the timer of a schedule.
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

// due returns the scheduled times of the messages that are due. At the end of the schedule
// it closes the timer.
func (p *pace) due(loop *reactor.Loop, timer reactor.Conn, expiries []byte) []int64 {
	times := p.come(expiries)
	if p.left == 0 {
		loop.Close(timer)
	}
	return times
}

// come returns the scheduled times that belong to the timer's expiries.
func (p *pace) come(expiries []byte) []int64 {
	p.times = p.times[:0]
	for n := binary.NativeEndian.Uint64(expiries); n > 0 && p.left > 0; n-- {
		p.times = append(p.times, p.at)
		p.at += p.interval
		p.left--
	}
	return p.times
}
