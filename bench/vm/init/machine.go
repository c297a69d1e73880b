package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// descriptors is how many a process here may have: a million connections with
// both ends in one process, and some to spare.
const descriptors = 2_200_000

func mountAll() error {
	for _, m := range []struct{ kind, dir string }{
		{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tmpfs", "/tmp"}, {"tmpfs", "/results"},
	} {
		if err := os.MkdirAll(m.dir, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m.kind, m.dir, m.kind, 0, ""); err != nil {
			return fmt.Errorf("mounting %s on %s: %w", m.kind, m.dir, err)
		}
	}
	return nil
}

// setting is a value of the kernel's, by its path below /proc/sys.
type setting struct{ path, value string }

// settings are those of a machine with so many bytes of memory.
func settings(memory uint64) []setting {
	pages := memory / uint64(os.Getpagesize())
	return []setting{
		// The bound of RLIMIT_NOFILE, and the open files of all processes.
		{"fs/nr_open", fmt.Sprint(descriptors)},
		{"fs/file-max", fmt.Sprint(4 * descriptors)},
		// Both ends stand in an epoll, and one user owns them all.
		{"fs/epoll/max_user_watches", fmt.Sprint(4 * descriptors)},
		// Connections come faster than they are accepted: none should be
		// dropped, for its client tries again only after a second.
		{"net/core/somaxconn", "65535"},
		{"net/ipv4/tcp_max_syn_backlog", "65535"},
		{"net/core/netdev_max_backlog", "100000"},
		// As many connections as can be between two addresses.
		{"net/ipv4/ip_local_port_range", "1024 65535"},
		// Half of the memory, in pages, before TCP saves on buffers: a message
		// to a million connections waits in as many of them.
		{"net/ipv4/tcp_mem", fmt.Sprintf("%d %d %d", pages/2, pages/2, pages/2)},
		// Without memory nothing that is measured counts: the machine dies
		// instead of living on without one of its processes.
		{"vm/panic_on_oom", "1"},
	}
}

func applySettings(list []setting) error {
	var errs []error
	for _, s := range list {
		if err := os.WriteFile(filepath.Join("/proc/sys", s.path), []byte(s.value), 0); err != nil {
			errs = append(errs, fmt.Errorf("setting %s to %s: %w", s.path, s.value, err))
		}
	}
	return errors.Join(errs...)
}

// raiseDescriptors sets the limit that the commands inherit.
func raiseDescriptors() error {
	limit := unix.Rlimit{Cur: descriptors, Max: descriptors}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("raising the descriptor limit to %d: %w", descriptors, err)
	}
	return nil
}

// loopbackUp brings up lo, and with it all of 127.0.0.0/8.
func loopbackUp() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("bringing up lo: %w", err)
	}
	defer unix.Close(s)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return fmt.Errorf("bringing up lo: %w", err)
	}
	request.SetUint16(unix.IFF_UP)
	if err = unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, request); err != nil {
		return fmt.Errorf("bringing up lo: %w", err)
	}
	return nil
}

// totalMemory is what the kernel can give out, in bytes.
func totalMemory() (uint64, error) {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0, fmt.Errorf("asking for the size of the memory: %w", err)
	}
	return info.Totalram * uint64(info.Unit), nil
}

// facts says what the numbers of this machine depend on.
func facts(memory uint64) string {
	return fmt.Sprintf("Linux %s, %d processors, %d MiB, transparent huge pages %s, %d descriptors a process",
		word("/proc/sys/kernel/osrelease"), runtime.NumCPU(), memory>>20,
		word("/sys/kernel/mm/transparent_hugepage/enabled"), descriptors)
}

// word is what a file of the kernel's says, "unknown" where there is none. Of a
// list it is the one in brackets, which is chosen.
func word(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	list := strings.TrimSpace(string(text))
	if _, rest, ok := strings.Cut(list, "["); ok {
		list, _, _ = strings.Cut(rest, "]")
	}
	return list
}
