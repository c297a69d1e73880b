package main

import (
	"fmt"
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
)

// machine is what the kernel tells of itself, in files below /proc and /sys.
type machine struct {
	files fs.FS // of /
	pid   int   // whose limits count; 0: this process's
	page  int64 // bytes of a page
}

// unlimited is a limit that is none.
const unlimited = math.MaxInt64

// text is what a file says, trimmed.
func (m *machine) text(name string) (string, error) {
	text, err := fs.ReadFile(m.files, name)
	return strings.TrimSpace(string(text)), err
}

// sysctl reads the numbers of a kernel setting such as "net.core.somaxconn".
func (m *machine) sysctl(name string, n int) ([]int64, error) {
	text, err := m.text("proc/sys/" + strings.ReplaceAll(name, ".", "/"))
	if err != nil {
		return nil, err
	}
	values, err := numbers(strings.Fields(text))
	if err == nil && len(values) != n {
		err = fmt.Errorf("%q: want %d numbers", text, n)
	}
	return values, err
}

// numbers reads numbers; those beyond 63 bits are unlimited.
func numbers(fields []string) ([]int64, error) {
	var values []int64
	for _, field := range fields {
		v, err := strconv.ParseInt(field, 10, 64)
		if _, tooLarge := strconv.ParseUint(field, 10, 64); err != nil && tooLarge != nil {
			return nil, err
		} else if err != nil {
			v = unlimited
		}
		values = append(values, v)
	}
	return values, nil
}

// process is the directory of the process whose limits count.
func (m *machine) process() string {
	if m.pid > 0 {
		return "proc/" + strconv.Itoa(m.pid)
	}
	return "proc/self"
}

// descriptors are the process's soft and hard limit of open files.
func (m *machine) descriptors() (soft, hard int64, err error) {
	const label = "Max open files"
	text, err := m.text(m.process() + "/limits")
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(text) {
		rest, found := strings.CutPrefix(line, label)
		if !found {
			continue
		}
		fields := strings.Fields(strings.ReplaceAll(rest, "unlimited", strconv.FormatInt(unlimited, 10)))
		if values, err := numbers(fields[:min(2, len(fields))]); err == nil && len(values) == 2 {
			return values[0], values[1], nil
		}
	}
	return 0, 0, fmt.Errorf("%s/limits has no line of %q", m.process(), label)
}

// memory reads sizes of /proc/meminfo, in bytes.
func (m *machine) memory(names ...string) ([]int64, error) {
	text, err := m.text("proc/meminfo")
	if err != nil {
		return nil, err
	}
	found := map[string]int64{}
	for line := range strings.Lines(text) {
		name, rest, _ := strings.Cut(line, ":")
		if fields := strings.Fields(rest); len(fields) > 0 {
			kilobytes, _ := strconv.ParseInt(fields[0], 10, 64)
			found[name] = kilobytes << 10
		}
	}
	var values []int64
	for _, name := range names {
		value, there := found[name]
		if !there {
			return nil, fmt.Errorf("proc/meminfo has no %s", name)
		}
		values = append(values, value)
	}
	return values, nil
}

// group is what the control group of the process leaves it of memory, in bytes,
// unlimited without one, and the file that bounds it.
func (m *machine) group() (left int64, file string) {
	left = unlimited
	text, _ := m.text(m.process() + "/cgroup")
	for line := range strings.Lines(text) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		base, limit, used := "sys/fs/cgroup", "memory.max", "memory.current"
		if parts[1] == "memory" { // version 1
			base, limit, used = "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
		} else if parts[0] != "0" {
			continue
		}
		// Those above bound it as well. Within a container the path may be the
		// machine's: then only the one at the base is there.
		for dir := path.Join(base, parts[2]); strings.HasPrefix(dir, base); dir = path.Dir(dir) {
			most, err := m.number(path.Join(dir, limit))
			if err != nil || most == unlimited {
				continue
			}
			now, _ := m.number(path.Join(dir, used))
			if most-now < left {
				left, file = most-now, path.Join("/", dir, limit)
			}
		}
	}
	return left, file
}

// number reads a file of one number; "max" is unlimited.
func (m *machine) number(name string) (int64, error) {
	text, err := m.text(name)
	if err != nil {
		return 0, err
	}
	if text == "max" {
		return unlimited, nil
	}
	values, err := numbers([]string{text})
	if err != nil {
		return 0, err
	}
	return values[0], nil
}
