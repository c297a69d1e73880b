package upgrade

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"ccomet/comet"
	"ccomet/reactor"
)

// If a version cannot continue the running server, the server restarts: it drains its connections, and
// the new program starts in the same process, with the same listening sockets and all channels, numbers
// and messages. Clients that connect meanwhile wait in the kernel. Disconnected clients come back with
// their cursors.

// NeedsRestart is an error of Run: the rehearsal was successful, but the server must restart.
type NeedsRestart struct {
	Version string // of the program on the disk
	Why     error
}

func (e *NeedsRestart) Error() string {
	return fmt.Sprintf("version %s cannot take over the running server: %v", e.Version, e.Why)
}

// capability is "names" in a version that can continue from records written by name. A test builds a
// version without it.
var capability = "names"

// needsByName reports whether the records must be written by name for the new program. why is the
// reason if the server must restart instead.
func (s *Server) needsByName(said answer) (byName bool, why error) {
	loops := said.Loops
	if loops == 0 && said.ByName {
		loops = said.Suits
	}
	other, more := said.Layout != comet.Layout(), loops != 0 && loops != s.Loops()
	switch {
	case said.ByName:
		return other || more, nil
	case other:
		return false, errors.New("its records have another layout, and it cannot read records written by name")
	case more:
		return false, fmt.Errorf("it would have %d loops instead of %d, and it cannot change the number of loops", loops, s.Loops())
	}
	return false, nil
}

// tryRestart makes the rehearsal test the steps of a start that may fail. It returns a NeedsRestart if
// they succeed.
func (r *rehearsalProcess) tryRestart(ctx context.Context, srv Server, version string, why error) error {
	if err := r.send(srv.Addresses(), nil); err != nil && !errors.Is(err, unix.EPIPE) {
		return err
	}
	if said, err := r.await(ctx, checkTimeout, "trying to start"); err != nil {
		return err
	} else if !said.Ready {
		return errors.New("the new version did not answer that it can start")
	}
	return &NeedsRestart{version, why}
}

// restart is the part of execState for a program that is executed after the server has ended.
type restart struct {
	Version     string // of the old program
	Why         string // NeedsRestart.Why
	Connections int64  // open when the drain began
	Began       int64  // time when the drain began, on the kernel's monotonic clock
	Channels    int    // descriptor of the file with the channels
	Sockets     []socketList
}

// socketList is a comet.Sockets with its descriptors.
type socketList struct {
	Side, Address string
	FDs           []int
}

// kept returns the descriptors that the executed program needs, for itself and for GoBack.
func (p *execState) kept() []int {
	fds := []int{p.File, p.Old}
	if r := p.Restart; r != nil {
		fds = []int{p.Old, r.Channels}
		for _, s := range r.Sockets {
			fds = append(fds, s.FDs...)
		}
	}
	return fds
}

// Restarting is a draining server that the program on the disk will replace.
type Restarting struct {
	srv      *comet.Server
	to       execState
	channels *os.File
}

// BeginRestart starts to drain a server, for at most within.
func BeginRestart(srv *comet.Server, version string, needs *NeedsRestart, within time.Duration) (*Restarting, error) {
	file, err := memoryFile()
	if err != nil {
		return nil, err
	}
	sockets, err := srv.Sockets()
	if err != nil {
		file.Close()
		return nil, err
	}
	e := &Restarting{srv: srv, channels: file}
	e.to.Restart = &restart{
		Version: version, Why: needs.Why.Error(), Connections: srv.Stats().Connections, Began: reactor.Monotonic(), Channels: int(file.Fd()),
	}
	for _, s := range sockets {
		e.to.Restart.Sockets = append(e.to.Restart.Sockets, socketList{s.Side, s.Address, s.FDs})
	}
	srv.HandOver(true)
	srv.DrainInto(file, within)
	return e, nil
}

// Cancel makes the server end without a restart. It may be called on nil.
func (e *Restarting) Cancel() {
	if e == nil {
		return
	}
	e.srv.HandOver(false)
	for _, s := range e.to.Restart.Sockets {
		closeAll(s.FDs)
	}
	e.to.Restart.Sockets = nil
}

// Exec executes the program on the disk after the server has ended. If that fails, it executes this
// program again. It returns only on an error.
func (e *Restarting) Exec() error {
	old, err := os.Open("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("opening the running program, in case the new one fails: %w", err)
	}
	defer old.Close()
	defer e.channels.Close()
	restart := e.to.Restart
	e.to = status.execState()
	e.to.Restart, e.to.Old = restart, int(old.Fd())
	e.to.Restarts++
	if err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("closing descriptors: %w", err)
	}
	if err := keepOpen(true, e.to.kept()); err != nil {
		return err
	}
	process.signals.release()
	e.to.Signals = process.signals.state()
	err = execute(process.path, roleSuccessor, &e.to)
	e.to.Reason = err.Error()
	return execute(fmt.Sprintf("/proc/self/fd/%d", e.to.Old), roleFallback, &e.to)
}

// RestartedServer is what an ended server has left for this program.
type RestartedServer struct {
	Sockets  []comet.Sockets
	Channels *os.File
}

// Restarted returns what the server that has ended in this process has left; nil if there was no such
// server.
func Restarted() (*RestartedServer, error) {
	if !Succeeds() || process.Restart == nil {
		return nil, nil
	}
	if err := failpoint(string(process.role) + " begins"); err != nil {
		return nil, err
	}
	a := &RestartedServer{}
	fds, err := duplicate([]int{process.Restart.Channels})
	if err != nil {
		return nil, err
	}
	a.Channels = os.NewFile(uintptr(fds[0]), "memory")
	for _, s := range process.Restart.Sockets {
		fds, err := duplicate(s.FDs) // GoBack needs the originals
		if err != nil {
			return nil, err
		}
		a.Sockets = append(a.Sockets, comet.Sockets{Side: s.Side, Address: s.Address, FDs: fds})
	}
	return a, nil
}

// duplicate duplicates descriptors.
func duplicate(list []int) (fds []int, err error) {
	for _, fd := range list {
		dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			closeAll(fds)
			return nil, fmt.Errorf("duplicating descriptors: %w", err)
		}
		fds = append(fds, dup)
	}
	return slices.Clip(fds), nil
}
