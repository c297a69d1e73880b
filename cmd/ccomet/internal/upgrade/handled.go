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

// handlersTimeout is the longest that awaitHandlers waits, for threads that get no processor.
const handlersTimeout = time.Second

// heard are the signals that a server catches.
const heard = 1<<(unix.SIGHUP-1) | 1<<(unix.SIGINT-1) | 1<<(unix.SIGUSR2-1) | 1<<(unix.SIGTERM-1)

// awaitHandlers returns when the Go runtime's handlers have finished for all signals sent so far.
// kill(2) returns before a thread of this process has taken the signal, and the thread may then wait
// for a processor in the middle of the handler. A thread blocks all signals while it handles one, and
// is recognized by that. To block SIGUSR2 alone means nothing: most threads of a successor do (execute).
func awaitHandlers() {
	for end := time.Now().Add(handlersTimeout); time.Now().Before(end) && handlerRuns(); {
		time.Sleep(100 * time.Microsecond)
	}
}

// handlerRuns says whether a signal waits for a thread, or a thread handles one.
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

// thread is what /proc tells of one.
type thread struct {
	asleep           bool   // no handler sleeps; a race detector's thread does, and blocks all signals
	waiting, blocked uint64 // signals: those of the process that no thread has taken, those that this one does not take
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
