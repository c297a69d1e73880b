package upgrade

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// handlersTimeout is the longest time that awaitHandlers waits if threads get no processor.
const handlersTimeout = time.Second

// heard is the set of signals that a server catches.
const heard = 1<<(unix.SIGHUP-1) | 1<<(unix.SIGINT-1) | 1<<(unix.SIGUSR2-1) | 1<<(unix.SIGTERM-1)

// awaitHandlers returns when the Go runtime's handlers have finished for all signals sent so far.
// kill(2) returns before a thread of this process has taken the signal, and that thread may then wait
// for a processor inside the handler. A thread that handles a signal is recognized because it blocks
// all signals meanwhile. A thread that blocks only SIGUSR2 handles none: most threads of a successor do
// that (execute).
func awaitHandlers() {
	for end := time.Now().Add(handlersTimeout); time.Now().Before(end) && handlerRuns(); {
		time.Sleep(100 * time.Microsecond)
	}
}

// handlerRuns reports whether a signal is pending, or a thread handles one.
func handlerRuns() bool {
	files, _ := filepath.Glob("/proc/self/task/*/status")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		if t := threadOf(text); t.waiting&heard != 0 || t.blocked&heard == heard && !t.asleep {
			return true
		}
	}
	return false
}

// thread is the state of a thread from /proc.
type thread struct {
	asleep           bool   // a handler never sleeps; the race detector's thread does, and it blocks all signals
	waiting, blocked uint64 // sets of signals: pending for the process, and blocked by this thread
}

func threadOf(status []byte) (t thread) {
	for lines := bufio.NewScanner(bytes.NewReader(status)); lines.Scan(); {
		name, value, _ := bytes.Cut(lines.Bytes(), []byte(":\t"))
		switch string(name) {
		case "State":
			t.asleep = bytes.HasPrefix(value, []byte("S"))
		case "ShdPnd":
			t.waiting, _ = strconv.ParseUint(string(value), 16, 64)
		case "SigBlk":
			t.blocked, _ = strconv.ParseUint(string(value), 16, 64)
		}
	}
	return t
}
