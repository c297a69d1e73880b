//go:build !faults

package reactor

import "golang.org/x/sys/unix"

// Without the tag "faults" the functions of faults.go do nothing, and the
// compiler removes them.

func fault(string, int32) unix.Errno                              { return 0 }
func faultyPart(_ string, _ int32, p []byte) ([]byte, unix.Errno) { return p, 0 }
func spurious(_ int, _ []unix.EpollEvent, n int) int              { return n }
func watched(int, int, int32, uint64, uint32)                     {}
func forget(int32)                                                {}
