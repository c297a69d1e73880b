package main

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestDescriptorsAreCounted: both ways of counting give the same result, and take no more
// memory for more descriptors.
func TestDescriptorsAreCounted(t *testing.T) {
	before, err := openDescriptors()
	if err != nil {
		t.Fatal(err)
	}
	const more = 500
	for range more {
		fd, err := unix.Dup(0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
	}
	if n, err := openDescriptors(); err != nil || n != before+more {
		t.Errorf("%d and %d more are %d, %v", before, more, n, err)
	}
	listed := func() uint64 {
		dir, err := unix.Open("/proc/self/fd", unix.O_RDONLY|unix.O_DIRECTORY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(dir)
		n, err := countEntries(dir)
		if err != nil {
			t.Fatal(err)
		}
		return n - 1
	}
	if n := listed(); n != before+more {
		t.Errorf("%d and %d more are %d, as they are listed", before, more, n)
	}
	allocations := testing.AllocsPerRun(10, func() {
		_, _ = openDescriptors()
		listed()
	})
	if allocations > 10 {
		t.Errorf("counting %d descriptors takes %v allocations", before+more, allocations)
	}
	if n, err := countEntries(-1); err == nil {
		t.Errorf("without a directory: %d entries", n)
	}
}
