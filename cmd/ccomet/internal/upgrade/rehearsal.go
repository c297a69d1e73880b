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
	if err := say(answer{Version: version, Layout: comet.Layout(), Pidfile: pidfile}); err != nil {
		return err
	}
	if err := rehearse(open); err != nil {
		return errors.Join(err, say(answer{Error: err.Error()}))
	}
	if err := say(answer{Ready: true}); err != nil {
		return err
	}
	_, _ = unix.Read(controlFD, make([]byte, 1)) // until the server has heard it, and ends this process
	return nil
}

func rehearse(open func(from *comet.HandedOver) error) error {
	fds, err := receive()
	if err != nil {
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
	return open(from)
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
	file, err := handedFile()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return comet.ReadHandOver(file)
}

// handedFile is the file that is handed over, which stays open for the way back.
func handedFile() (*os.File, error) {
	fd, err := unix.FcntlInt(uintptr(process.file), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("what is handed over: %w", err)
	}
	return os.NewFile(uintptr(fd), "handover"), nil
}

// Serves notes that the program goes on: there is no way back. It returns why the version
// that was tried does not, where this is the one before it.
func Serves() (failed string) {
	if Succeeds() {
		unix.Close(process.file)
		unix.Close(process.old)
	}
	process.serves = true
	return process.reason
}

// GoBack has the program that ran before go on, if this one is to and cannot. It returns
// if that is not so.
func GoBack(why error) {
	if process.role != successor || process.serves {
		return
	}
	file, err := handedFile()
	if err == nil {
		err = comet.KeepHandedOver(file)
	}
	if err == nil {
		err = keepOpen(true, []int{process.file, process.old})
	}
	if err == nil {
		err = execute(fmt.Sprintf("/proc/self/fd/%d", process.old), fmt.Sprintf("%s:%d:%d:%d:%s", back, process.file, process.old, process.attempts, why))
	}
	fmt.Fprintln(os.Stderr, "going back to the version before: "+err.Error())
}
