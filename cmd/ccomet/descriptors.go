package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// raiseDescriptors raises this process's soft limit of descriptors to the hard
// one, and returns that. Each connection takes one.
func raiseDescriptors() (uint64, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("reading the descriptor limit: %w", err)
	}
	limit.Cur = limit.Max
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("raising the descriptor limit to %d: %w", limit.Max, err)
	}
	return limit.Max, nil
}

// openDescriptors counts those that are open now.
func openDescriptors() (uint64, error) {
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return 0, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	return uint64(max(len(names)-1, 0)), err // less the directory itself
}
