package upgrade

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"ccomet/comet"
)

// Rehearsal is the data and functions of the program that Rehearse uses.
type Rehearsal struct {
	Version, Pidfile string
	Loops            int                                // the configured number; 0: none is configured
	GoOn             func(from *comet.HandedOver) error // makes a server from the hand-over, without starting it
	Start            func(has []comet.Sockets) error    // tests the steps of a start that may fail after a restart; has are the open sockets
}

// Rehearse runs the rehearsal after the program has read its configuration. It returns when the program
// must end.
func Rehearse(what Rehearsal) error {
	if err := failpoint("rehearsal checked"); err != nil {
		return errors.Join(err, say(answer{Error: err.Error()}))
	}
	if err := say(answer{
		Version: what.Version, Layout: comet.Layout(), Pidfile: what.Pidfile, Early: true,
		ByName: capability == "names", Loops: what.Loops, Suits: comet.DefaultLoops(runtime.GOMAXPROCS(0)),
	}); err != nil {
		return err
	}
	if err := what.rehearse(); err != nil {
		return errors.Join(err, say(answer{Error: err.Error()}))
	}
	if err := say(answer{Ready: true}); err != nil {
		return err
	}
	_ = failpoint("rehearsal ready")             // a test may make it end
	_, _ = unix.Read(controlFD, make([]byte, 1)) // until the server ends this process
	return nil
}

// rehearse tests whether this program can continue with what the server sends.
func (what Rehearsal) rehearse() error {
	fds, has, err := receive()
	if err != nil {
		return err
	}
	if len(fds) == 0 {
		return what.Start(has)
	}
	if err := failpoint("rehearsal handed"); err != nil {
		return err
	}
	file := os.NewFile(uintptr(fds[0]), "handover")
	defer file.Close()
	from, err := comet.ReadHandOver(file)
	if err != nil {
		return err
	}
	if err := from.Rehearse(fds[1:]); err != nil {
		return err
	}
	if err := what.GoOn(from); err != nil {
		return err
	}
	return failpoint("rehearsal made")
}

// say sends an answer to the running server.
func say(a answer) error {
	text, err := json.Marshal(a)
	if err == nil {
		err = unix.Sendmsg(controlFD, text, nil, nil, unix.MSG_NOSIGNAL)
	}
	if err != nil {
		return fmt.Errorf("answering the running server: %w", err)
	}
	return nil
}

// receive waits for the descriptors of the hand-over. If there are none, the server must restart
// instead, and has are the sockets that it listens on.
func receive() (fds []int, has []comet.Sockets, err error) {
	text, rights := make([]byte, 64<<10), make([]byte, unix.CmsgSpace(4*(comet.MaxLoops+1)))
	n, m, flags, _, err := unix.Recvmsg(controlFD, text, rights, unix.MSG_CMSG_CLOEXEC)
	for errors.Is(err, unix.EINTR) {
		n, m, flags, _, err = unix.Recvmsg(controlFD, text, rights, unix.MSG_CMSG_CLOEXEC)
	}
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("receiving the hand-over: %w", err)
	case n == 0:
		return nil, nil, errors.New("receiving the hand-over: the server has closed the connection")
	case flags&unix.MSG_CTRUNC != 0:
		return nil, nil, errors.New("receiving the hand-over: this process may not open so many descriptors")
	}
	messages, err := unix.ParseSocketControlMessage(rights[:m])
	for i := range messages {
		list, rightsErr := unix.ParseUnixRights(&messages[i])
		fds, err = append(fds, list...), errors.Join(err, rightsErr)
	}
	return fds, has, errors.Join(err, json.Unmarshal(text[:n], &has))
}

// HandedOver returns the hand-over that this program continues from; nil if no server was handed over.
func HandedOver() (*comet.HandedOver, error) {
	if !Succeeds() || process.Restart != nil {
		return nil, nil
	}
	if err := failpoint(string(process.role) + " reads"); err != nil {
		return nil, err
	}
	fd, err := unix.FcntlInt(uintptr(process.File), unix.F_DUPFD_CLOEXEC, 0) // the original is for GoBack
	if err != nil {
		return nil, fmt.Errorf("opening the hand-over: %w", err)
	}
	file := os.NewFile(uintptr(fd), "handover")
	defer file.Close()
	from, err := comet.ReadHandOver(file)
	if err == nil && process.role == roleFallback {
		from.AsItWas()
	}
	return from, err
}

// Commit is the point of no return: from now on this program serves, and GoBack does nothing. If this
// is the old program again, failed says why the successor has failed.
func Commit() (failed string, err error) {
	if err := failpoint(string(process.role) + " serves"); err != nil {
		return "", err
	}
	process.decided.Lock()
	if Succeeds() {
		closeAll(process.kept())
	}
	return process.Reason, nil
}

// GoBack executes the old program, because this one cannot continue. It returns only if this program is
// no successor, or serves already. If the old program cannot be executed, the process exits with 1.
func GoBack(why error) {
	if process.role != roleSuccessor || !process.decided.TryLock() {
		return
	}
	// GoBack opens no descriptor, because the limit may be reached.
	var err error
	if process.Restart == nil {
		file := os.NewFile(uintptr(process.File), "handover")
		defer runtime.KeepAlive(file) // a finalizer would close it
		err = comet.KeepHandedOver(file)
	}
	if err == nil {
		err = keepOpen(true, process.kept())
	}
	if err == nil {
		process.signals.release()
		to := process.execState
		to.Signals, to.Reason = process.signals.state(), why.Error()
		err = execute(fmt.Sprintf("/proc/self/fd/%d", process.Old), roleFallback, &to)
	}
	fmt.Fprintf(os.Stderr, "%v; returning to the previous version failed: %v\n", why, err)
	os.Exit(1)
}
