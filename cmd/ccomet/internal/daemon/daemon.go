// Package daemon controls the server's process by its pid file.
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

// A Go program cannot fork. To become a daemon, it starts itself again in a new
// session and waits on a pipe. The new process writes a byte when it listens, or
// ends after it has printed an error.

// ReadyVariable contains the pipe's file descriptor in the new process.
const ReadyVariable = "CCOMET_READY_FD"

// ExitStatus is the exit status of a process that has already printed its error.
type ExitStatus int

func (e ExitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// Daemonize starts this program as a daemon with other arguments. It returns the
// process number when the daemon serves.
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
	_ = cmd.Wait() // the result is in cmd.ProcessState
	if cmd.ProcessState.ExitCode() > 0 {
		return 0, ExitStatus(cmd.ProcessState.ExitCode())
	}
	return 0, fmt.Errorf("the daemon ended before it served: %v", cmd.ProcessState)
}

// Started reports whether this process was started as a daemon by a process that
// waits.
func Started() bool { return os.Getenv(ReadyVariable) != "" }

// ownPath returns the path by which this program was started. The process gets its
// name from it, by which users look for the process.
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

// TellReady tells the process that started this daemon that it serves, and detaches
// from the terminal. If no process waits, it does nothing.
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
		return fmt.Errorf("%s: %d is not a file descriptor", ReadyVariable, fd)
	}
	defer pipe.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	for standard := range 3 {
		if err := unix.Dup3(int(null.Fd()), standard, 0); err != nil {
			return fmt.Errorf("detaching from the terminal: %w", err)
		}
	}
	if _, err := pipe.Write([]byte{1}); err != nil && !errors.Is(err, unix.EPIPE) {
		return err // EPIPE: the waiting process is gone, which is no error
	}
	return nil
}
