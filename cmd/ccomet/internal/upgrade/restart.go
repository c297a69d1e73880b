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

// Where a server cannot go on as it runs, it ends, and the program on the disk begins in its
// place: in the same process, with the same listening sockets, where clients wait meanwhile,
// and with its channels, numbers and messages. Its clients are sent away over a time, as at
// any end, and come back with their cursors.

// NeedsRestart is an error of Run: the rehearsal went well, but the server must end first.
type NeedsRestart struct {
	Version string // of the program on the disk
	Why     error
}

func (e *NeedsRestart) Error() string {
	return fmt.Sprintf("version %s cannot go on with the server as it runs: %v", e.Version, e.Why)
}

// understands is how another version says that it can be told of a server by names: a test
// builds one that cannot.
var understands = "names"

// moves says whether a program that has said so much of itself needs what lies in the server's
// records by names, or why the server must end for it.
func (s *Server) moves(said answer) (byName bool, why error) {
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

// tryRestart has the rehearsal try what a start may fail at, and returns a NeedsRestart if
// that goes well.
func (r *rehearsing) tryRestart(ctx context.Context, srv Server, version string, why error) error {
	if err := r.send(srv.Addresses(), nil); err != nil && !errors.Is(err, unix.EPIPE) {
		return err
	}
	if said, err := r.hear(ctx, checkTimeout); err != nil {
		return err
	} else if !said.Ready {
		return errors.New("the new version does not say that it could begin")
	}
	return &NeedsRestart{version, why}
}

// restart is what a program is told that begins in the place of a server that has ended.
type restart struct {
	Version     string // of the program before
	Why         string
	Connections int64 // that were open when it began to end
	Began       int64 // to end, by the kernel's monotonic clock
	Channels    int   // descriptor of the file that has them
	Sockets     []socketList
}

// socketList are comet.Sockets with their descriptors.
type socketList struct {
	Side, Address string
	FDs           []int
}

// kept are the descriptors that a program is executed with, for itself and for the way back.
func (p *passage) kept() []int {
	fds := []int{p.File, p.Old}
	if r := p.Restart; r != nil {
		fds = []int{p.Old, r.Channels}
		for _, s := range r.Sockets {
			fds = append(fds, s.FDs...)
		}
	}
	return fds
}

// Ending is a server that ends, for the program on the disk to begin in its place.
type Ending struct {
	srv      *comet.Server
	to       passage
	channels *os.File
}

// End begins to end a server, within a time.
func End(srv *comet.Server, version string, needs *NeedsRestart, within time.Duration) (*Ending, error) {
	file, err := memoryFile()
	if err != nil {
		return nil, err
	}
	sockets, err := srv.Sockets()
	if err != nil {
		file.Close()
		return nil, err
	}
	e := &Ending{srv: srv, channels: file}
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

// GiveUp leaves it at the end: nothing begins in the server's place.
func (e *Ending) GiveUp() {
	if e == nil {
		return
	}
	e.srv.HandOver(false)
	for _, s := range e.to.Restart.Sockets {
		closeAll(s.FDs)
	}
	e.to.Restart.Sockets = nil
}

// Begin executes the program on the disk when the server has ended, or this one again if
// that cannot be. It returns only on an error.
func (e *Ending) Begin() error {
	old, err := os.Open("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("the way back: %w", err)
	}
	defer old.Close()
	defer e.channels.Close()
	restart := e.to.Restart
	e.to = status.passage()
	e.to.Restart, e.to.Old = restart, int(old.Fd())
	e.to.Restarts++
	if err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("what is not to stay open: %w", err)
	}
	if err := keepOpen(true, e.to.kept()); err != nil {
		return err
	}
	process.signals.leave()
	e.to.Signals = process.signals.state()
	err = execute(process.path, successor, &e.to)
	e.to.Reason = err.Error()
	return execute(fmt.Sprintf("/proc/self/fd/%d", e.to.Old), back, &e.to)
}

// Again is what a program begins with in the place of a server that has ended.
type Again struct {
	Sockets  []comet.Sockets
	Channels *os.File
}

// Begins is what the program begins with; nil where no server has ended for it.
func Begins() (*Again, error) {
	if !Succeeds() || process.Restart == nil {
		return nil, nil
	}
	if err := at(string(process.role) + " begins"); err != nil {
		return nil, err
	}
	a := &Again{}
	fds, err := duplicate([]int{process.Restart.Channels})
	if err != nil {
		return nil, err
	}
	a.Channels = os.NewFile(uintptr(fds[0]), "memory")
	for _, s := range process.Restart.Sockets {
		fds, err := duplicate(s.FDs) // those themselves are for the way back
		if err != nil {
			return nil, err
		}
		a.Sockets = append(a.Sockets, comet.Sockets{Side: s.Side, Address: s.Address, FDs: fds})
	}
	return a, nil
}

func duplicate(list []int) (fds []int, err error) {
	for _, fd := range list {
		dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			closeAll(fds)
			return nil, fmt.Errorf("what is handed over: %w", err)
		}
		fds = append(fds, dup)
	}
	return slices.Clip(fds), nil
}
