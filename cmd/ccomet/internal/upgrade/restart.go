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

// A version that cannot go on for the running server as it is has the server restart: it drains its
// connections, and the new program starts in the same process, with the same listening sockets and
// with all channels, numbers and messages. Clients that connect meanwhile wait in the kernel. Clients
// come back with their cursors.

// NeedsRestart is an error of Run: the rehearsal went well, but the server must restart.
type NeedsRestart struct {
	Version string // of the program on the disk
	Why     error
}

func (e *NeedsRestart) Error() string {
	return fmt.Sprintf("version %s cannot go on with the server as it runs: %v", e.Version, e.Why)
}

// capability is "names" in a version that can go on with what is written by names. A test builds a
// version without.
var capability = "names"

// needsByName says whether the new program needs what the records hold written by names. why is the
// reason for which the server must restart instead.
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
		return false, errors.New("it keeps its records in another layout, and cannot take them over by names")
	case more:
		return false, fmt.Errorf("it is to have loops %d, and the server that runs has %d: it cannot change that", loops, s.Loops())
	}
	return false, nil
}

// tryRestart has the rehearsal try what a start may fail at. It returns a NeedsRestart if that goes
// well.
func (r *rehearsalProcess) tryRestart(ctx context.Context, srv Server, version string, why error) error {
	if err := r.send(srv.Addresses(), nil); err != nil && !errors.Is(err, unix.EPIPE) {
		return err
	}
	if said, err := r.await(ctx, checkTimeout, "trying to start"); err != nil {
		return err
	} else if !said.Ready {
		return errors.New("the new version does not say that it could begin")
	}
	return &NeedsRestart{version, why}
}

// restart is what the process passes on to the program that it executes after a server has ended.
type restart struct {
	Version     string // of the old program
	Why         string // NeedsRestart.Why
	Connections int64  // that were open when the drain began
	Began       int64  // when the drain began, by the kernel's monotonic clock
	Channels    int    // descriptor of the file with the channels
	Sockets     []socketList
}

// socketList are comet.Sockets with their descriptors.
type socketList struct {
	Side, Address string
	FDs           []int
}

// kept are the descriptors that the executed program needs, for itself and for GoBack.
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

// Restarting is a server that drains, to be replaced by the program on the disk.
type Restarting struct {
	srv      *comet.Server
	to       execState
	channels *os.File
}

// BeginRestart begins to drain a server, which takes at most within.
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

// Cancel has the server end for good. It may be called on nil.
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

// Exec executes the program on the disk, once the server has ended, or this program again if that
// fails. It returns only on an error.
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

// RestartedServer is what a server that has ended has left for this program.
type RestartedServer struct {
	Sockets  []comet.Sockets
	Channels *os.File
}

// Restarted is what a server has left that has ended in this process; nil if none has.
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
		fds, err := duplicate(s.FDs) // the originals are for GoBack
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
			return nil, fmt.Errorf("duplicating what is handed over: %w", err)
		}
		fds = append(fds, dup)
	}
	return slices.Clip(fds), nil
}
