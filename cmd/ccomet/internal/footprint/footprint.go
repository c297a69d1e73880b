// Package footprint releases memory that only the start of the program needed.
package footprint

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"strings"

	"golang.org/x/sys/unix"
)

// GiveBack releases what starting has left: garbage, such as the parser of the command
// line, and the mapped pages of the program's file. Most code runs only at the start. The
// kernel maps 16 pages for each one that is needed, and all count as resident until memory
// is short. Released pages remain in the kernel's file cache. A page that is needed again
// is mapped again without reading the disk.
func GiveBack() {
	debug.FreeOSMemory()
	giveBackPages(true)
}

// After returns a handler that calls h and then releases the memory that this took: a rare
// request may map megabytes of the program's file that nothing else needs. With a large
// heap, garbage is left to the collector, because a collection takes long and saves little.
func After(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r)
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		if metrics.Read(live); live[0].Value.Uint64() < littleHeap {
			debug.FreeOSMemory()
		}
		giveBackPages(false)
	})
}

// littleHeap is a heap size that the collector scans within a millisecond.
const littleHeap = 8 << 20

func giveBackPages(libraries bool) {
	for _, m := range filePages(libraries) {
		// Fails where memory is locked, which then must stay.
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.from, m.to-m.from, unix.MADV_DONTNEED)
	}
}

// mapping is a range of addresses.
type mapping struct{ from, to uintptr }

// filePages returns the mappings that contain only unmodified pages of files: not those
// that are writable, or were written by the loader or a debugger, because then the process
// has private pages there, in memory or swapped out. Without libraries it returns only the
// first ones, which are the program's: reading the rest of smaps takes time in proportion
// to the process's memory.
func filePages(libraries bool) (list []mapping) {
	smaps, err := os.Open("/proc/self/smaps")
	if err != nil {
		return nil
	}
	defer smaps.Close()
	asInFile := false // the current mapping is the last of the list
	for lines := bufio.NewScanner(smaps); lines.Scan(); {
		line := lines.Text()
		if m, ofFile, ok := parseMapping(line); ok {
			if asInFile = ofFile; asInFile {
				list = append(list, m)
			} else if len(list) > 0 && !libraries {
				break
			}
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		if asInFile && (name == "Anonymous" || name == "Swap") && strings.TrimSpace(value) != "0 kB" {
			list, asInFile = list[:len(list)-1], false
		}
	}
	return list
}

// parseMapping parses the first line of a mapping. ofFile: it is a private mapping of a
// file that is readable and not writable.
func parseMapping(line string) (m mapping, ofFile, ok bool) {
	var mode, offset, device, inode, name string
	n, _ := fmt.Sscanf(line, "%x-%x %s %s %s %s %s", &m.from, &m.to, &mode, &offset, &device, &inode, &name)
	return m, n == 7 && strings.HasPrefix(mode, "r") && mode[1:2] == "-" && mode[3:] == "p" && strings.HasPrefix(name, "/"), n >= 6
}
