package proc

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// Footprint is the memory that the process and its descendants take together, in bytes:
// what several of them share counts once, and so does a file in memory (memfd), whichever
// part of it they have touched. What only descriptors refer to is not in it.
func (p Process) Footprint() (n int64, err error) {
	files := map[uint64]int64{} // by inode
	err = p.each(func(pid int) error {
		sizes, err := kilobytes(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss", "Pss_Shmem")
		if err != nil {
			return err
		}
		n += sizes[0]
		if err := memoryFiles(pid, files); errors.Is(err, os.ErrPermission) {
			return nil // what of the files is touched is in Pss
		} else if err != nil {
			return err
		}
		n -= sizes[1]
		return nil
	})
	for _, size := range files {
		n += size
	}
	return n, err
}

// memoryFiles adds the files in memory that a process has mapped, with what they hold.
func memoryFiles(pid int, files map[uint64]int64) error {
	for line := range fileLines(fmt.Sprintf("/proc/%d/maps", pid)) {
		at, rest, _ := strings.Cut(line, " ")
		if !strings.Contains(rest, " /memfd:") && !strings.Contains(rest, " /dev/zero") {
			continue
		}
		info, err := os.Stat(fmt.Sprintf("/proc/%d/map_files/%s", pid, at))
		if errors.Is(err, os.ErrNotExist) {
			continue // it is mapped no more
		} else if err != nil {
			return err
		}
		if s, ok := info.Sys().(*syscall.Stat_t); ok {
			files[s.Ino] = s.Blocks * 512
		}
	}
	return nil
}
