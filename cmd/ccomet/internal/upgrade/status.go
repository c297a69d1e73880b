package upgrade

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"ccomet/comet"
	"ccomet/reactor"
)

// Path is where the admin side tells how upgrades go.
const Path = "/upgrade"

// Status is how upgrades go, as Path tells it, and a socket whose name follows from the
// process's number.
type Status struct {
	PID         int     `json:"pid"`
	ID          string  `json:"id"`      // another for each program that serves
	Program     string  `json:"program"` // the file that is started for an upgrade
	Config      string  `json:"config"`  // the configuration file; "": none
	Version     string  `json:"version"`
	Live        bool    `json:"live"`      // the server can be upgraded
	Upgrading   bool    `json:"upgrading"` // an upgrade is under way
	Attempts    int     `json:"attempts"`  // that have ended, in one way or the other
	Failures    int     `json:"failures"`  // of them
	Restarts    int     `json:"restarts"`  // of them that have ended the server first
	Upgrades    int64   `json:"upgrades"`  // that have gone well
	Error       string  `json:"error"`     // why the last attempt has not gone well
	From        string  `json:"from"`      // of the last upgrade: the version before
	Connections int64   `json:"connections"`
	Loops       int     `json:"loops"`      // that there are
	FromLoops   int     `json:"from_loops"` // that there were before the last upgrade
	Pause       float64 `json:"pause_seconds"`
	Restarted   string  `json:"restarted"` // why the last one has ended the server first; "": it has not
}

// state is what this process tells. Any goroutine may use it.
type state struct {
	mu  sync.Mutex
	now Status
	srv *comet.Server
}

var status state

// Of readies what is told of a server, which is to start.
func Of(srv *comet.Server, version, config string, live bool) {
	status.mu.Lock()
	defer status.mu.Unlock()
	status.srv = srv
	status.now = Status{
		PID: os.Getpid(), ID: rand.Text(), Program: process.path, Config: config,
		Version: version, Live: live, Attempts: process.Attempts, Failures: process.Failures, Restarts: process.Restarts, Error: process.Reason,
	}
	if Succeeds() {
		status.now.Attempts++
	}
	if process.role == back {
		status.now.Failures++
	}
	if r := process.Restart; r != nil {
		status.now.Restarted, status.now.From, status.now.Connections = r.Why, r.Version, r.Connections
		status.now.Pause = time.Duration(reactor.Monotonic() - r.Began).Seconds()
	}
}

// Now is how upgrades go.
func Now() Status { return status.get() }

// Counts are the upgrades that have failed, and those that have ended the server first.
func Counts() (failures, restarts int) {
	now := status.get()
	return now.Failures, now.Restarts
}

// passage is what the other program is told of the past.
func (s *state) passage() passage {
	now := s.get()
	return passage{Attempts: now.Attempts, Failures: now.Failures, Restarts: now.Restarts, Signals: process.signals.state()}
}

// Tell begins to tell it at the socket. The server has started.
func Tell() (io.Closer, error) {
	ln, err := net.ListenUnix("unix", address(os.Getpid()))
	if err != nil {
		return nil, fmt.Errorf("telling how upgrades go: %w", err)
	}
	go serve(ln)
	return ln, nil
}

// address is the socket's, which has no file, and is known in one network namespace: there
// may be a process 1 of several containers in one.
func address(pid int) *net.UnixAddr {
	numbers, _ := os.Readlink("/proc/self/ns/pid") // "" where there is no /proc: for all alike
	return &net.UnixAddr{Name: fmt.Sprintf("@ccomet-upgrade-%s-%d", numbers, pid), Net: "unix"}
}

func serve(ln *net.UnixListener) {
	for {
		conn, err := ln.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		} else if err != nil {
			time.Sleep(time.Second / 10) // for want of descriptors
			continue
		}
		_ = conn.SetDeadline(time.Now().Add(time.Second))
		_ = json.NewEncoder(conn).Encode(status.get()) // who has gone asks again
		conn.Close()
	}
}

func (s *state) get() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now
	if s.srv == nil {
		return now
	}
	now.Loops = s.srv.Loops()
	if h := s.srv.HandOvers(); h.Total > 0 {
		now.FromLoops = h.Loops
		now.Upgrades, now.From, now.Connections, now.Pause = h.Total, h.From, h.Connections, h.Pause.Seconds()
	}
	return now
}

// Begun notes that an upgrade is under way; false: one is already.
func Begun() bool {
	status.mu.Lock()
	defer status.mu.Unlock()
	if status.now.Upgrading {
		return false
	}
	status.now.Upgrading = true
	return true
}

// Failed notes that it has come to nothing.
func Failed(why error) {
	status.mu.Lock()
	defer status.mu.Unlock()
	status.now.Upgrading, status.now.Error = false, why.Error()
	status.now.Attempts++
	status.now.Failures++
}

// Handler serves Path.
func Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_ = json.NewEncoder(w).Encode(status.get()) // into memory
	})
}

// Ask asks the process of a number for its status.
func Ask(pid int) (Status, error) {
	var s Status
	conn, err := net.DialUnix("unix", nil, address(pid))
	if errors.Is(err, unix.ECONNREFUSED) {
		return s, fmt.Errorf("process %d is no server that tells how upgrades go", pid)
	} else if err != nil {
		return s, fmt.Errorf("process %d does not tell how upgrades go: %w", pid, err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	peer, err := peerOf(conn)
	if err == nil && peer != pid {
		err = fmt.Errorf("process %d answers in its place", peer)
	}
	if err == nil {
		err = json.NewDecoder(conn).Decode(&s)
	}
	if err == nil && s.PID != pid {
		err = fmt.Errorf("it says that it is process %d", s.PID)
	}
	if err != nil {
		return Status{}, fmt.Errorf("process %d does not tell how upgrades go: %w", pid, err)
	}
	return s, nil
}

// peerOf is the process at the other end of a connection: whoever comes first may have the
// socket's name.
func peerOf(conn *net.UnixConn) (pid int, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	controlErr := raw.Control(func(fd uintptr) {
		var peer *unix.Ucred
		if peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			pid = int(peer.Pid)
		}
	})
	return pid, errors.Join(controlErr, err)
}

// ErrUnderWay is why a server is not upgraded a second time at once.
var ErrUnderWay = errors.New("an upgrade is under way already")

// isHere is an error unless the process of a status is one of this machine, and that server:
// the signal ends any other.
func (s *Status) isHere() error {
	here, err := Ask(s.PID)
	if err != nil {
		return err
	}
	if here.ID != s.ID {
		return fmt.Errorf("process %d is another server than the one that was asked: it must run on this machine", s.PID)
	}
	return nil
}

// Upgrade has a server upgraded that ask tells of, and returns how that went.
func Upgrade(ask func() (Status, error), timeout time.Duration) (before, after Status, err error) {
	if before, err = ask(); err != nil {
		return before, after, err
	}
	switch {
	case !before.Live:
		return before, after, errors.New("the server cannot be upgraded while it runs: it was started with --no-live-upgrade")
	case before.Upgrading:
		return before, after, ErrUnderWay
	}
	if err := before.isHere(); err != nil {
		return before, after, err
	}
	if err := unix.Kill(before.PID, unix.SIGUSR2); err != nil {
		return before, after, fmt.Errorf("telling process %d: %w", before.PID, err)
	}
	for until := time.Now().Add(timeout); ; time.Sleep(glance) {
		// Between the two programs nobody answers.
		if after, err = ask(); err == nil && after.Attempts != before.Attempts {
			if after.Error != "" {
				return before, after, errors.New(after.Error)
			}
			return before, after, nil
		}
		if gone := unix.Kill(before.PID, 0); errors.Is(gone, unix.ESRCH) {
			return before, after, fmt.Errorf("process %d has ended", before.PID)
		}
		if time.Now().After(until) {
			return before, after, fmt.Errorf("no answer within %v: the log says how it went on", timeout)
		}
	}
}

// glance is how long nobody asks how an upgrade goes.
const glance = 20 * time.Millisecond
