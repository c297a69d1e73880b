// Package footprint gives back the memory that only the start of the program needed.
package footprint

import (
	"bufio"
	"fmt"
	"os"
	"runtime/debug"
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
	for _, m := range filePages() {
		// Refused where memory is locked, and then it is to stay.
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.from, m.to-m.from, unix.MADV_DONTNEED)
	}
}

// mapping is a range of addresses.
type mapping struct{ from, to uintptr }

// filePages are the mappings that hold nothing but pages of files as they are in the file:
// none that may be written, and none that has been, as by the loader or a debugger, so that
// the process has pages of its own there, in memory or swapped out.
func filePages() (list []mapping) {
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
