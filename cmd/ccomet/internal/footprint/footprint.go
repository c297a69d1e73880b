// Package footprint gives back the memory that only the start of the program needed.
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

// GiveBack gives back what starting has left: garbage, such as the command line's parser,
// and the pages of the program's file that were read meanwhile. Most of a program runs only
// once, when it starts, and the kernel maps 16 pages for each one that is needed; all of
// them count as resident until memory is short. They stay in the kernel's cache of the file,
// and those that are needed again are mapped again without reading the disk.
func GiveBack() {
	debug.FreeOSMemory()
	giveBackPages(true)
}

// After serves as h does, and then gives back what that has taken: what is asked for now and
// then may need megabytes of the program's file that nothing else needs. Garbage is left to
// the collector where it has much to look through, and megabytes are little.
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

// littleHeap is the heap which the collector is through within a millisecond.
const littleHeap = 8 << 20

func giveBackPages(libraries bool) {
	for _, m := range filePages(libraries) {
		// Refused where memory is locked, and then it is to stay.
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.from, m.to-m.from, unix.MADV_DONTNEED)
	}
}

// mapping is a range of addresses.
type mapping struct{ from, to uintptr }

// filePages are the mappings that hold nothing but pages of files as they are in the file:
// none that may be written, and none that has been, as by the loader or a debugger, so that
// the process has pages of its own there, in memory or swapped out. Without libraries they
// are those that come first, which are the program's: to read on takes as long as there is
// memory.
func filePages(libraries bool) (list []mapping) {
	smaps, err := os.Open("/proc/self/smaps")
	if err != nil {
		return nil
	}
	defer smaps.Close()
	asInFile := false // the mapping at hand, which is the last of the list then
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

// parseMapping reads the line that begins a mapping, and says whether it is of a file that
// is not to be written.
func parseMapping(line string) (m mapping, ofFile, ok bool) {
	var mode, offset, device, inode, name string
	n, _ := fmt.Sscanf(line, "%x-%x %s %s %s %s %s", &m.from, &m.to, &mode, &offset, &device, &inode, &name)
	return m, n == 7 && strings.HasPrefix(mode, "r") && mode[1:2] == "-" && mode[3:] == "p" && strings.HasPrefix(name, "/"), n >= 6
}
