package reactor

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// given returns a listening socket in the form in which a parent process passes
// it, and its address.
func given(t *testing.T, network, address string) (inherited string, bound net.Addr) {
	t.Helper()
	ln, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	if u, ok := ln.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	f, err := ln.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Dup(int(f.Fd())) // for the loop that takes it
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	ln.Close()
	return inheritedPrefix + strconv.Itoa(fd), ln.Addr()
}

func TestListenInherited(t *testing.T) {
	p := newProbe(t, Config{})
	address, bound := given(t, "tcp4", "127.0.0.1:0")
	fd, _, _ := ParseInherited(address)
	if got := p.listen(address, SocketOptions{KeepAlive: 45 * time.Second}); got != bound.String() {
		t.Fatalf("it reports %s, but is bound to %s", got, bound)
	}
	if flags, _ := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); flags != unix.FD_CLOEXEC {
		t.Error("a child process would inherit it")
	}
	c := p.exchange(bound.String())
	for option, want := range map[int]int{unix.TCP_NODELAY: 1, unix.TCP_KEEPIDLE: 45} {
		if got, err := unix.GetsockoptInt(p.loop.Fd(c), unix.IPPROTO_TCP, option); got != want || err != nil {
			t.Errorf("option %d is %d, want %d (%v)", option, got, want, err)
		}
	}
}

// The file of an inherited unix socket is not removed.
func TestListenInheritedUnix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	p := newProbe(t, Config{})
	address, _ := given(t, "unix", path)
	if got := p.listen(address, SocketOptions{KeepAlive: time.Minute}); got != "unix:"+path {
		t.Fatal("it says", got)
	}
	p.exchange("unix:" + path)
	p.loop.CloseListeners()
	if _, err := os.Lstat(path); err != nil {
		t.Fatal("the socket file is gone:", err)
	}
}

func TestListenInheritedErrors(t *testing.T) {
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	socket := func(kind int) int {
		fd, err := unix.Socket(unix.AF_INET, kind|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		return fd
	}
	gone := socket(unix.SOCK_STREAM)
	unix.Close(gone)
	for _, c := range []struct{ fd, want string }{
		{"", "3 or more"},
		{"2", "3 or more"},
		{"-1", "3 or more"},
		{"4x", "3 or more"},
		{"99999999999", "3 or more"},
		{strconv.Itoa(1 << 30), "not started with"},
		{strconv.Itoa(int(file.Fd())), "not a socket"},
		{strconv.Itoa(socket(unix.SOCK_STREAM)), "does not listen"},
		{strconv.Itoa(socket(unix.SOCK_DGRAM)), "not one of streams"},
	} {
		_, err := Listen(inheritedPrefix+c.fd, SocketOptions{})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "fd:"+c.fd) {
			t.Errorf("fd:%s: %v, want %q", c.fd, err, c.want)
		}
	}
}

// All loops share one inherited socket, and each gets its share of the
// connections, even if they come one at a time.
func TestGroupSharesAnInheritedSocket(t *testing.T) {
	for _, network := range []string{"tcp4", "unix"} {
		t.Run(network, func(t *testing.T) {
			where := "127.0.0.1:0"
			if network == "unix" {
				where = filepath.Join(t.TempDir(), "socket")
			}
			address, at := given(t, network, where)
			before := openDescriptors(t)
			group, greeters := newGroup(t, 3)
			if _, err := group.Listen(address, 0, SocketOptions{}); err != nil {
				t.Fatal(err)
			}
			group.Start()
			const total = 600
			for range total {
				greet(t, network, at.String())
			}
			for i, g := range greeters {
				if n := g.opened.Load(); n < total/6 {
					t.Errorf("loop %d of %d has had %d connections of %d", i, len(greeters), n, total)
				}
			}
			group.Stop()
			if err := group.Wait(); err != nil {
				t.Fatal(err)
			}
			if after := openDescriptors(t); after != before-1 { // including its own
				t.Errorf("%d descriptors were open, %d are", before, after)
			}
		})
	}
}
