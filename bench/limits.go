package bench

import (
	"fmt"
	"strings"
	"syscall"

	"ccomet/bench/proc"
)

// Checks before anything is started: a run that would fail at connection 983,040 should
// fail immediately, and say which command helps.

// LimitError lists limits that are too small, each with the command that raises it.
type LimitError []string

func (e LimitError) Error() string {
	return "this machine's limits are too small for the run:\n  " + strings.Join(e, "\n  ")
}

// spare is the number of descriptors that a process needs in addition to its connections.
const spare = 100

// kernelPerConnection is a generous estimate of the kernel's memory for both ends of a
// waiting connection, in bytes.
const kernelPerConnection = 10 << 10

// RaiseDescriptors raises the soft limit on file descriptors to the hard limit, for this
// process and its children.
func RaiseDescriptors() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("reading the descriptor limit: %w", err)
	}
	limit.Cur = limit.Max
	// Unlike the function in x/sys, this one lets child processes inherit the limit.
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("raising the descriptor limit to %d: %w", limit.Max, err)
	}
	return nil
}

// checkMachine checks the limits that do not depend on the server.
func (o *Options) checkMachine() error {
	var bad LimitError
	n := o.Connections
	if limit := descriptorLimit(); limit > 0 {
		if o.PerClient+spare > limit {
			bad = append(bad, fmt.Sprintf("a client process may have %d descriptors and needs %d: give fewer connections to each, --per-client %d",
				limit, o.PerClient+spare, max(1, limit-spare)))
		}
		if !o.Running && o.PID == 0 && n+spare > limit {
			bad = append(bad, descriptorAdvice("the server", n, limit))
		}
	}
	if ports, err := proc.Sysctl("net.ipv4.ip_local_port_range"); err == nil && len(ports) == 2 {
		have := int(ports[1]-ports[0]+1) * sourcesEach(o.PerClient)
		if min(o.PerClient, n) > have {
			bad = append(bad, fmt.Sprintf("%d connections of a client process have %d ports: sysctl -w net.ipv4.ip_local_port_range='1024 65535'", o.PerClient, have))
		}
	}
	if files, err := proc.Sysctl("fs.file-nr"); err == nil && len(files) == 3 && int64(2*n)+files[0] > files[2] {
		bad = append(bad, fmt.Sprintf("the machine may have %d open files: sysctl -w fs.file-max=%d", files[2], int64(2*n)+files[0]+10000))
	}
	if backlog, err := proc.Sysctl("net.core.somaxconn"); err == nil && backlog[0] < 512 {
		bad = append(bad, fmt.Sprintf("a listener's backlog may be %d: sysctl -w net.core.somaxconn=4096", backlog[0]))
	}
	if available, err := proc.MemoryAvailable(); err == nil && int64(n)*kernelPerConnection > available {
		bad = append(bad, fmt.Sprintf("%d connections take some %d MiB of the kernel's memory, both ends counted, and %d MiB are available: give fewer, or more memory",
			n, int64(n)*kernelPerConnection>>20, available>>20))
	}
	if len(bad) > 0 {
		return bad
	}
	return nil
}

// checkServer checks the limits of the server's process. A server with several workers may
// have as many connections as all of them together.
func (o *Options) checkServer(p proc.Process) error {
	family, err := p.Family()
	if err != nil {
		return err
	}
	limit, err := p.DescriptorLimit()
	if err == nil && o.Connections+spare > limit*len(family) {
		return LimitError{descriptorAdvice("the server", o.Connections, limit)}
	}
	return nil
}

func descriptorAdvice(who string, n, limit int) string {
	var nrOpen string
	if most, err := proc.Sysctl("fs.nr_open"); err == nil && int(most[0]) < n+spare {
		nrOpen = fmt.Sprintf("sysctl -w fs.nr_open=%d && ", n+spare)
	}
	return fmt.Sprintf("%s may have %d descriptors and needs %d: %sulimit -Hn %d, as root; where that cannot be, make bench-vm CONNS=%d",
		who, limit, n+spare, nrOpen, n+spare, n)
}

// descriptorLimit returns the hard limit on descriptors, or 0 if it is unknown.
func descriptorLimit() int {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return int(min(limit.Max, 1<<40))
}
