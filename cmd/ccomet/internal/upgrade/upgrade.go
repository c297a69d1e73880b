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

// Time limits of steps of an upgrade. After a timeout the server continues as before.
const (
	checkTimeout = 20 * time.Second // until the new program has read its configuration
	parkTimeout  = 5 * time.Second  // until all requests under way are answered
)

// The limit of the pause, in which nothing is served, is longestPause, plus pauseOfConnection for each
// connection: a slow machine needs some seconds for a million.
const (
	longestPause      = 5 * time.Second
	pauseOfConnection = 20 * time.Microsecond
)

// controlFD is the rehearsal's end of its connection to the running server.
const controlFD = 3

// answer is a message of the rehearsal to the running server, as JSON.
type answer struct {
	Version string `json:",omitempty"` // of the new program, after it has read its configuration
	Layout  string `json:",omitempty"` // comet.Layout of the new program
	Pidfile string `json:",omitempty"`
	Early   bool   `json:",omitempty"` // it can read state that was written before the server parked
	ByName  bool   `json:",omitempty"` // it can read records written by name, for any layout and number of loops
	Loops   int    `json:",omitempty"` // the configured number; 0: none is configured
	Suits   int    `json:",omitempty"` // the default number of loops, used if none is configured
	Ready   bool   `json:",omitempty"` // it has made a server from the hand-over
	Error   string `json:",omitempty"` // why it cannot continue
}

// Server is the running server, with what an upgrade needs.
type Server struct {
	*comet.Server
	Pidfile string
	// BeforeExec is called just before the process executes the new program, when all signals received
	// so far are in their channels. It must write out the log. An error cancels the upgrade, for
	// example if a signal has told the server to stop.
	BeforeExec func(version string) error
	// ExecFailed is called if the execution fails after BeforeExec. The server continues.
	ExecFailed func()
}

// attempt is one upgrade under way.
type attempt struct {
	Server
	program   *programInfo
	rehearsal *rehearsalProcess
	next      answer   // the rehearsal's answer about the new program
	file      *os.File // the hand-over, in memory
}

// Run replaces the running server with the program that is on the disk now. It returns only on an
// error, whose text is for the user. The server then continues as before.
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
		return fmt.Errorf("pidfile has changed from %q to %q: restart the server to change it", srv.Pidfile, a.next.Pidfile)
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

// park parks the server and hands it over. It returns only on an error. The server then continues.
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

// rehearse waits until the rehearsal has made a server from the hand-over, and then ends the rehearsal.
func (a *attempt) rehearse(ctx context.Context, parked *comet.Parked, pause time.Duration) error {
	err := a.rehearsal.send(nil, append([]int{int(a.file.Fd())}, parked.Records()...))
	if errors.Is(err, unix.EPIPE) {
		a.rehearsal.kill() // it has ended already: await returns its error
	} else if err != nil {
		return err
	}
	said, err := a.rehearsal.await(ctx, pause, "taking over the connections")
	if err != nil {
		return err
	}
	if !said.Ready {
		return errors.New("the new version did not answer that it can take over")
	}
	a.rehearsal.kill() // otherwise the new program would have a child that it does not know
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
	defer func() { _ = parked.Keep(false) }() // if no program is executed, the server continues
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

// spareFew is the number of descriptors that the new program may need in addition to those of this one.
// If it opens its own loops, it needs spareLoop more for each loop.
const (
	spareFew  = 32
	spareLoop = 4
)

// spareDescriptors opens n descriptors that are closed when the new program is executed. So the new
// program can open as many without reaching the limit. The rehearsal cannot test this, because it does
// not have the connections.
func spareDescriptors(of, n int) (fds []int, err error) {
	for range n {
		fd, err := unix.FcntlInt(uintptr(of), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return fds, fmt.Errorf("reserving descriptors for the new version: %w", err)
		}
		fds = append(fds, fd)
	}
	return fds, nil
}

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}

// keepOpen sets whether descriptors stay open when the process executes a program.
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
		return nil, fmt.Errorf("creating a file in memory: %w", err)
	}
	return os.NewFile(uintptr(fd), "ccomet-handover"), nil
}

// programInfo identifies the program file as it was when the upgrade began.
type programInfo struct{ info os.FileInfo }

// statProgram stats the program file.
func statProgram() (*programInfo, error) {
	if process.path == "" {
		return nil, fmt.Errorf("the file of this program cannot be found: it was started as %q", process.args[0])
	}
	info, err := os.Stat(process.path)
	if err != nil {
		return nil, fmt.Errorf("the program on the disk cannot be found: %w", err)
	}
	return &programInfo{info}, nil
}

// unchanged returns an error if the program file has changed since the rehearsal was started.
func (p *programInfo) unchanged() error {
	now, err := os.Stat(process.path)
	if err != nil {
		return fmt.Errorf("the program on the disk cannot be found: %w", err)
	}
	if !os.SameFile(now, p.info) || now.Size() != p.info.Size() || !now.ModTime().Equal(p.info.ModTime()) {
		return fmt.Errorf("%s has changed during the upgrade: upgrade again", process.path)
	}
	return nil
}
