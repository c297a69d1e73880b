package upgrade

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"ccomet/comet"
)

// Time limits of the steps of an upgrade. After one of them the server goes on as before.
const (
	checkTimeout = 20 * time.Second // until the new program has read its configuration
	parkTimeout  = 5 * time.Second  // until all requests under way are answered
)

// The longest pause, in which nothing is served, is longestPause and pauseOfConnection for each
// connection: a slow machine takes some seconds for a million of them.
const (
	longestPause      = 5 * time.Second
	pauseOfConnection = 20 * time.Microsecond
)

// controlFD is the rehearsal's end of its connection to the running server.
const controlFD = 3

// answer is what a rehearsal tells the running server, as JSON.
type answer struct {
	Version string `json:",omitempty"` // of the new program, once it has read its configuration
	Layout  string `json:",omitempty"` // comet.Layout of the new program
	Pidfile string `json:",omitempty"`
	Early   bool   `json:",omitempty"` // it reads what was written before the server parked
	ByName  bool   `json:",omitempty"` // it reads what is written by names, for any layout and number of loops
	Loops   int    `json:",omitempty"` // the configured number; 0: none is configured
	Suits   int    `json:",omitempty"` // the number of loops where none is configured
	Ready   bool   `json:",omitempty"` // it has made a server of what was handed over
	Error   string `json:",omitempty"` // why it cannot go on
}

// Server is the running server, and what an upgrade needs to know of it.
type Server struct {
	*comet.Server
	Pidfile string
	// BeforeExec is called right before the process executes the new program, when all signals
	// received so far are in their channels. The log must be written out. An error cancels the
	// upgrade: a signal has told the server to stop, for example.
	BeforeExec func(version string) error
	// ExecFailed is called if the execution fails after BeforeExec: the server goes on.
	ExecFailed func()
}

// attempt is one upgrade under way.
type attempt struct {
	Server
	program   *programInfo
	rehearsal *rehearsalProcess
	next      answer   // of the rehearsal, about the new program
	file      *os.File // in memory, with what is handed over
}

// Run replaces the running server with the program that is on the disk now. It returns only on an
// error, whose text is for the user; the server then goes on as before.
func Run(ctx context.Context, srv Server) (err error) {
	a := &attempt{Server: srv}
	if a.program, err = statProgram(); err != nil {
		return err
	}
	if err = failpoint("server starts"); err != nil {
		return err
	}
	if a.rehearsal, err = startRehearsal(); err != nil {
		return err
	}
	defer a.rehearsal.kill()
	if a.next, err = a.rehearsal.await(ctx, checkTimeout, "reading its configuration"); err != nil {
		return err
	}
	if a.next.Pidfile != srv.Pidfile {
		return fmt.Errorf("the pidfile would be %q, and that of the running server is %q: restart the server to change it", a.next.Pidfile, srv.Pidfile)
	}
	byName, why := srv.needsByName(a.next)
	if why != nil {
		return a.rehearsal.tryRestart(ctx, srv, a.next.Version, why)
	}
	if a.file, err = memoryFile(); err != nil {
		return err
	}
	defer a.file.Close()
	return a.park(ctx, byName)
}

// park parks the server, and hands it over. It returns only on an error, when the server has gone on.
func (a *attempt) park(ctx context.Context, byName bool) error {
	write := func(p *comet.Parked) error { return p.HandOver(a.file) }
	if a.next.Early {
		early := a.HandOverEarly(ctx, a.file)
		defer early.End()
		write = func(p *comet.Parked) error { return p.HandOverRest(early) }
	}
	if err := failpoint("server parks"); err != nil {
		return err
	}
	parking, cancel := context.WithTimeout(ctx, parkTimeout)
	defer cancel()
	parked, err := a.Park(parking)
	if err != nil {
		return err
	}
	defer parked.Release()
	parked.ByName = byName
	if err := failpoint("server writes"); err != nil {
		return err
	}
	if err := write(parked); err != nil {
		return err
	}
	pause := longestPause + time.Duration(a.Stats().Connections)*pauseOfConnection
	if err := a.rehearse(ctx, parked, pause); err != nil {
		return err
	}
	return a.execute(ctx, parked, pause)
}

// rehearse waits until the rehearsal has made a server of what is handed over, and ends it.
func (a *attempt) rehearse(ctx context.Context, parked *comet.Parked, pause time.Duration) error {
	err := a.rehearsal.send(nil, append([]int{int(a.file.Fd())}, parked.Records()...))
	if errors.Is(err, unix.EPIPE) {
		a.rehearsal.kill() // it has ended, of which await tells more
	} else if err != nil {
		return err
	}
	said, err := a.rehearsal.await(ctx, pause, "taking over the connections")
	if err != nil {
		return err
	}
	if !said.Ready {
		return errors.New("the new version does not say that it could go on")
	}
	a.rehearsal.kill() // else the new program would have a child that it does not know
	return nil
}

// execute executes the new program in this process. It returns only on an error.
func (a *attempt) execute(ctx context.Context, parked *comet.Parked, pause time.Duration) error {
	old, err := os.Open("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("opening the running program, in case the new one fails: %w", err)
	}
	defer old.Close()
	few := spareFew
	if parked.ByName {
		few += spareLoop * max(a.next.Loops, a.next.Suits)
	}
	spare, err := spareDescriptors(int(old.Fd()), few)
	defer closeAll(spare)
	if err := errors.Join(err, a.program.unchanged(), ctx.Err()); err != nil {
		return err
	}
	fds := []int{int(a.file.Fd()), int(old.Fd())}
	defer func() { _ = parked.Keep(false) }() // the server goes on, and executes nothing
	if err := errors.Join(failpoint("server keeps"), parked.Keep(true), keepOpen(true, fds)); err != nil {
		return err
	}
	process.signals.release()
	defer process.signals.catch()
	if err := a.BeforeExec(a.next.Version); err != nil {
		return err
	}
	to := status.execState()
	to.File, to.Old, to.Within = fds[0], fds[1], 2*pause
	err = execute(process.path, roleSuccessor, &to)
	a.ExecFailed()
	return err
}

// spareFew is how many descriptors the new program may need beyond those of this one, and
// spareLoop how many more for each loop, if it opens loops of its own.
const (
	spareFew  = 32
	spareLoop = 4
)

// spareDescriptors opens n descriptors, which the execution of the new program closes. So there is
// room below the limit for what that opens. The rehearsal does not show this: it has none of the
// connections.
func spareDescriptors(of, n int) (fds []int, err error) {
	for range n {
		fd, err := unix.FcntlInt(uintptr(of), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return fds, fmt.Errorf("descriptors for the new version: %w", err)
		}
		fds = append(fds, fd)
	}
	return fds, nil
}

// closeAll closes descriptors.
func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}

// keepOpen has descriptors stay open when the process executes a program, or be closed then.
func keepOpen(keep bool, fds []int) error {
	flag := unix.FD_CLOEXEC
	if keep {
		flag = 0
	}
	for _, fd := range fds {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, flag); err != nil {
			return fmt.Errorf("descriptor %d: %w", fd, err)
		}
	}
	return nil
}

// memoryFile makes an empty file in memory.
func memoryFile() (*os.File, error) {
	fd, err := unix.MemfdCreate("ccomet-handover", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("a file in memory: %w", err)
	}
	return os.NewFile(uintptr(fd), "ccomet-handover"), nil
}

// programInfo identifies the program file as it was when the upgrade began.
type programInfo struct{ info os.FileInfo }

// statProgram looks at the program file.
func statProgram() (*programInfo, error) {
	if process.path == "" {
		return nil, fmt.Errorf("the file that this program was started from is not known: %s", process.args[0])
	}
	info, err := os.Stat(process.path)
	if err != nil {
		return nil, fmt.Errorf("the program on the disk: %w", err)
	}
	return &programInfo{info}, nil
}

// unchanged returns an error if the program file is not the one that the rehearsal was started from.
func (p *programInfo) unchanged() error {
	now, err := os.Stat(process.path)
	if err != nil {
		return fmt.Errorf("the program on the disk: %w", err)
	}
	if !os.SameFile(now, p.info) || now.Size() != p.info.Size() || !now.ModTime().Equal(p.info.ModTime()) {
		return fmt.Errorf("%s has changed during the upgrade: upgrade again", process.path)
	}
	return nil
}
