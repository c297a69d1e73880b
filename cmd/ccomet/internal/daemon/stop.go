package daemon

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// StopTimeout is how long a server may take to stop.
const StopTimeout = 30 * time.Second

// StopServer stops the server that has a pid file, and waits until it has ended. It
// returns the server's process number, or 0 if none was running.
func StopServer(name, config string) (int, error) {
	pid, _, err := ServesFor(name, config)
	if pid == 0 || err != nil {
		return 0, err
	}
	// The descriptor keeps meaning this process, even if its number is reused.
	process, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return pid, nil
	} else if err != nil {
		return 0, fmt.Errorf("process %d: %w", pid, err)
	}
	defer unix.Close(process)
	again, stopping, err := ServesFor(name, config)
	if again != pid || err != nil {
		return pid, err // it has ended by itself
	}
	if !stopping { // a second signal would stop it at once
		if err := unix.PidfdSendSignal(process, unix.SIGTERM, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
			return 0, fmt.Errorf("stopping process %d: %w", pid, err)
		}
	}
	for deadline := time.Now().Add(StopTimeout); ; {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(process), Events: unix.POLLIN}}, int(max(time.Until(deadline), 0)/time.Millisecond))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 0, fmt.Errorf("waiting for process %d: %w", pid, err)
		case n == 0:
			return 0, fmt.Errorf("process %d did not end within %v after SIGTERM: kill -9 %d ends it", pid, StopTimeout, pid)
		default:
			return pid, nil
		}
	}
}

// ServesFor returns the process of the server that has a pid file, or 0, and
// whether it is about to stop. A process that is neither this program nor iComet is
// an error.
func ServesFor(name, config string) (pid int, stopping bool, err error) {
	file, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0) // O_NONBLOCK: opening a pipe must not block
	if errors.Is(err, os.ErrNotExist) {
		return 0, false, nil
	} else if err != nil {
		return 0, false, fmt.Errorf("pidfile: %w", err)
	}
	defer file.Close()
	if pid, err = lockHolder(file); err != nil {
		return 0, false, err
	}
	if pid != 0 {
		if title := ProcessName(pid); !sameExecutable(pid) && !slices.Contains([]string{"ccomet", ICometName}, title) {
			return 0, false, fmt.Errorf("pidfile %s: process %d has locked it, but is %q and not a server of this kind: not stopped", name, pid, title)
		}
		return pid, IsStopping(file), nil
	}
	text, err := readPid(file)
	if err != nil {
		return 0, false, err
	}
	pid, err = icometProcess(name, text, config)
	return pid, false, err
}

// sameExecutable reports whether a process runs the same executable file as this
// one.
func sameExecutable(pid int) bool {
	mine, err := os.Stat("/proc/self/exe")
	if err != nil {
		return false
	}
	its, err := os.Stat(fmt.Sprintf("/proc/%d/exe", pid))
	return err == nil && os.SameFile(mine, its)
}
