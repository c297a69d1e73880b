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

// Rehearsal is what a program is to do that rehearses.
type Rehearsal struct {
	Version, Pidfile string
	Loops            int                                // 0: as many as suit the processors
	GoOn             func(from *comet.HandedOver) error // make a server of what is handed over, and do not start it
	Start            func(has []comet.Sockets) error    // try what a start may fail at that takes over sockets
}

// Rehearse is what a program does in its rehearsal, when it has read its configuration.
func Rehearse(what Rehearsal) error {
	if err := at("rehearsal checked"); err != nil {
		return errors.Join(err, say(answer{Error: err.Error()}))
	}
	if err := say(answer{
		Version: what.Version, Layout: comet.Layout(), Pidfile: what.Pidfile, Early: true,
		ByName: understands == "names", Loops: what.Loops, Suits: comet.DefaultLoops(runtime.GOMAXPROCS(0)),
	}); err != nil {
		return err
	}
	if err := what.rehearse(); err != nil {
		return errors.Join(err, say(answer{Error: err.Error()}))
	}
	if err := say(answer{Ready: true}); err != nil {
		return err
	}
	_ = at("rehearsal ready")                    // where a test has it end
	_, _ = unix.Read(controlFD, make([]byte, 1)) // until the server has heard it, and ends this process
	return nil
}

func (what Rehearsal) rehearse() error {
	fds, has, err := receive()
	if err != nil {
		return err
	}
	if len(fds) == 0 {
		return what.Start(has)
	}
	if err := at("rehearsal handed"); err != nil {
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
	return at("rehearsal made")
}

func say(a answer) error {
	text, err := json.Marshal(a)
	if err == nil {
		err = unix.Sendmsg(controlFD, text, nil, nil, unix.MSG_NOSIGNAL)
	}
	if err != nil {
		return fmt.Errorf("answering the server that runs: %w", err)
	}
	return nil
}

// receive takes the descriptors that are handed over; none: the server that runs ends first.
func receive() (fds []int, has []comet.Sockets, err error) {
	text, rights := make([]byte, 64<<10), make([]byte, unix.CmsgSpace(4*(comet.MaxLoops+1)))
	n, m, flags, _, err := unix.Recvmsg(controlFD, text, rights, unix.MSG_CMSG_CLOEXEC)
	for errors.Is(err, unix.EINTR) {
		n, m, flags, _, err = unix.Recvmsg(controlFD, text, rights, unix.MSG_CMSG_CLOEXEC)
	}
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("what is handed over: %w", err)
	case n == 0:
		return nil, nil, errors.New("nothing is handed over")
	case flags&unix.MSG_CTRUNC != 0:
		return nil, nil, errors.New("more is handed over than this process may have")
	}
	messages, err := unix.ParseSocketControlMessage(rights[:m])
	for i := range messages {
		list, rightsErr := unix.ParseUnixRights(&messages[i])
		fds, err = append(fds, list...), errors.Join(err, rightsErr)
	}
	return fds, has, errors.Join(err, json.Unmarshal(text[:n], &has))
}

// Handed is what the program goes on with, nil where it is no server's successor.
func Handed() (*comet.HandedOver, error) {
	if !Succeeds() || process.Restart != nil {
		return nil, nil
	}
	if err := at(string(process.role) + " reads"); err != nil {
		return nil, err
	}
	fd, err := unix.FcntlInt(uintptr(process.File), unix.F_DUPFD_CLOEXEC, 0) // the file itself is for the way back
	if err != nil {
		return nil, fmt.Errorf("what is handed over: %w", err)
	}
	file := os.NewFile(uintptr(fd), "handover")
	defer file.Close()
	from, err := comet.ReadHandOver(file)
	if err == nil && process.role == back {
		from.AsItWas()
	}
	return from, err
}

// Serves is the point of no return: the program goes on, and must do so. It returns why
// the version that was tried does not, where this is the one before it.
func Serves() (failed string, err error) {
	if err := at(string(process.role) + " serves"); err != nil {
		return "", err
	}
	process.decided.Lock()
	if Succeeds() {
		closeAll(process.kept())
	}
	return process.Reason, nil
}

// GoBack has the program that ran before go on, if this one is to and cannot. It returns
// if that is not so.
func GoBack(why error) {
	if process.role != successor || !process.decided.TryLock() {
		return
	}
	// It takes no descriptor: there may be none left.
	var err error
	if process.Restart == nil {
		file := os.NewFile(uintptr(process.File), "handover")
		defer runtime.KeepAlive(file) // as garbage it would be closed, and is for the other program
		err = comet.KeepHandedOver(file)
	}
	if err == nil {
		err = keepOpen(true, process.kept())
	}
	if err == nil {
		process.signals.leave()
		to := process.passage
		to.Signals, to.Reason = process.signals.state(), why.Error()
		err = execute(fmt.Sprintf("/proc/self/fd/%d", process.Old), back, &to)
	}
	fmt.Fprintf(os.Stderr, "%v; going back to the version before: %v\n", why, err)
	os.Exit(1)
}
