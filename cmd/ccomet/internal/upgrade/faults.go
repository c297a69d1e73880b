//go:build faults

package upgrade

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// faultVariable names a file that contains the fault to inject: "PROGRAM STEP FAULT". Both programs
// read the file at each step.
const faultVariable = "UPGRADE_FAULT"

// failpoint injects the fault that a test has chosen for a step. The fault "wait" creates a second
// file, with ".reached" appended to the name of the first, and waits until the first file is removed.
func failpoint(step string) error {
	name := os.Getenv(faultVariable)
	text, _ := os.ReadFile(name) // no file: no fault
	fault, ok := strings.CutPrefix(strings.TrimSpace(string(text)), step+" ")
	if !ok {
		return nil
	}
	switch fault {
	case "error":
		return fmt.Errorf("%s: made to fail", step)
	case "exit":
		os.Exit(3)
	case "kill":
		_ = unix.Kill(os.Getpid(), unix.SIGKILL)
		select {}
	case "hang":
		time.Sleep(time.Hour)
	case "memory":
		return outOfMemory()
	case "limit":
		return limitDescriptors(3) // stdin, stdout and stderr, which are always open
	case "descriptors":
		return useDescriptors()
	case "wait":
		err := os.WriteFile(name+".reached", nil, 0o600)
		for _, gone := os.Stat(name); err == nil && gone == nil; _, gone = os.Stat(name) {
			time.Sleep(time.Millisecond)
		}
		return err
	}
	return errors.New("no such fault: " + fault)
}

// outOfMemory sets a limit of the address space that is already exceeded, and then allocates memory.
func outOfMemory() error {
	if err := unix.Setrlimit(unix.RLIMIT_AS, &unix.Rlimit{Cur: 1 << 20, Max: unix.RLIM_INFINITY}); err != nil {
		return err
	}
	var taken [][]byte
	for {
		taken = append(taken, make([]byte, 16<<20))
		runtime.KeepAlive(taken)
	}
}

// limitDescriptors limits the number of descriptors. Those that are open stay open.
func limitDescriptors(most uint64) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = most
	return unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
}

// useDescriptors opens as many descriptors as the limit allows. They are closed when another program is
// executed.
func useDescriptors() error {
	for err := limitDescriptors(256); ; {
		if err != nil {
			return err
		}
		if _, full := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 0); full != nil {
			return nil
		}
	}
}
