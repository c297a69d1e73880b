package upgrade

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"ccomet/comet"
)

// Rehearse is what a program does in its rehearsal, when it has read its configuration: open
// makes a server of what is handed over, which is not started.
func Rehearse(version, pidfile string, open func(from *comet.HandedOver) error) error {
	if err := at("rehearsal checked"); err != nil {
		return errors.Join(err, say(answer{Error: err.Error()}))
	}
	if err := say(answer{Version: version, Layout: comet.Layout(), Pidfile: pidfile, Early: true}); err != nil {
		return err
	}
	if err := rehearse(open); err != nil {
		return errors.Join(err, say(answer{Error: err.Error()}))
	}
	if err := say(answer{Ready: true}); err != nil {
		return err
	}
	_ = at("rehearsal ready")                    // where a test has it end
	_, _ = unix.Read(controlFD, make([]byte, 1)) // until the server has heard it, and ends this process
	return nil
}

func rehearse(open func(from *comet.HandedOver) error) error {
	fds, err := receive()
	if err != nil {
		return err
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
	if err := open(from); err != nil {
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

// receive takes the descriptors that are handed over.
func receive() (fds []int, err error) {
	text, rights := make([]byte, 64), make([]byte, unix.CmsgSpace(4*(comet.MaxLoops+1)))
	n, m, flags, _, err := unix.Recvmsg(controlFD, text, rights, unix.MSG_CMSG_CLOEXEC)
	for errors.Is(err, unix.EINTR) {
		n, m, flags, _, err = unix.Recvmsg(controlFD, text, rights, unix.MSG_CMSG_CLOEXEC)
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("what is handed over: %w", err)
	case n == 0:
		return nil, errors.New("nothing is handed over")
	case flags&unix.MSG_CTRUNC != 0:
		return nil, errors.New("more is handed over than this process may have")
	}
	messages, err := unix.ParseSocketControlMessage(rights[:m])
	for i := range messages {
		list, rightsErr := unix.ParseUnixRights(&messages[i])
		fds, err = append(fds, list...), errors.Join(err, rightsErr)
	}
	if err == nil && len(fds) == 0 {
		err = errors.New("no file is handed over")
	}
	return fds, err
}

// Handed is what the program goes on with, nil where it is no server's successor.
func Handed() (*comet.HandedOver, error) {
	if !Succeeds() {
		return nil, nil
	}
	if err := at(string(process.role) + " reads"); err != nil {
		return nil, err
	}
	fd, err := unix.FcntlInt(uintptr(process.file), unix.F_DUPFD_CLOEXEC, 0) // the file itself is for the way back
	if err != nil {
		return nil, fmt.Errorf("what is handed over: %w", err)
	}
	file := os.NewFile(uintptr(fd), "handover")
	defer file.Close()
	return comet.ReadHandOver(file)
}

// Serves is the point of no return: the program goes on, and must do so. It returns why
// the version that was tried does not, where this is the one before it.
func Serves() (failed string, err error) {
	if err := at(string(process.role) + " serves"); err != nil {
		return "", err
	}
	process.decided.Lock()
	if Succeeds() {
		unix.Close(process.file)
		unix.Close(process.old)
	}
	return process.reason, nil
}

// GoBack has the program that ran before go on, if this one is to and cannot. It returns
// if that is not so.
func GoBack(why error) {
	if process.role != successor || !process.decided.TryLock() {
		return
	}
	// It takes no descriptor: there may be none left.
	err := comet.KeepHandedOver(os.NewFile(uintptr(process.file), "handover"))
	if err == nil {
		err = keepOpen(true, []int{process.file, process.old})
	}
	if err == nil {
		process.signals.leave()
		state := fmt.Sprintf("%s:%d:%d:%d:%s:%s", back, process.file, process.old, process.attempts, process.signals.state(), why)
		err = execute(fmt.Sprintf("/proc/self/fd/%d", process.old), state)
	}
	fmt.Fprintf(os.Stderr, "%v; going back to the version before: %v\n", why, err)
	os.Exit(1)
}
