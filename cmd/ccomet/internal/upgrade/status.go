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

// Path is the path of the Status on the admin side.
const Path = "/upgrade"

// Status describes the server's upgrades. It is served at Path on the admin side, and at a unix socket
// whose name contains the process number.
type Status struct {
	PID         int     `json:"pid"`
	ID          string  `json:"id"`      // random, another one for each program that serves
	Program     string  `json:"program"` // the file that is started for an upgrade
	Config      string  `json:"config"`  // the configuration file; "": none
	Version     string  `json:"version"`
	Live        bool    `json:"live"`      // the server can be upgraded
	Upgrading   bool    `json:"upgrading"` // an upgrade is under way
	Attempts    int     `json:"attempts"`  // upgrades that have ended, successful or not
	Failures    int     `json:"failures"`  // attempts that have failed
	Restarts    int     `json:"restarts"`  // attempts that have restarted the server
	Upgrades    int64   `json:"upgrades"`  // successful upgrades
	Error       string  `json:"error"`     // why the last upgrade has failed
	From        string  `json:"from"`      // the version before the last upgrade
	Connections int64   `json:"connections"`
	Loops       int     `json:"loops"`      // the present number
	FromLoops   int     `json:"from_loops"` // the number before the last upgrade
	Pause       float64 `json:"pause_seconds"`
	Restarted   string  `json:"restarted"` // why the last upgrade has restarted the server; "": it has not
}

// state is the Status of this process. Any goroutine may use it.
type state struct {
	mu  sync.Mutex
	now Status
	srv *comet.Server
}

var status state

// Track sets the server that the status describes, before it starts.
func Track(srv *comet.Server, version, config string, live bool) {
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
	if process.role == roleFallback {
		status.now.Failures++
	}
	if r := process.Restart; r != nil {
		status.now.Restarted, status.now.From, status.now.Connections = r.Why, r.Version, r.Connections
		status.now.Pause = time.Duration(reactor.Monotonic() - r.Began).Seconds()
	}
}

// Current returns the status of this process.
func Current() Status { return status.get() }

// Counts returns how many upgrades have failed, and how many have restarted the server.
func Counts() (failures, restarts int) {
	now := status.get()
	return now.Failures, now.Restarts
}

// execState returns an execState for the next program with the counters and the signals.
func (s *state) execState() execState {
	now := s.get()
	return execState{Attempts: now.Attempts, Failures: now.Failures, Restarts: now.Restarts, Signals: process.signals.state()}
}

// ServeStatus serves the status at the unix socket. Call it after the server has started.
func ServeStatus() (io.Closer, error) {
	ln, err := net.ListenUnix("unix", address(os.Getpid()))
	if err != nil {
		return nil, fmt.Errorf("opening the socket for the status of upgrades: %w", err)
	}
	go serve(ln)
	return ln, nil
}

// address returns the address of the unix socket, which has no file. Several containers may share a
// network namespace, and each has a process 1, so the name also contains the namespace of process
// numbers.
func address(pid int) *net.UnixAddr {
	numbers, _ := os.Readlink("/proc/self/ns/pid") // "" without /proc
	return &net.UnixAddr{Name: fmt.Sprintf("@ccomet-upgrade-%s-%d", numbers, pid), Net: "unix"}
}

func serve(ln *net.UnixListener) {
	for {
		conn, err := ln.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		} else if err != nil {
			time.Sleep(time.Second / 10) // no descriptor is free
			continue
		}
		_ = conn.SetDeadline(time.Now().Add(time.Second))
		_ = json.NewEncoder(conn).Encode(status.get()) // an error means only that the client has gone
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

// TryBegin records that an upgrade is under way. It returns false if another one is.
func TryBegin() bool {
	status.mu.Lock()
	defer status.mu.Unlock()
	if status.now.Upgrading {
		return false
	}
	status.now.Upgrading = true
	return true
}

// Failed records that the upgrade under way has failed.
func Failed(why error) {
	status.mu.Lock()
	defer status.mu.Unlock()
	status.now.Upgrading, status.now.Error = false, why.Error()
	status.now.Attempts++
	status.now.Failures++
}

// Handler serves the status, at Path.
func Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_ = json.NewEncoder(w).Encode(status.get()) // into memory: there is no error
	})
}

// Ask returns the status of the process with that number.
func Ask(pid int) (Status, error) {
	var s Status
	conn, err := net.DialUnix("unix", nil, address(pid))
	if errors.Is(err, unix.ECONNREFUSED) {
		return s, fmt.Errorf("process %d is not a server that can be upgraded while it runs", pid)
	} else if err != nil {
		return s, fmt.Errorf("asking process %d for the status of upgrades: %w", pid, err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	peer, err := peerOf(conn)
	if err == nil && peer != pid {
		err = fmt.Errorf("process %d answered instead", peer)
	}
	if err == nil {
		err = json.NewDecoder(conn).Decode(&s)
	}
	if err == nil && s.PID != pid {
		err = fmt.Errorf("the answer is about process %d", s.PID)
	}
	if err != nil {
		return Status{}, fmt.Errorf("asking process %d for the status of upgrades: %w", pid, err)
	}
	return s, nil
}

// peerOf returns the process at the other end of a connection. Ask checks it, because any process can
// take the socket's name first.
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

// ErrUnderWay is returned while another upgrade of the server is under way.
var ErrUnderWay = errors.New("an upgrade is under way already")

// isHere returns an error unless the server of a status runs on this machine, in the process with that
// number. SIGUSR2 would end any other process.
func (s *Status) isHere() error {
	here, err := Ask(s.PID)
	if err != nil {
		return err
	}
	if here.ID != s.ID {
		return fmt.Errorf("process %d of this machine is another server than the one that answered: run the command on the machine, or in the container, of the server", s.PID)
	}
	return nil
}

// Upgrade asks the server to upgrade itself, and waits for the outcome. ask returns the server's
// status. before and after are the status before the upgrade and after it.
func Upgrade(ask func() (Status, error), timeout time.Duration) (before, after Status, err error) {
	if before, err = ask(); err != nil {
		return before, after, err
	}
	switch {
	case !before.Live:
		return before, after, errors.New("the server cannot be upgraded while it runs: live-upgrade is off (--no-live-upgrade)")
	case before.Upgrading:
		return before, after, ErrUnderWay
	}
	if err := before.isHere(); err != nil {
		return before, after, err
	}
	if err := unix.Kill(before.PID, unix.SIGUSR2); err != nil {
		return before, after, fmt.Errorf("sending SIGUSR2 to process %d: %w", before.PID, err)
	}
	for until := time.Now().Add(timeout); ; time.Sleep(pollInterval) {
		// While the server is paused, ask fails.
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
			return before, after, fmt.Errorf("the upgrade has not ended within %v: the server's log will have the outcome", timeout)
		}
	}
}

// pollInterval is the pause between two requests for the status.
const pollInterval = 20 * time.Millisecond
