// Package upgrade replaces a running server with the program that is on the disk now.
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

// The steps of an upgrade (SIGUSR2, "ccomet upgrade"):
//
//  1. The server starts the program that is on the disk now, for a rehearsal. With the server's
//     arguments and environment, the rehearsal reads the present configuration. It answers with its
//     version and the layout of its records, or with an error.
//  2. While the server serves, it writes the state of its channels into a file in memory. Then it parks
//     (comet.Server.Park), and writes the rest.
//  3. The rehearsal makes a server from that file and from a copy of the records, and answers that it
//     could.
//  4. The server executes the program in its own process, so a service manager or a container sees the
//     same process. The sockets stay open, and arriving input waits in the kernel.
//
// Until the last step, the server continues after any failure. If the executed program fails before it
// serves, it executes the old program again, from the program file that the server has kept open.

// RoleVariable is the environment variable with a program's role, and for a successor with its
// execState.
const RoleVariable = "CCOMET_UPGRADE"

// readyVariable is for a program that starts as a daemon. It must not be passed on.
const readyVariable = "CCOMET_READY_FD"

// role is the purpose for which a program was started. Other versions know these words.
type role string

const (
	roleNone      role = ""          // an ordinary start
	roleClean     role = "begins"    // executes itself as roleRehearsal, without the server's descriptors
	roleRehearsal role = "rehearsal" // rehearses
	roleSuccessor role = "successor" // continues the server that ran in this process, or replaces it after its end
	roleFallback  role = "back"      // the same, but is the old program, after a successor has failed
)

// execState is what the process passes on to the program that it executes, as JSON.
type execState struct {
	File     int           // descriptor of the file with the hand-over
	Old      int           // descriptor of the program file that ran before
	Within   time.Duration // limit until the program serves: twice the limit of its rehearsal
	Attempts int           // upgrades attempted so far, also by earlier programs of this process
	Failures int           // attempts that have failed
	Restarts int           // attempts that have restarted the server
	Signals  string        // Signals.state
	Restart  *restart      // nil: the running server continues
	Reason   string        // for roleFallback: why the successor has failed
}

// within returns the time limit until the executed program serves. Older versions do not set Within.
func (p *execState) within() time.Duration { return max(p.Within, 2*longestPause) }

// process describes how this process was started. Begin sets it.
var process struct {
	path        string   // of the program file, which may be another version by now
	args        []string // including the program's name
	environment []string // at the start, without what must not be passed on
	role        role
	execState
	signals *Signals
	decided sync.Mutex // locked forever by the first call of Commit or GoBack
}

// Begin determines the program's role. Call it before anything else. It does not return with roleClean:
// the program then executes itself for a rehearsal.
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
		_ = keepOpen(false, process.kept()) // a descriptor that is not open causes an error when it is used
		if process.role == roleSuccessor {
			time.AfterFunc(process.within(), func() {
				GoBack(fmt.Errorf("the new version has not started to serve within %v", process.within()))
			})
		}
		if process.role == roleFallback {
			name := append([]byte(filepath.Base(os.Args[0])), 0) // otherwise the kernel names the process after a descriptor's number
			_ = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&name[0])), 0, 0, 0)
		}
	default:
		process.role = roleNone
	}
	_ = failpoint(string(process.role) + " begun") // a test may make it end, or hang
}

// Rehearses reports whether this program was started for a rehearsal. It must then call Rehearse.
func Rehearses() bool { return process.role == roleRehearsal }

// Succeeds reports whether this program replaces a server that ran in this process.
func Succeeds() bool { return process.role == roleSuccessor || process.role == roleFallback }

// MayGoBack reports whether GoBack can execute the old program.
func MayGoBack() bool { return process.role == roleSuccessor }

// execute executes a program in this process. It returns only on an error.
func execute(path string, as role, with *execState) error {
	text, err := json.Marshal(with)
	if err != nil {
		return err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// The program inherits this thread's signal mask. If SIGUSR2 were not blocked, it would end the
	// program before the program catches it.
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
