// Package proc reads from /proc what a running server uses and what the machine has: memory,
// processor time, file descriptors, kernel memory, limits.
package proc

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Process is a process with all its descendants, by the number of the first: a server may have
// workers.
type Process int

// Family is the process itself and its descendants.
func (p Process) Family() ([]int, error) {
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", p)); err != nil {
		return nil, fmt.Errorf("process %d is not there", p)
	}
	parents := map[int]int{}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	for _, name := range stats {
		// A zombie has nothing to read.
		if pid, fields, ok := statFields(name); ok && fields[0] != "Z" {
			parents[pid], _ = strconv.Atoi(fields[1])
		}
	}
	family := []int{int(p)}
	for i := 0; i < len(family); i++ {
		for pid, parent := range parents {
			if parent == family[i] {
				family = append(family, pid)
			}
		}
	}
	return family, nil
}

// statFields returns the fields of a stat file from the state on.
func statFields(name string) (pid int, fields []string, ok bool) {
	data, err := os.ReadFile(name)
	end := bytes.LastIndexByte(data, ')')
	if err != nil || end < 0 {
		return 0, nil, false // it has ended
	}
	pid, err = strconv.Atoi(filepath.Base(filepath.Dir(name)))
	fields = strings.Fields(string(data[end+1:]))
	return pid, fields, err == nil && len(fields) > 13
}

// Find returns the only process with this name whose parent has another name.
func Find(name string) (Process, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	parents := map[int]int{}
	for _, file := range stats {
		comm, err := os.ReadFile(filepath.Join(filepath.Dir(file), "comm"))
		if err != nil || strings.TrimSpace(string(comm)) != name[:min(len(name), 15)] { // the kernel stores 15 bytes
			continue
		}
		if pid, fields, ok := statFields(file); ok {
			parents[pid], _ = strconv.Atoi(fields[1])
		}
	}
	var found []int
	for pid, parent := range parents {
		if _, ok := parents[parent]; !ok {
			found = append(found, pid)
		}
	}
	slices.Sort(found)
	switch len(found) {
	case 0:
		return 0, fmt.Errorf("no process %q is running: start it, or name it with --pid", name)
	case 1:
		return Process(found[0]), nil
	}
	return 0, fmt.Errorf("several processes %q are running, %v: name one with --pid", name, found)
}

// Memory is the memory of a process and its descendants, in bytes.
type Memory struct {
	Virtual      int64
	Resident     int64 // sum over the processes; shared memory counts for each
	Proportional int64 // PSS: shared memory is divided among its users
	Program      int64 // of Resident: unmodified pages of files, such as the program and its libraries
}

// Memory reads smaps_rollup, which is exact (statm lags by up to 64 pages a thread).
func (p Process) Memory() (m Memory, err error) {
	err = p.each(func(pid int) error {
		sizes, err := kilobytes(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Rss", "Pss")
		if err != nil {
			return err
		}
		m.Resident += sizes[0]
		m.Proportional += sizes[1]
		program, err := programPages(fmt.Sprintf("/proc/%d/smaps", pid))
		if err != nil {
			return err
		}
		m.Program += program
		if sizes, err = kilobytes(fmt.Sprintf("/proc/%d/status", pid), "VmSize"); err != nil {
			return err
		}
		m.Virtual += sizes[0]
		return nil
	})
	return m, err
}

// programPages counts the resident bytes of private file mappings that are not writable and
// were not written. The kernel maps them when the program needs them, 16 pages at a time. They
// do not depend on the load.
func programPages(smaps string) (bytes int64, err error) {
	f, err := os.Open(smaps)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	program := false // the current mapping
	for lines := bufio.NewScanner(f); lines.Scan(); {
		words := strings.Fields(lines.Text())
		switch {
		case len(words) >= 5 && !strings.HasSuffix(words[0], ":"):
			program = len(words) >= 6 && strings.HasPrefix(words[5], "/") && words[1][1] == '-'
		case program && len(words) == 3 && (words[0] == "Rss:" || words[0] == "Anonymous:"):
			kb, err := strconv.ParseInt(words[1], 10, 64)
			if err != nil {
				return 0, fmt.Errorf("%s: %s: %w", smaps, words[0], err)
			}
			if words[0] == "Anonymous:" {
				kb = -kb
			}
			bytes += kb << 10
		}
	}
	return bytes, nil
}

// ResetPeak resets Peak to the current resident memory.
func (p Process) ResetPeak() error {
	return p.each(func(pid int) error {
		return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
	})
}

// Peak returns the maximum resident memory since ResetPeak.
func (p Process) Peak() (peak int64, err error) {
	err = p.each(func(pid int) error {
		sizes, err := kilobytes(fmt.Sprintf("/proc/%d/status", pid), "VmHWM")
		if err == nil {
			peak += sizes[0]
		}
		return err
	})
	return peak, err
}

// Descriptors returns the number of open file descriptors.
func (p Process) Descriptors() (n int, err error) {
	err = p.each(func(pid int) error {
		dir, err := os.Open(fmt.Sprintf("/proc/%d/fd", pid))
		if err != nil {
			return err
		}
		defer dir.Close()
		// Since Linux 6.2 the directory's size is the count.
		if info, err := dir.Stat(); err == nil && info.Size() > 0 {
			n += int(info.Size())
			return nil
		}
		names, err := dir.Readdirnames(-1)
		n += len(names)
		return err
	})
	return n, err
}

// DescriptorLimit returns the process's limit on file descriptors.
func (p Process) DescriptorLimit() (int, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", p))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "Max open files"); ok {
			return strconv.Atoi(strings.Fields(rest)[0])
		}
	}
	return 0, fmt.Errorf("process %d: no limit of open files", p)
}

// each calls do for the process and its descendants. A descendant that has ended is skipped.
func (p Process) each(do func(pid int) error) error {
	family, err := p.Family()
	if err != nil {
		return err
	}
	for _, pid := range family {
		if err := do(pid); err != nil && (pid == int(p) || !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ESRCH)) {
			return fmt.Errorf("process %d: %w", pid, err)
		}
	}
	return nil
}

// kilobytes reads lines such as "Rss: 120 kB" of a file, and returns bytes. A zombie has no
// such lines: fs.ErrNotExist.
func kilobytes(name string, keys ...string) ([]int64, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	values := make([]int64, len(keys))
	found := 0
	lines := bufio.NewScanner(f)
	for lines.Scan() && found < len(keys) {
		key, rest, _ := strings.Cut(lines.Text(), ":")
		if i := slices.Index(keys, key); i >= 0 {
			kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", name, key, err)
			}
			values[i] = kb << 10
			found++
		}
	}
	if found < len(keys) {
		return nil, fmt.Errorf("%s: some of %v are missing: %w", name, keys, fs.ErrNotExist)
	}
	return values, nil
}

// CPU is processor time. All is exact; User and System are the kernel's sampled shares, which
// are good over seconds.
type CPU struct{ All, User, System time.Duration }

// Sub returns the time between before and c.
func (c CPU) Sub(before CPU) CPU {
	return CPU{c.All - before.All, c.User - before.User, c.System - before.System}
}

// Add is the sum.
func (c CPU) Add(d CPU) CPU { return CPU{c.All + d.All, c.User + d.User, c.System + d.System} }

// CPU returns the processor time of the process and its descendants so far.
func (p Process) CPU() (c CPU, err error) {
	err = p.each(func(pid int) error {
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
		if err != nil {
			return err
		}
		for _, task := range tasks {
			data, err := os.ReadFile(task)
			if err != nil {
				continue // the thread has ended
			}
			run, _, _ := strings.Cut(string(data), " ")
			ns, _ := strconv.ParseInt(run, 10, 64)
			c.All += time.Duration(ns)
		}
		_, fields, ok := statFields(fmt.Sprintf("/proc/%d/stat", pid))
		if !ok {
			return fs.ErrNotExist
		}
		const tick = 10 * time.Millisecond // USER_HZ is 100 on every Linux that Go runs on
		user, _ := strconv.ParseInt(fields[11], 10, 64)
		system, _ := strconv.ParseInt(fields[12], 10, 64)
		c.User += time.Duration(user) * tick
		c.System += time.Duration(system) * tick
		return nil
	})
	return c, err
}

// Writes returns the number of write calls of the process and its descendants.
func (p Process) Writes() (n int64) {
	_ = p.each(func(pid int) error {
		for line := range fileLines(fmt.Sprintf("/proc/%d/io", pid)) {
			if rest, ok := strings.CutPrefix(line, "syscw:"); ok {
				calls, _ := strconv.ParseInt(strings.TrimSpace(rest), 10, 64)
				n += calls
			}
		}
		return nil
	})
	return n
}
