package doctor

import (
	"fmt"
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
)

// Machine reads what the kernel reports in files below /proc and /sys.
type Machine struct {
	Files fs.FS // rooted at /
	PID   int   // the process whose limits count; 0: this one
	Page  int64 // page size in bytes
}

// unlimited stands for no limit.
const unlimited = math.MaxInt64

// Text returns the content of a file, trimmed.
func (m *Machine) Text(name string) (string, error) {
	text, err := fs.ReadFile(m.Files, name)
	return strings.TrimSpace(string(text)), err
}

// sysctl reads the n numbers of a kernel setting such as "net.core.somaxconn".
func (m *Machine) sysctl(name string, n int) ([]int64, error) {
	text, err := m.Text("proc/sys/" + strings.ReplaceAll(name, ".", "/"))
	if err != nil {
		return nil, err
	}
	values, err := numbers(strings.Fields(text))
	if err == nil && len(values) != n {
		err = fmt.Errorf("%q: want %d numbers", text, n)
	}
	return values, err
}

// numbers parses numbers. A number of more than 63 bits means unlimited.
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

// Process returns the directory of the process whose limits count.
func (m *Machine) Process() string {
	if m.PID > 0 {
		return "proc/" + strconv.Itoa(m.PID)
	}
	return "proc/self"
}

// descriptors returns the process's soft and hard limit on open files.
func (m *Machine) descriptors() (soft, hard int64, err error) {
	const label = "Max open files"
	text, err := m.Text(m.Process() + "/limits")
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
	return 0, 0, fmt.Errorf("%s/limits has no line of %q", m.Process(), label)
}

// memory returns values of /proc/meminfo, in bytes.
func (m *Machine) memory(names ...string) ([]int64, error) {
	text, err := m.Text("proc/meminfo")
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

// group returns how much memory the control group of the process still permits, in bytes,
// and the file with that limit. Without a control group it is unlimited.
func (m *Machine) group() (left int64, file string) {
	left = unlimited
	text, _ := m.Text(m.Process() + "/cgroup")
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
		// The parent groups have limits too. In a container the path may be the host's;
		// then only the group at the base exists.
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

// number reads a file with one number. "max" means unlimited.
func (m *Machine) number(name string) (int64, error) {
	text, err := m.Text(name)
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
