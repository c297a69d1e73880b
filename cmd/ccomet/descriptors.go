package main

import (
	"fmt"
	"unsafe"

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

// openDescriptors counts those that are open now. It takes no memory for each: a program
// that goes on for another one has a million when it begins.
func openDescriptors() (uint64, error) {
	fd, err := unix.Open("/proc/self/fd", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	var info unix.Stat_t
	if err := unix.Fstat(fd, &info); err != nil {
		return 0, err
	}
	n := uint64(info.Size) // since Linux 6.2 it is the count
	if n == 0 {
		if n, err = countEntries(fd); err != nil {
			return 0, err
		}
	}
	return n - 1, nil // less the directory itself
}

// countEntries counts what is in a directory, but for "." and "..".
func countEntries(dir int) (n uint64, err error) {
	list := make([]byte, 4<<10)
	for {
		got, err := unix.Getdents(dir, list)
		if err != nil || got == 0 {
			return max(n, 2) - 2, err
		}
		for rest := list[:got]; len(rest) > 0; n++ {
			length := (*unix.Dirent)(unsafe.Pointer(&rest[0])).Reclen
			rest = rest[length:]
		}
	}
}
