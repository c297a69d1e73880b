package comet

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// stopNotice is how long a server that was told to stop may take to show it. stateGlance is
// the interval of asking whether it has gone.
const (
	stopNotice  = 500 * time.Millisecond
	stateGlance = 20 * time.Millisecond
)

// AwaitState waits for a server that is about to end and has the named state file, for at
// most timeout. It calls told, once, when it finds such a server. If no server has the
// file, it returns at once. If a server has it that does not seem to end, it returns after
// half a second, in which that server may be told to stop. Errors of the file are left for
// New to report. Any goroutine may call it.
func AwaitState(file string, timeout time.Duration, told func()) {
	st := state{name: file}
	if file == "" || st.settle() != nil {
		return
	}
	lock, err := os.OpenFile(st.name+".lock", os.O_RDWR, 0)
	if err != nil {
		return // no server has had the file
	}
	defer lock.Close()
	until := time.Now().Add(timeout)
	noticed := time.Now().Add(min(stopNotice, timeout))
	for seen := false; ; time.Sleep(stateGlance) {
		if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
			return // closing the lock file frees it again
		}
		stops, by := isStopping(lock), noticed
		if stops {
			by = until
		}
		if stops && !seen {
			seen = true
			told()
		}
		if time.Now().After(by) {
			return
		}
	}
}
