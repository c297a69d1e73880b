package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// command is a program and its arguments.
type command []string

// then separates two commands.
const then = "--then"

// parseCommands reads commands. Each argument ends with a zero byte, as in
// /proc/PID/cmdline, so that none needs quotes.
func parseCommands(text []byte) ([]command, error) {
	body, ended := strings.CutSuffix(string(text), "\x00")
	if !ended {
		return nil, errors.New("commands: the last argument has no zero byte at its end")
	}
	list := []command{nil}
	for argument := range strings.SplitSeq(body, "\x00") {
		if argument == then {
			list = append(list, nil)
		} else {
			list[len(list)-1] = append(list[len(list)-1], argument)
		}
	}
	for i, c := range list {
		if len(c) == 0 {
			return nil, fmt.Errorf("commands: the one at place %d is empty", i+1)
		}
	}
	return list, nil
}

// String returns the command on one line. It quotes arguments that are empty or
// have spaces or unprintable characters.
func (c command) String() string {
	words := make([]string, len(c))
	for i, word := range c {
		words[i] = word
		if word == "" || strings.ContainsFunc(word, func(r rune) bool { return r == ' ' || !strconv.IsPrint(r) }) {
			words[i] = strconv.Quote(word)
		}
	}
	return strings.Join(words, " ")
}

// runAlone runs the command, and then kills every process that it has left,
// which could disturb the next command. Its output goes through a pipe: a
// program could take the console for a user's terminal.
func (c command) runAlone() (status int, err error) {
	from, to, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	printed := make(chan error)
	go func() {
		_, err := io.Copy(os.Stdout, from)
		printed <- err
	}()
	status = c.run(to)
	if err = killRest(); err != nil {
		return status, err
	}
	return status, errors.Join(to.Close(), <-printed, from.Close())
}

// run runs the command to its end and returns its exit status: 127 if it could
// not be started, 128 plus the signal's number if a signal ended it. Meanwhile
// it reaps all other children, as process 1 must.
func (c command) run(out *os.File) (status int) {
	path, err := exec.LookPath(c[0])
	if err != nil {
		fmt.Fprintln(os.Stderr, "init:", err)
		return 127
	}
	// os/exec would wait for its child itself, which the loop below does.
	pid, err := syscall.ForkExec(path, c, &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, out.Fd(), out.Fd()}})
	if err != nil {
		fmt.Fprintf(os.Stderr, "init: starting %s: %v\n", path, err)
		return 127
	}
	for {
		var how unix.WaitStatus
		switch ended, err := unix.Wait4(-1, &how, 0, nil); {
		case err == unix.EINTR || err == nil && ended != pid:
		case err != nil:
			fmt.Fprintf(os.Stderr, "init: waiting for %s: %v\n", path, err)
			return 127
		case how.Signaled():
			fmt.Fprintf(os.Stderr, "init: %s was ended by signal %d, %v\n", path, how.Signal(), how.Signal())
			return 128 + int(how.Signal())
		default:
			return how.ExitStatus()
		}
	}
}

// killRest kills and reaps every process but this one.
func killRest() error {
	if err := unix.Kill(-1, unix.SIGKILL); err != nil && err != unix.ESRCH {
		return fmt.Errorf("ending what was left running: %w", err)
	}
	for {
		switch _, err := unix.Wait4(-1, nil, 0, nil); err {
		case nil, unix.EINTR:
		case unix.ECHILD:
			return nil
		default:
			return fmt.Errorf("reaping: %w", err)
		}
	}
}
