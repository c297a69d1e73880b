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

// handledWithin is how long handled waits at most: for threads that get no processor.
const handledWithin = time.Second

// heard are the signals that a server is told by.
const heard = 1<<(unix.SIGHUP-1) | 1<<(unix.SIGINT-1) | 1<<(unix.SIGUSR2-1) | 1<<(unix.SIGTERM-1)

// handled returns when the runtime's handlers have run for all signals that have come. The
// kernel answers who sends a signal before a thread of this process has taken it, and the
// thread may then wait for a processor in the middle of the handler. While it handles one,
// a thread blocks all, which is how it is told from others: in a program that was executed
// for another one most threads block SIGUSR2 all the time (execute).
func handled() {
	for end := time.Now().Add(handledWithin); time.Now().Before(end) && handling(); {
		time.Sleep(100 * time.Microsecond)
	}
}

// handling says whether a signal waits for a thread, or a thread handles one.
func handling() bool {
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

// thread is what the kernel tells of one.
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
