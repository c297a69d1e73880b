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

// descriptors is the limit of file descriptors of a process: enough for both
// ends of a million connections, and some to spare.
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

// setting is a value for a file of the kernel, by its path below /proc/sys.
type setting struct{ path, value string }

// settings returns the settings for a machine with so many bytes of memory.
func settings(memory uint64) []setting {
	pages := memory / uint64(os.Getpagesize())
	return []setting{
		// The upper bound of RLIMIT_NOFILE, and the open files of all
		// processes.
		{"fs/nr_open", fmt.Sprint(descriptors)},
		{"fs/file-max", fmt.Sprint(4 * descriptors)},
		// Both ends of a connection are in an epoll instance, and one user owns
		// all.
		{"fs/epoll/max_user_watches", fmt.Sprint(4 * descriptors)},
		// Connections come faster than they are accepted. A dropped SYN would
		// be sent again only after a second.
		{"net/core/somaxconn", "65535"},
		{"net/ipv4/tcp_max_syn_backlog", "65535"},
		{"net/core/netdev_max_backlog", "100000"},
		// As many connections between two addresses as possible.
		{"net/ipv4/ip_local_port_range", "1024 65535"},
		// TCP may use half of the memory, in pages, before it limits buffers: a
		// message to a million connections is in as many socket buffers.
		{"net/ipv4/tcp_mem", fmt.Sprintf("%d %d %d", pages/2, pages/2, pages/2)},
		// If memory runs out, the measurement is void. The machine stops rather
		// than going on without one of its processes.
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

// raiseDescriptors sets the limit, which the commands inherit.
func raiseDescriptors() error {
	limit := unix.Rlimit{Cur: descriptors, Max: descriptors}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("raising the descriptor limit to %d: %w", descriptors, err)
	}
	return nil
}

// loopbackUp brings up lo, and with it the addresses 127.0.0.0/8.
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

// totalMemory returns the bytes of memory that the kernel manages.
func totalMemory() (uint64, error) {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0, fmt.Errorf("asking for the size of the memory: %w", err)
	}
	return info.Totalram * uint64(info.Unit), nil
}

// facts describes the properties of the machine that influence results.
func facts(memory uint64) string {
	return fmt.Sprintf("Linux %s, %d processors, %d MiB, transparent huge pages %s, %d descriptors a process",
		word("/proc/sys/kernel/osrelease"), runtime.NumCPU(), memory>>20,
		word("/sys/kernel/mm/transparent_hugepage/enabled"), descriptors)
}

// word returns the content of a file of the kernel, or "unknown". From a list
// of choices it returns the chosen one, which is in brackets.
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
