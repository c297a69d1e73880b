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

// How an upgrade goes (SIGUSR2, "ccomet upgrade"):
//
//  1. The server starts the program that is on the disk now, for a rehearsal: with the server's
//     own arguments and environment, it reads the configuration that is there now. It answers
//     with its version and the layout of its records, or with what is wrong.
//  2. The server writes what its channels keep into a file in memory, while it serves. Then it
//     parks (comet.Server.Park), and writes the rest.
//  3. The rehearsal makes a server of that, in a copy of the records, and answers that it could.
//  4. The server executes the program, in its own process: a service manager or a container sees
//     the same process. The sockets stay open, and what arrives meanwhile waits in the kernel.
//
// Until the last step, the server goes on after any failure. If the executed program fails before
// it serves, it executes the old program again, from the file that that was started from: the
// server has kept it open.

// RoleVariable is the environment variable that tells a program its role, and what goes with it.
const RoleVariable = "CCOMET_UPGRADE"

// readyVariable is for a program that starts as a daemon. It must not be passed on.
const readyVariable = "CCOMET_READY_FD"

// role is what a program was started for. Other versions know these words.
type role string

const (
	roleNone      role = ""          // it is a server of its own
	roleClean     role = "begins"    // to execute itself for a rehearsal, without the server's descriptors
	roleRehearsal role = "rehearsal" // to rehearse
	roleSuccessor role = "successor" // to go on for the server that ran in this process, or to replace it after its end
	roleFallback  role = "back"      // the same, as the old program, after a successor has failed
)

// execState is what the process passes on to the program that it executes, as JSON.
type execState struct {
	File     int           // descriptor of the file with what is handed over
	Old      int           // descriptor of the program file that ran before
	Within   time.Duration // in which the program must serve: twice the limit of its rehearsal
	Attempts int           // upgrades that this server, and those before it, were asked for
	Failures int           // of them, those that have failed
	Restarts int           // of them, those that have restarted the server
	Signals  string        // Signals.state
	Restart  *restart      // nil: the server goes on as it runs
	Reason   string        // for roleFallback: why the successor has failed
}

// within is the time limit until the executed program serves. Older versions do not set Within.
func (p *execState) within() time.Duration { return max(p.Within, 2*longestPause) }

// process tells how this process was started. Begin sets it.
var process struct {
	path        string   // of the program file, where another version may be by now
	args        []string // with the program's name
	environment []string // that it was started with, without what must not be passed on
	role        role
	execState
	signals *Signals
	decided sync.Mutex // locked for good by the first of Commit and GoBack
}

// Begin finds out the program's role. Call it before anything else. It does not return in a program
// that executes itself for a rehearsal.
func Begin() {
	process.args = os.Args
	if path, err := exec.LookPath(os.Args[0]); err == nil {
		process.path, _ = filepath.Abs(path) // fails only without a working directory
	}
	text := os.Getenv(RoleVariable)
	_ = os.Unsetenv(RoleVariable) // fails only for malformed names
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, readyVariable+"=") {
			process.environment = append(process.environment, v)
		}
	}
	begin, rest, _ := strings.Cut(text, ":")
	process.role = role(begin)
	switch process.role {
	case roleClean:
		err := unix.CloseRange(controlFD+1, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
		if err == nil {
			err = syscall.Exec(process.path, process.args, append(process.environment, RoleVariable+"="+string(roleRehearsal)))
		}
		fmt.Fprintf(os.Stderr, "executing %s: %v\n", process.path, err)
		os.Exit(1)
	case roleRehearsal:
		unix.CloseOnExec(controlFD)
		if os.Getenv("LISTEN_PID") != "" { // the sockets are meant for the server
			_ = os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
		}
	case roleSuccessor, roleFallback:
		_ = json.Unmarshal([]byte(rest), &process.execState) // written by execute
		process.signals = signalsOf(process.Signals)
		_ = keepOpen(false, process.kept()) // one that is not open is noticed when it is used
		if process.role == roleSuccessor {
			time.AfterFunc(process.within(), func() {
				GoBack(fmt.Errorf("the new version has not gone on within %v", process.within()))
			})
		}
		if process.role == roleFallback {
			name := append([]byte(filepath.Base(os.Args[0])), 0) // else the kernel names the process after a descriptor's number
			_ = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&name[0])), 0, 0, 0)
		}
	default:
		process.role = roleNone
	}
	_ = failpoint(string(process.role) + " begun") // a test may have it end, or hang
}

// Rehearses says whether this program was started for a rehearsal: then call Rehearse.
func Rehearses() bool { return process.role == roleRehearsal }

// Succeeds says whether this program replaces a server that ran in this process.
func Succeeds() bool { return process.role == roleSuccessor || process.role == roleFallback }

// MayGoBack says whether GoBack can have the program before go on.
func MayGoBack() bool { return process.role == roleSuccessor }

// execute executes a program in this process. It returns only on an error.
func execute(path string, as role, with *execState) error {
	text, err := json.Marshal(with)
	if err != nil {
		return err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// The program inherits this thread's signal mask. Without it, SIGUSR2 would end the program
	// before that catches it.
	block := unix.Sigset_t{}
	block.Val[0] = 1 << (unix.SIGUSR2 - 1)
	err = unix.PthreadSigmask(unix.SIG_BLOCK, &block, nil)
	if err == nil {
		err = failpoint("server executes")
	}
	if err == nil {
		err = syscall.Exec(path, process.args, append(slices.Clip(process.environment), RoleVariable+"="+string(as)+":"+string(text)))
		err = fmt.Errorf("executing %s: %w", path, err)
	}
	return errors.Join(err, unix.PthreadSigmask(unix.SIG_UNBLOCK, &block, nil))
}
