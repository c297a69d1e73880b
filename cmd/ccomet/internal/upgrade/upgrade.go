package upgrade

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ccomet/comet"
)

// Timeouts of what the server waits for. Each ends an upgrade, and the server goes on.
const (
	checkTimeout = 20 * time.Second // until the program has read its configuration
	parkTimeout  = 5 * time.Second  // until what is under way has come to its end
)

// A pause, in which nothing is served, lasts no longer than this at the worst: with a million
// connections, on a slow machine, it may take some seconds.
const (
	longestPause      = 5 * time.Second
	pauseOfConnection = 20 * time.Microsecond // for each
)

// controlFD is the rehearsal's end of the connection to the server that runs.
const controlFD = 3

// answer is what a rehearsal says.
type answer struct {
	Version string `json:",omitempty"` // of the program: it has read its configuration
	Layout  string `json:",omitempty"`
	Pidfile string `json:",omitempty"`
	Early   bool   `json:",omitempty"` // it understands what was written before the server parked
	ByName  bool   `json:",omitempty"` // it can go on with what is written by names, whatever its layout and loops
	Loops   int    `json:",omitempty"` // 0: none are set
	Suits   int    `json:",omitempty"` // loops that suit the processors; for where none are set
	Ready   bool   `json:",omitempty"` // it has made a server of what it was handed
	Error   string `json:",omitempty"`
}

// Server is what an upgrade needs of the server that runs.
type Server struct {
	*comet.Server
	Pidfile string
	// Leaving is called when nothing can go wrong any more but the last step: what the log
	// still has to say must be written. Signals that have come are in their channels; an
	// error, as when one of them ends the server, keeps it. Stayed is called when the step has
	// gone wrong.
	Leaving func(version string) error
	Stayed  func()
}

// Run has the program on the disk go on for a server. It returns only an error, of a kind
// that a user can read: then the server goes on.
func Run(ctx context.Context, srv Server) error {
	program, err := openProgram()
	if err == nil {
		err = at("server starts")
	}
	if err != nil {
		return err
	}
	r, err := startRehearsal()
	if err != nil {
		return err
	}
	defer r.end()
	said, err := r.hear(ctx, checkTimeout)
	if err != nil {
		return err
	}
	if said.Pidfile != srv.Pidfile {
		return fmt.Errorf("the pidfile would be %q, and that of the server that runs is %q: it changes only where that is restarted", said.Pidfile, srv.Pidfile)
	}
	byName, why := srv.moves(said)
	if why != nil {
		return r.tryRestart(ctx, srv, said.Version, why)
	}
	file, err := memoryFile()
	if err != nil {
		return err
	}
	defer file.Close()
	write := func(p *comet.Parked) error { return p.HandOver(file) }
	if said.Early {
		early := srv.HandOverEarly(ctx, file)
		defer early.End()
		write = func(p *comet.Parked) error { return p.HandOverRest(early) }
	}
	if err := at("server parks"); err != nil {
		return err
	}
	parking, cancel := context.WithTimeout(ctx, parkTimeout)
	defer cancel()
	parked, err := srv.Park(parking)
	if err != nil {
		return err
	}
	parked.ByName = byName
	if err = at("server writes"); err == nil {
		err = write(parked)
	}
	if err == nil {
		err = handOver(ctx, parked, file, r, program, srv, said)
	}
	parked.Release()
	return err
}

// handOver takes the steps in which nothing is served. It returns only on an error.
func handOver(ctx context.Context, parked *comet.Parked, file *os.File, r *rehearsing, program *programFile, srv Server, next answer) error {
	if err := r.send(nil, append([]int{int(file.Fd())}, parked.Records()...)); errors.Is(err, unix.EPIPE) {
		r.end() // it has ended, which is told below
	} else if err != nil {
		return err
	}
	pause := longestPause + time.Duration(srv.Stats().Connections)*pauseOfConnection
	said, err := r.hear(ctx, pause)
	if err != nil {
		return err
	}
	if !said.Ready {
		return errors.New("the new version does not say that it could go on")
	}
	r.end() // or it would be a child of the new program, which does not know it
	old, err := os.Open("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("the way back: %w", err)
	}
	defer old.Close()
	few := spareFew
	if parked.ByName {
		few += spareLoop * max(next.Loops, next.Suits)
	}
	spare, err := spareDescriptors(int(old.Fd()), few)
	defer closeAll(spare)
	if err := errors.Join(err, program.unchanged(), ctx.Err()); err != nil {
		return err
	}
	fds := []int{int(file.Fd()), int(old.Fd())}
	err = errors.Join(at("server keeps"), parked.Keep(true), keepOpen(true, fds))
	if err == nil {
		process.signals.leave()
		if err = srv.Leaving(next.Version); err == nil {
			to := status.passage()
			to.File, to.Old, to.Within = fds[0], fds[1], 2*pause
			err = execute(process.path, successor, &to)
			srv.Stayed()
		}
		process.signals.hear()
	}
	_ = parked.Keep(false) // nothing is executed any more
	return err
}

// spareFew is how many descriptors the other program may need that this one does not, and
// spareLoop how many for each of its loops, where those are not the ones of this program.
const (
	spareFew  = 32
	spareLoop = 4
)

// spareDescriptors takes some that the execution of the other program frees: so there is
// room for what it opens, as there was in its rehearsal, which had none of the connections.
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

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}

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

// programFile is the program on the disk as it was when the upgrade began.
type programFile struct{ info os.FileInfo }

func openProgram() (*programFile, error) {
	if process.path == "" {
		return nil, fmt.Errorf("the file that this program was started from is not known: %s", process.args[0])
	}
	info, err := os.Stat(process.path)
	if err != nil {
		return nil, fmt.Errorf("the program on the disk: %w", err)
	}
	return &programFile{info}, nil
}

// unchanged is an error if the program is another one than that which has rehearsed.
func (p *programFile) unchanged() error {
	now, err := os.Stat(process.path)
	if err != nil {
		return fmt.Errorf("the program on the disk: %w", err)
	}
	if !os.SameFile(now, p.info) || now.Size() != p.info.Size() || !now.ModTime().Equal(p.info.ModTime()) {
		return fmt.Errorf("%s has changed while it was tried: ask again", process.path)
	}
	return nil
}

// rehearsing is the program that rehearses.
type rehearsing struct {
	cmd     *exec.Cmd
	control *os.File
	words   chan answer // what it says; closed when it says nothing more
	said    bytes.Buffer
	ended   bool
}

func startRehearsal() (*rehearsing, error) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("a pair of sockets: %w", err)
	}
	its := os.NewFile(uintptr(ends[1]), "control")
	defer its.Close()
	r := &rehearsing{control: os.NewFile(uintptr(ends[0]), "control"), words: make(chan answer, 4)}
	r.cmd = &exec.Cmd{
		Path: process.path, Args: process.args, Env: append(process.environment[:len(process.environment):len(process.environment)], RoleVariable+"="+string(begins)),
		Stdout: &limited{to: &r.said}, Stderr: &limited{to: &r.said},
		ExtraFiles: []*os.File{its}, WaitDelay: time.Second,
	}
	r.cmd.Stderr = r.cmd.Stdout // in one order
	if err := withoutHugePages(r.cmd.Start); err != nil {
		r.control.Close()
		return nil, fmt.Errorf("starting %s: %w", process.path, err)
	}
	go r.listen()
	return r, nil
}

// withoutHugePages starts a program that is given none, for as long as it runs: what little a
// rehearsal needs would take twice the memory where they are always given.
func withoutHugePages(start func() error) error {
	if disabled, err := unix.PrctlRetInt(unix.PR_GET_THP_DISABLE, 0, 0, 0, 0); err == nil && disabled == 0 {
		_ = unix.Prctl(unix.PR_SET_THP_DISABLE, 1, 0, 0, 0)
		defer func() { _ = unix.Prctl(unix.PR_SET_THP_DISABLE, 0, 0, 0, 0) }()
	}
	return start()
}

// listen takes what the rehearsal says until it ends.
func (r *rehearsing) listen() {
	defer close(r.words)
	text := make([]byte, 64<<10)
	for {
		n, _, _, _, err := unix.Recvmsg(int(r.control.Fd()), text, nil, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n == 0 {
			return
		}
		var word answer
		if err := json.Unmarshal(text[:n], &word); err != nil {
			word.Error = "it says what is not understood"
		}
		r.words <- word
	}
}

// hear waits for what the rehearsal says next. What it says is wrong is an error, and so is
// that it says nothing.
func (r *rehearsing) hear(ctx context.Context, timeout time.Duration) (answer, error) {
	late := time.NewTimer(timeout)
	defer late.Stop()
	select {
	case word, ok := <-r.words:
		switch {
		case !ok:
			r.end()
			return answer{}, fmt.Errorf("the new version has ended (%v)%s", r.cmd.ProcessState, r.lastWords())
		case word.Error != "":
			return answer{}, errors.New("the new version: " + word.Error)
		}
		return word, nil
	case <-ctx.Done():
		return answer{}, errors.New("the server is about to end")
	case <-late.C:
		return answer{}, fmt.Errorf("the new version has not answered within %v", timeout)
	}
}

// lastWords is what the program has written to the terminal, if it has.
func (r *rehearsing) lastWords() string {
	text := strings.TrimSpace(r.said.String())
	if text == "" {
		return ""
	}
	return ": " + strings.ReplaceAll(text, "\n", "; ")
}

// send gives the rehearsal descriptors, or tells it which addresses the server listens on.
func (r *rehearsing) send(has []comet.Sockets, fds []int) error {
	text, err := json.Marshal(has)
	if err != nil {
		return err
	}
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	err = unix.Sendmsg(int(r.control.Fd()), text, rights, nil, unix.MSG_NOSIGNAL)
	if err != nil {
		return fmt.Errorf("handing over to the rehearsal: %w", err)
	}
	return nil
}

// end ends the rehearsal, whatever it is doing.
func (r *rehearsing) end() {
	if r.ended {
		return
	}
	r.ended = true
	_ = r.cmd.Process.Kill() // it may have ended
	_ = r.cmd.Wait()         // as it was told
	_ = unix.Shutdown(int(r.control.Fd()), unix.SHUT_RDWR)
	for range r.words { // until listen has ended
	}
	r.control.Close()
}

// limited keeps the beginning of a text.
type limited struct{ to *bytes.Buffer }

const mostSaid = 500

func (l *limited) Write(p []byte) (int, error) {
	_, err := io.CopyN(l.to, bytes.NewReader(p), int64(min(len(p), max(mostSaid-l.to.Len(), 0))))
	return len(p), err
}
