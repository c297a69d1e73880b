// Package upgrade has the program that is on the disk now go on for a server that runs.
package upgrade

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// How the program on the disk goes on for a server (SIGUSR2, "ccomet upgrade"):
//
//  1. The server starts it once, for a rehearsal: with its own arguments and the environment
//     that it had, it reads the configuration that is there now. It says which layout its
//     records have, or what is wrong.
//  2. The server writes down what its channels keep, into a file in memory, while it serves.
//     Then it parks (comet.Server.Park), and writes the rest.
//  3. The rehearsal makes a server of that, in a copy of the records, and says that it could.
//  4. The server executes the program, in its own process: whoever has started it, a service
//     manager or a container, sees the same one. The sockets stay open, and what comes
//     meanwhile waits in the kernel.
//
// Up to the last step a failure of any kind has the server go on as if nothing had been. A
// program that was executed and cannot go on after all executes the old one, from the file
// that it was started from, which has been kept open.

// RoleVariable tells a program what it is started for: a role, and what goes with it.
const RoleVariable = "CCOMET_UPGRADE"

// readyVariable is of one that starts a daemon: it is told once.
const readyVariable = "CCOMET_READY_FD"

type role string

const (
	first     role = ""          // it is no server's successor
	begins    role = "begins"    // it executes itself for a rehearsal, so that no descriptor of the server is left
	rehearsal role = "rehearsal" // see above
	successor role = "successor" // it goes on, or begins in the place of a server that has ended: a passage
	back      role = "back"      // it is the old program again: the same
)

// passage is what a program is told that is executed.
type passage struct {
	File     int           // what is handed over
	Old      int           // the program that there was before
	Within   time.Duration // in which the program must serve; its rehearsal took half of it at the most
	Attempts int           // upgrades that this server, or those before it, were asked for
	Failures int           // of them
	Restarts int           // of them that ended a server first
	Signals  string        // Signals.state
	Restart  *restart
	Reason   string // why the other version does not go on
}

// within is how long a program that was executed may take until it serves. A version that
// does not say has had so long itself.
func (p *passage) within() time.Duration { return max(p.Within, 2*longestPause) }

// process is how this one was started, as Begin has found it.
var process struct {
	path        string   // of the program's file, which may be another one by now
	args        []string // with the program's name
	environment []string // that it was started with, but for what is told once
	role        role
	passage
	signals *Signals
	decided sync.Mutex // held by what serves, and by what goes back: one of them, for good
}

// Begin must be called first of all. A program that is to rehearse executes itself once
// more in it.
func Begin() {
	process.args = os.Args
	if path, err := exec.LookPath(os.Args[0]); err == nil {
		process.path, _ = filepath.Abs(path) // fails only where there is no directory
	}
	text := os.Getenv(RoleVariable)
	_ = os.Unsetenv(RoleVariable) // fails for no name that is written here
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, readyVariable+"=") {
			process.environment = append(process.environment, v)
		}
	}
	begin, rest, _ := strings.Cut(text, ":")
	process.role = role(begin)
	switch process.role {
	case begins:
		err := unix.CloseRange(controlFD+1, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
		if err == nil {
			err = syscall.Exec(process.path, process.args, append(process.environment, RoleVariable+"="+string(rehearsal)))
		}
		fmt.Fprintf(os.Stderr, "executing %s: %v\n", process.path, err)
		os.Exit(1)
	case rehearsal:
		unix.CloseOnExec(controlFD)
		if os.Getenv("LISTEN_PID") != "" { // the sockets are the server's to have
			_ = os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
		}
	case successor, back:
		_ = json.Unmarshal([]byte(rest), &process.passage) // this program has written it
		process.signals = signalsOf(process.Signals)
		_ = keepOpen(false, process.kept()) // what is not open is missed soon
		if process.role == successor {
			time.AfterFunc(process.within(), func() {
				GoBack(fmt.Errorf("the new version has not gone on within %v", process.within()))
			})
		}
		if process.role == back {
			name := append([]byte(filepath.Base(os.Args[0])), 0) // else it would be a number's
			_ = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&name[0])), 0, 0, 0)
		}
	default:
		process.role = first
	}
	_ = at(string(process.role) + " begun") // where a test has it end, or hang
}

// Rehearses says whether the program is to rehearse (Rehearse).
func Rehearses() bool { return process.role == rehearsal }

// Succeeds says whether the program goes on for a server that ran in this process.
func Succeeds() bool { return process.role == successor || process.role == back }

// MayGoBack says whether the program before goes on where this one cannot (GoBack).
func MayGoBack() bool { return process.role == successor }

// execute has this process go on in another program. It returns only on an error.
func execute(path string, as role, with *passage) error {
	text, err := json.Marshal(with)
	if err != nil {
		return err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// The program begins with what this thread holds back: SIGUSR2 would end it until it is
	// ready for that.
	block := unix.Sigset_t{}
	block.Val[0] = 1 << (unix.SIGUSR2 - 1)
	err = unix.PthreadSigmask(unix.SIG_BLOCK, &block, nil)
	if err == nil {
		err = at("server executes")
	}
	if err == nil {
		err = syscall.Exec(path, process.args, append(slices.Clip(process.environment), RoleVariable+"="+string(as)+":"+string(text)))
		err = fmt.Errorf("executing %s: %w", path, err)
	}
	return errors.Join(err, unix.PthreadSigmask(unix.SIG_UNBLOCK, &block, nil))
}
