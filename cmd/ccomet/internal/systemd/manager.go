// Package systemd communicates with the service manager that has started the process.
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

// Manager is the service manager (systemd) that has started the process. Notifications are
// datagrams of NAME=VALUE lines to the socket that the environment names. The nil Manager,
// of a process without a service manager, sends nothing.
type Manager struct {
	socket   *net.UnixConn
	watchdog time.Duration // the longest time without WATCHDOG=1; 0: no watchdog
}

// Notifications.
const (
	Serving  = "READY=1"
	Stopping = "STOPPING=1"
	Alive    = "WATCHDOG=1"
)

// Reloading is sent when an upgrade starts. Serving follows.
func Reloading() string {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) // cannot fail for this clock
	return fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", now.Nano()/1000)
}

// maxWatchdog is the largest WATCHDOG_USEC, in microseconds, that fits into a Duration.
const maxWatchdog = math.MaxInt64 / 1000

// FindManager returns the manager that the environment names. It removes the variables,
// because child processes must not notify the manager.
func FindManager() (*Manager, error) {
	path, ok := take("NOTIFY_SOCKET")
	interval, _ := take("WATCHDOG_USEC")
	pid, _ := take("WATCHDOG_PID")
	if !ok || path == "" {
		return nil, nil
	}
	// In a name, "@" denotes an abstract socket, for the manager as for package net.
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

// take returns an environment variable, and removes it.
func take(name string) (string, bool) {
	value, ok := os.LookupEnv(name)
	_ = os.Unsetenv(name) // cannot fail for these names
	return value, ok
}

// hearing is the time limit for sending a notification. A manager that does not read must
// not delay the server's stop.
const hearing = time.Second

// Tell sends a notification.
func (m *Manager) Tell(state string) error {
	if m == nil {
		return nil
	}
	err := m.socket.SetWriteDeadline(time.Now().Add(hearing))
	if err == nil {
		_, err = m.socket.Write([]byte(state))
	}
	if err != nil {
		return fmt.Errorf("notifying the service manager of %s: %w", state, err)
	}
	return nil
}

// Watch notifies the watchdog four times in each watchdog interval, while all loops turn.
// pulse returns the number of turns of each loop, and makes each loop turn once more. If a
// loop has not turned by the next pulse, the notification is not sent until it turns again.
// trouble is called with the error, once for each episode. Watch returns when stop is
// closed.
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

// stuck returns an error if a loop has not turned between two pulses.
func stuck(last, now []int64) error {
	for i := range now {
		if now[i] == last[i] {
			return fmt.Errorf("loop %d is stuck: the watchdog of the service manager is not notified", i)
		}
	}
	return nil
}
