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

// PIDFile is a file that contains the number of the serving process. The process
// holds a lock on it until it ends. The kernel knows the holder of the lock, so a
// stale number that belongs to another process by now does no harm.
type PIDFile struct {
	name string
	file *os.File
	Left string // the content that an earlier server has left, or ""
}

// runningError is returned if another server has the pid file.
type runningError struct {
	name     string
	pid      int
	stopping bool
}

// stopByte is the offset of a second lock. A server holds it until it starts to
// stop.
const stopByte = 1 << 20

// Stopping makes visible that the server is about to stop.
func (p *PIDFile) Stopping() error {
	lock := unix.Flock_t{Type: unix.F_UNLCK, Start: stopByte, Len: 1}
	if err := unix.FcntlFlock(p.file.Fd(), unix.F_SETLK, &lock); err != nil {
		return fmt.Errorf("pidfile %s: %w", p.name, err)
	}
	return nil
}

// IsStopping reports whether the server that has locked a pid file is about to
// stop.
func IsStopping(file *os.File) bool {
	lock := unix.Flock_t{Type: unix.F_WRLCK, Start: stopByte, Len: 1}
	return unix.FcntlFlock(file.Fd(), unix.F_GETLK, &lock) == nil && lock.Type == unix.F_UNLCK
}

func (e *runningError) Error() string {
	return fmt.Sprintf("pidfile %s: the server is already running as process %d: stop it (kill %d, or icomet-server FILE -s stop), or use -s restart",
		e.name, e.pid, e.pid)
}

// TakePIDFile locks a pid file for this process, or returns a runningError. config
// is the configuration file that names the pid file, or "".
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

// stopNotice is how long a server may take to release stopByte after it was told to
// stop.
const stopNotice = 500 * time.Millisecond

// AwaitPIDFile is TakePIDFile, but if the other server is about to stop, it prints
// that and waits.
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
				fmt.Fprintf(out, "waiting for process %d to stop\n", told)
			}
		}
		if time.Now().After(by) {
			if running.stopping {
				err = fmt.Errorf("pidfile %s: process %d is stopping, but did not end within %v: kill -9 %d ends it", name, running.pid, timeout, running.pid)
			}
			return nil, err
		}
		if err := awaitEnd(running.pid, min(stopNotice/10, time.Until(by))); err != nil {
			return nil, err
		}
	}
}

// awaitEnd waits until a process ends, at most for d.
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

// lockPidFile returns neither a PIDFile nor an error if it must be tried again,
// because the other process has just ended or the file was removed.
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

// Remove removes the file, unless it was replaced by another file, and releases the
// lock.
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

// isStillAt reports whether an open file is still the one with this name.
func isStillAt(file *os.File, name string) (bool, error) {
	mine, err := file.Stat()
	if err != nil {
		return false, fmt.Errorf("pidfile: %w", err)
	}
	there, err := os.Stat(name)
	return err == nil && os.SameFile(mine, there), nil
}

// readPid returns the content of a pid file: a number, or "". Other content is an
// error, because the file's name is probably a mistake.
func readPid(file *os.File) (string, error) {
	info, err := file.Stat()
	if err != nil {
		return "", fmt.Errorf("pidfile: %w", err)
	}
	something := fmt.Errorf("pidfile %s contains something else and is left unchanged: a pidfile is empty or contains one number; name another file", file.Name())
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

// lockHolder returns the process that has locked a file, or 0.
func lockHolder(file *os.File) (int, error) {
	lock := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(file.Fd(), unix.F_GETLK, &lock); err != nil {
		return 0, fmt.Errorf("pidfile %s: asking for its lock: %w", file.Name(), err)
	}
	if lock.Type == unix.F_UNLCK {
		return 0, nil
	}
	if lock.Pid <= 0 {
		return 0, fmt.Errorf("pidfile %s: locked by a process that is not visible here, perhaps in another container", file.Name())
	}
	return int(lock.Pid), nil
}
