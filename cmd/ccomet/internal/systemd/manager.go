// Package systemd talks to the service manager that has started the process.
package systemd

import (
	"fmt"
	"math"
	"net"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Manager is the service manager (systemd) that has started the process, and is
// told how it is: datagrams of NAME=VALUE lines, to the socket that its
// environment names. The nil manager, of a process without one, is told
// nothing.
type Manager struct {
	socket   *net.UnixConn
	watchdog time.Duration // the longest it waits for a sign of life; 0: for ever
}

// What a manager is told.
const (
	Serving  = "READY=1"
	Stopping = "STOPPING=1"
	Alive    = "WATCHDOG=1"
)

// Reloading is told when the program on the disk is to go on; Serving follows.
func Reloading() string {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) // it cannot fail for a clock that is always there
	return fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", now.Nano()/1000)
}

// maxWatchdog bounds the microseconds of WATCHDOG_USEC: a Duration holds no more.
const maxWatchdog = math.MaxInt64 / 1000

// FindManager is the manager that the environment tells, which is emptied of it:
// what this process starts is none of the manager's.
func FindManager() (*Manager, error) {
	path, ok := take("NOTIFY_SOCKET")
	interval, _ := take("WATCHDOG_USEC")
	pid, _ := take("WATCHDOG_PID")
	if !ok || path == "" {
		return nil, nil
	}
	// "@" begins the name of one without a file, for the manager as for package net.
	socket, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("NOTIFY_SOCKET: %w", err)
	}
	m := &Manager{socket: socket}
	if interval == "" || pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return m, nil
	}
	us, err := strconv.ParseInt(interval, 10, 64)
	if err != nil || us <= 0 || us > maxWatchdog {
		return m, fmt.Errorf("WATCHDOG_USEC is %q: want microseconds, 1 to %d", interval, maxWatchdog)
	}
	m.watchdog = time.Duration(us) * time.Microsecond
	return m, nil
}

// take returns a variable of the environment, and removes it.
func take(name string) (string, bool) {
	value, ok := os.LookupEnv(name)
	_ = os.Unsetenv(name) // fails for no name that is written here
	return value, ok
}

// hearing is how long a manager may take to make room for a datagram: one that
// does not read must not keep the server from its end.
const hearing = time.Second

// Tell sends a line of state.
func (m *Manager) Tell(state string) error {
	if m == nil {
		return nil
	}
	err := m.socket.SetWriteDeadline(time.Now().Add(hearing))
	if err == nil {
		_, err = m.socket.Write([]byte(state))
	}
	if err != nil {
		return fmt.Errorf("telling the service manager %s: %w", state, err)
	}
	return nil
}

// Watch tells the manager, four times in the span that it waits, that all loops
// turn. pulse tells how many turns each has taken, and has it take another. A loop
// that has not taken it by the next time is stuck: then the manager is not told,
// until it turns again. It returns when stop is closed; trouble is for its
// complaints, one an episode.
func (m *Manager) Watch(pulse func() []int64, stop <-chan struct{}, trouble func(error)) {
	if m == nil || m.watchdog == 0 {
		return
	}
	ticks := time.NewTicker(m.watchdog / 4)
	defer ticks.Stop()
	var told error
	for last := pulse(); ; {
		select {
		case <-stop:
			return
		case <-ticks.C:
		}
		now := pulse()
		err := stuck(last, now)
		if err == nil {
			err = m.Tell(Alive)
		}
		if err != nil && told == nil {
			trouble(err)
		}
		last, told = now, err
	}
}

// stuck is the error of the first loop that has not turned between two pulses.
func stuck(last, now []int64) error {
	for i := range now {
		if now[i] == last[i] {
			return fmt.Errorf("loop %d is stuck: the service manager is not told that the server lives", i)
		}
	}
	return nil
}
