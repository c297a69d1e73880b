package proc

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"ccomet/bench/result"
)

// Kernel is kernel memory for sockets of the whole machine, in bytes.
type Kernel struct {
	Slabs   int64 // the parts of a waiting connection; 0 if slabinfo is not readable
	Buffers int64 // buffers of TCP sockets
}

// socketSlabs are the slab caches of a connection's parts. If the kernel has merged some of
// them with others of the same size, those have another name and are not counted.
var socketSlabs = map[string]bool{
	"TCP": true, "TCPv6": true, "tw_sock_TCP": true, "request_sock_TCP": true, "tcp_bind_bucket": true, "tcp_bind2_bucket": true,
	"sock_inode_cache": true, "filp": true, "eventpoll_epi": true, "eventpoll_pwq": true,
}

// ReadKernel reads /proc/slabinfo, which requires root, and /proc/net/sockstat.
func ReadKernel() (k Kernel) {
	page := int64(os.Getpagesize())
	var sockets, entry int64
	for line := range fileLines("/proc/slabinfo") {
		// name <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : … : slabdata <active_slabs> <num_slabs> <sharedavail>
		f := strings.Fields(line)
		if len(f) < 16 {
			continue
		}
		number := func(i int) int64 {
			n, _ := strconv.ParseInt(f[i], 10, 64)
			return n
		}
		if socketSlabs[f[0]] {
			k.Slabs += number(5) * number(14) * page
		}
		switch f[0] {
		case "sock_inode_cache":
			sockets = number(2)
		case "dentry":
			entry = number(3)
		}
	}
	// Each socket has one directory entry. Other directory entries depend on what else the
	// machine does.
	k.Slabs += sockets * entry
	for line := range fileLines("/proc/net/sockstat") {
		if f := strings.Fields(line); len(f) > 2 && f[0] == "TCP:" && f[len(f)-2] == "mem" {
			pages, _ := strconv.ParseInt(f[len(f)-1], 10, 64)
			k.Buffers = pages * page
		}
	}
	return k
}

// fileLines yields the lines of a file, none if it cannot be read.
func fileLines(name string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		f, err := os.Open(name)
		if err != nil {
			return
		}
		defer f.Close()
		lines := bufio.NewScanner(f)
		for lines.Scan() && yield(lines.Text()) {
		}
	}
}

// MemoryAvailable returns how many bytes are available without swapping.
func MemoryAvailable() (int64, error) {
	sizes, err := kilobytes("/proc/meminfo", "MemAvailable")
	if err != nil {
		return 0, err
	}
	return sizes[0], nil
}

// LoadAverage returns the machine's load average of the last minute.
func LoadAverage() (load float64) {
	for line := range fileLines("/proc/loadavg") {
		first, _, _ := strings.Cut(line, " ")
		load, _ = strconv.ParseFloat(first, 64)
	}
	return load
}

// Sysctl reads the numbers of a kernel setting such as "net.core.somaxconn".
func Sysctl(name string) ([]int64, error) {
	data, err := os.ReadFile("/proc/sys/" + strings.ReplaceAll(name, ".", "/"))
	if err != nil {
		return nil, err
	}
	var values []int64
	for _, field := range strings.Fields(string(data)) {
		v, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		values = append(values, v)
	}
	return values, nil
}

// ThisMachine describes the machine, without its name.
func ThisMachine() result.Machine {
	m := result.Machine{Cores: runtime.NumCPU(), Go: "Go " + strings.TrimPrefix(runtime.Version(), "go"), CPU: "unknown processor"}
	for line := range fileLines("/proc/cpuinfo") {
		key, value, _ := strings.Cut(line, ":")
		switch strings.TrimSpace(key) {
		case "model name":
			m.CPU = strings.TrimSpace(value)
		case "flags":
			m.Virtual = strings.Contains(value+" ", " hypervisor ")
		}
	}
	m.Emulated = emulated(m.CPU)
	if sizes, err := kilobytes("/proc/meminfo", "MemTotal"); err == nil {
		m.MemoryBytes = sizes[0]
	}
	if release, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		if parts := strings.SplitN(strings.TrimSpace(string(release)), ".", 3); len(parts) > 1 {
			m.Kernel = "Linux " + parts[0] + "." + parts[1]
		}
	}
	return m
}

// emulated reports whether the processor is emulated by QEMU, which its name shows.
func emulated(cpu string) bool { return strings.Contains(cpu, "QEMU") || strings.Contains(cpu, "TCG") }
