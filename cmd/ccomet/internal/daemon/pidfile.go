package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// PIDFile is a file that holds the number of the process that serves. It is
// locked for as long as that process lives: the kernel knows the holder of a lock,
// so a number that was left behind, and is another process's by now, is not mistaken.
type PIDFile struct {
	name string
	file *os.File
	Left string // what a server that is gone had left in it, "" for nothing
}

// runningError is a server that has the pid file.
type runningError struct {
	name     string
	pid      int
	stopping bool
}

// stopByte is where in a pid file the lock tells that the server runs on: it is free
// while the server stops.
const stopByte = 1 << 20

// Stopping lets others see that the server is about to end.
func (p *PIDFile) Stopping() error {
	lock := unix.Flock_t{Type: unix.F_UNLCK, Start: stopByte, Len: 1}
	if err := unix.FcntlFlock(p.file.Fd(), unix.F_SETLK, &lock); err != nil {
		return fmt.Errorf("pidfile %s: %w", p.name, err)
	}
	return nil
}

// IsStopping says whether the server that has locked a pid file is about to end.
func IsStopping(file *os.File) bool {
	lock := unix.Flock_t{Type: unix.F_WRLCK, Start: stopByte, Len: 1}
	return unix.FcntlFlock(file.Fd(), unix.F_GETLK, &lock) == nil && lock.Type == unix.F_UNLCK
}

func (e *runningError) Error() string {
	return fmt.Sprintf("pidfile %s: the server runs already, as process %d: stop it (kill %d, or icomet-server FILE -s stop), or use -s restart",
		e.name, e.pid, e.pid)
}

// TakePIDFile makes a pid file this process's, or returns a runningError.
// config is the configuration file that names it, "" for none.
func TakePIDFile(name, config string) (*PIDFile, error) {
	for {
		file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return nil, fmt.Errorf("pidfile: %w", err)
		}
		p, err := lockPidFile(name, file, config)
		if p != nil {
			return p, nil
		}
		file.Close()
		if err != nil {
			return nil, err
		}
	}
}

// stopNotice is how long a server that was told to stop may take to show it.
const stopNotice = 500 * time.Millisecond

// AwaitPIDFile is TakePIDFile, but for a server that is about to end it waits, and says so.
func AwaitPIDFile(out io.Writer, name, config string, timeout time.Duration) (*PIDFile, error) {
	noticed := time.Now().Add(stopNotice)
	until := time.Now().Add(timeout)
	told := 0
	for {
		p, err := TakePIDFile(name, config)
		running := new(runningError)
		if !errors.As(err, &running) {
			return p, err
		}
		by := noticed
		if running.stopping {
			by = until
			if told != running.pid {
				told = running.pid
				fmt.Fprintf(out, "process %d is about to end: waiting for that\n", told)
			}
		}
		if time.Now().After(by) {
			if running.stopping {
				err = fmt.Errorf("pidfile %s: process %d is about to end, but has not within %v: kill -9 %d ends it", name, running.pid, timeout, running.pid)
			}
			return nil, err
		}
		if err := awaitEnd(running.pid, min(stopNotice/10, time.Until(by))); err != nil {
			return nil, err
		}
	}
}

// awaitEnd waits for the end of a process, and no longer than d.
func awaitEnd(pid int, d time.Duration) error {
	process, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	} else if err != nil {
		return fmt.Errorf("process %d: %w", pid, err)
	}
	defer unix.Close(process)
	_, err = unix.Poll([]unix.PollFd{{Fd: int32(process), Events: unix.POLLIN}}, int(max(d, 0)/time.Millisecond))
	if err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("waiting for process %d: %w", pid, err)
	}
	return nil
}

// lockPidFile returns neither a file nor an error if the file was removed
// meanwhile.
func lockPidFile(name string, file *os.File, config string) (*PIDFile, error) {
	lock := unix.Flock_t{Type: unix.F_WRLCK}
	err := unix.FcntlFlock(file.Fd(), unix.F_SETLK, &lock)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		pid, err := lockHolder(file)
		if pid == 0 || err != nil {
			return nil, err // it has just ended
		}
		return nil, &runningError{name, pid, IsStopping(file)}
	}
	if err != nil {
		return nil, fmt.Errorf("pidfile %s: locking it: %w", name, err)
	}
	if same, err := isStillAt(file, name); err != nil || !same {
		return nil, err
	}
	text, err := readPid(file)
	if err != nil {
		return nil, err
	}
	if pid, err := icometProcess(name, text, config); err != nil {
		return nil, err
	} else if pid != 0 {
		return nil, &runningError{name, pid, false}
	}
	if err := file.Truncate(0); err != nil {
		return nil, fmt.Errorf("pidfile: %w", err)
	}
	if _, err := file.WriteAt(fmt.Appendln(nil, os.Getpid()), 0); err != nil {
		return nil, fmt.Errorf("pidfile: %w", err)
	}
	return &PIDFile{name, file, text}, nil
}

// Remove removes the file, unless another process has done so and it is another by
// now, and then lets it go.
func (p *PIDFile) Remove() error {
	defer p.file.Close()
	if same, err := isStillAt(p.file, p.name); err != nil || !same {
		return err
	}
	if _, err := readPid(p.file); err != nil {
		return err
	}
	if err := os.Remove(p.name); err != nil {
		return fmt.Errorf("pidfile: %w", err)
	}
	return nil
}

// isStillAt says whether an open file is the one of that name.
func isStillAt(file *os.File, name string) (bool, error) {
	mine, err := file.Stat()
	if err != nil {
		return false, fmt.Errorf("pidfile: %w", err)
	}
	there, err := os.Stat(name)
	return err == nil && os.SameFile(mine, there), nil
}

// readPid is what a pid file says: a number, or nothing. A file that holds
// anything else was named by mistake, and is an error.
func readPid(file *os.File) (string, error) {
	info, err := file.Stat()
	if err != nil {
		return "", fmt.Errorf("pidfile: %w", err)
	}
	something := fmt.Errorf("pidfile %s holds something else: not touched: a pidfile is empty or holds one number; name another file", file.Name())
	if !info.Mode().IsRegular() {
		return "", something
	}
	var text [32]byte // longer than any number
	n, err := file.ReadAt(text[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("pidfile: %w", err)
	}
	left := string(bytes.TrimSpace(text[:n]))
	if _, err := strconv.Atoi(left); left != "" && err != nil || n == len(text) {
		return "", something
	}
	return left, nil
}

// lockHolder is the process that has locked a file, 0 for none.
func lockHolder(file *os.File) (int, error) {
	lock := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(file.Fd(), unix.F_GETLK, &lock); err != nil {
		return 0, fmt.Errorf("pidfile %s: asking for its lock: %w", file.Name(), err)
	}
	if lock.Type == unix.F_UNLCK {
		return 0, nil
	}
	if lock.Pid <= 0 {
		return 0, fmt.Errorf("pidfile %s: locked by a process that cannot be seen from here, in another container perhaps", file.Name())
	}
	return int(lock.Pid), nil
}
