// Package daemon decides which process serves for a pid file.
package daemon

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// A Go program cannot fork. To become a daemon it starts itself once more, in a
// session of its own, and waits on a pipe: the new process writes a byte when
// it listens, or ends and has said why.

// ReadyVariable tells the new process which descriptor the pipe is.
const ReadyVariable = "CCOMET_READY_FD"

// ExitStatus is the exit status of a process that has told what was wrong itself.
type ExitStatus int

func (e ExitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// Daemonize starts this program with other arguments, as a daemon, and returns
// its process when it serves.
func Daemonize(args ...string) (int, error) {
	program, err := ownPath()
	if err != nil {
		return 0, err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer read.Close()
	cmd := &exec.Cmd{
		Path: program, Args: append([]string{os.Args[0]}, args...),
		Env:    append(os.Environ(), ReadyVariable+"=3"),
		Stdout: os.Stdout, Stderr: os.Stderr, // until it serves
		ExtraFiles:  []*os.File{write},
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	err = cmd.Start()
	write.Close()
	if err != nil {
		return 0, err
	}
	if n, _ := read.Read(make([]byte, 1)); n == 1 {
		return cmd.Process.Pid, nil
	}
	_ = cmd.Wait() // how it ended is in its state
	if cmd.ProcessState.ExitCode() > 0 {
		return 0, ExitStatus(cmd.ProcessState.ExitCode())
	}
	return 0, fmt.Errorf("it ended before it served: %v", cmd.ProcessState)
}

// Started says whether this process was started as a daemon, by another one that waits.
func Started() bool { return os.Getenv(ReadyVariable) != "" }

// ownPath is the file that this program was started by: its name is the
// process's, by which users look for it.
func ownPath() (string, error) {
	own, err := os.Stat("/proc/self/exe")
	if err != nil {
		return "", err
	}
	if path, err := exec.LookPath(os.Args[0]); err == nil {
		if there, err := os.Stat(path); err == nil && os.SameFile(own, there) {
			return filepath.Abs(path)
		}
	}
	return os.Executable()
}

// TellReady lets the process go that has started this one as a daemon, and the terminal
// too. Without such a one it does nothing.
func TellReady() error {
	text, ok := os.LookupEnv(ReadyVariable)
	if !ok {
		return nil
	}
	fd, err := strconv.Atoi(text)
	if err != nil {
		return fmt.Errorf("%s: %w", ReadyVariable, err)
	}
	pipe := os.NewFile(uintptr(fd), "pipe")
	if pipe == nil {
		return fmt.Errorf("%s: %d is no descriptor", ReadyVariable, fd)
	}
	defer pipe.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	for standard := range 3 {
		if err := unix.Dup3(int(null.Fd()), standard, 0); err != nil {
			return fmt.Errorf("letting go of the terminal: %w", err)
		}
	}
	if _, err := pipe.Write([]byte{1}); err != nil && !errors.Is(err, unix.EPIPE) {
		return err // not that the waiting process is gone
	}
	return nil
}
