package proc

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Footprint is the memory of a process and its descendants together, in bytes.
type Footprint struct {
	Bytes   int64 // all of it
	Program int64 // unmodified pages of files: the program and its libraries
}

// Data is all memory except the program's.
func (f Footprint) Data() int64 { return f.Bytes - f.Program }

// Footprint counts memory that several processes share once. A memfd counts once too, whichever
// part of it they have touched. Memory that only file descriptors refer to is not included.
func (p Process) Footprint() (f Footprint, err error) {
	files := map[uint64]int64{} // by inode
	var counted []int
	err = p.each(func(pid int) error {
		if slices.ContainsFunc(counted, func(other int) bool { return sameMemory(pid, other) }) {
			return nil
		}
		counted = append(counted, pid)
		sizes, err := kilobytes(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss", "Pss_File", "Pss_Shmem")
		if err != nil {
			return err
		}
		f.Bytes += sizes[0]
		f.Program += sizes[1]
		if err := memoryFiles(pid, files); errors.Is(err, os.ErrPermission) {
			return nil // the touched pages of these files are in Pss
		} else if err != nil {
			return err
		}
		f.Bytes -= sizes[2]
		return nil
	})
	for _, size := range files {
		f.Bytes += size
	}
	return f, err
}

// sameMemory reports whether two processes share their memory. A child started by vfork shares
// that of its parent until it executes its program. If the kernel does not tell, they count as
// two.
func sameMemory(a, b int) bool {
	const ofMemory = 1 // KCMP_VM
	order, _, errno := unix.Syscall6(unix.SYS_KCMP, uintptr(a), uintptr(b), ofMemory, 0, 0, 0)
	return errno == 0 && order == 0
}

// memoryFiles adds the mapped memfds of a process with their sizes.
func memoryFiles(pid int, files map[uint64]int64) error {
	for line := range fileLines(fmt.Sprintf("/proc/%d/maps", pid)) {
		at, rest, _ := strings.Cut(line, " ")
		if !strings.Contains(rest, " /memfd:") && !strings.Contains(rest, " /dev/zero") {
			continue
		}
		info, err := os.Stat(fmt.Sprintf("/proc/%d/map_files/%s", pid, at))
		if errors.Is(err, os.ErrNotExist) {
			continue // it is not mapped any more
		} else if err != nil {
			return err
		}
		if s, ok := info.Sys().(*syscall.Stat_t); ok {
			files[s.Ino] = s.Blocks * 512
		}
	}
	return nil
}
