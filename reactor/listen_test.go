package reactor

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func mustListen(t testing.TB, address string, opts SocketOptions) *Listener {
	t.Helper()
	ln, err := Listen(address, opts)
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

func (p *probe) listen(address string, opts SocketOptions) string {
	p.t.Helper()
	ln := mustListen(p.t, address, opts)
	if err := p.loop.AddListener(ln, 3); err != nil {
		p.t.Fatal(err)
	}
	return ln.Addr()
}

// dialPeer connects a peer to an address in the form that Listen takes.
func dialPeer(t testing.TB, address string) *peer {
	t.Helper()
	fd, err := dial(address, "", SocketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return newPeer(t, fd)
}

// exchange lets a peer send something, and the loop answer it.
func (p *probe) exchange(address string) Conn {
	p.t.Helper()
	p.onReceived = func(c Conn, b []byte) int {
		_ = p.loop.Write(c, b)
		return len(b)
	}
	before := len(p.opened)
	far := dialPeer(p.t, address)
	p.until("accepted at "+address, func() bool { return len(p.opened) > before })
	c := p.opened[before]
	var got []byte
	p.until("connected", func() bool {
		_, err := unix.Write(far.fd, []byte("ping"))
		return err == nil
	})
	p.until("answered", func() bool {
		data, _ := far.take()
		got = append(got, data...)
		return string(got) == "ping"
	})
	if p.loop.Tag(c) != 3 {
		p.t.Fatal("tag", p.loop.Tag(c))
	}
	return c
}

func TestListenIPv4(t *testing.T) {
	p := newProbe(t, Config{})
	for _, address := range []string{"127.0.0.1:0", "localhost:0", "0.0.0.0:0"} {
		bound := p.listen(address, SocketOptions{})
		if strings.HasSuffix(bound, ":0") {
			t.Fatal("bound to", bound)
		}
		p.exchange(bound)
	}
	if s := p.loop.Stats(); s.Accepted != 3 || s.Open != 3 || s.Refused != 0 {
		t.Fatalf("%+v", s)
	}
}

func needIPv6(t *testing.T) {
	ln, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skip("this machine has no IPv6 loopback: ", err)
	}
	ln.Close()
}

func TestListenIPv6(t *testing.T) {
	needIPv6(t)
	p := newProbe(t, Config{})
	p.exchange(p.listen("[::1]:0", SocketOptions{}))
}

func TestListenOnEveryAddress(t *testing.T) {
	needIPv6(t)
	p := newProbe(t, Config{})
	bound := p.listen(":0", SocketOptions{})
	port := bound[strings.LastIndexByte(bound, ':'):]
	p.exchange("127.0.0.1" + port)
	p.exchange("[::1]" + port)
}

func TestListenErrors(t *testing.T) {
	before := openDescriptors(t)
	busy, err := net.Listen("tcp", "127.0.0.1:0") // without SO_REUSEPORT
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{
		"", "nonsense", "example.com:80", "127.0.0.1", "127.0.0.1:99999", "[::1%nowhere]:0",
		busy.Addr().String(), "unix:/no/such/dir/s", "unix:" + strings.Repeat("x", 200),
	} {
		ln, err := Listen(address, SocketOptions{})
		if err == nil {
			ln.Close()
			t.Errorf("listened on %q", address)
		} else if !strings.Contains(err.Error(), "reactor: listen on ") {
			t.Errorf("%q: the error does not name the operation: %v", address, err)
		}
	}
	busy.Close()
	if after := openDescriptors(t); after != before {
		t.Fatalf("%d descriptors were open, %d are", before, after)
	}
}

func TestOptionsAreInherited(t *testing.T) {
	p := newProbe(t, Config{})
	c := p.exchange(p.listen("127.0.0.1:0", SocketOptions{
		Backlog: 5, KeepAlive: 45 * time.Second, Unsent: 50_000, SendBuffer: 20_000, ReceiveBuffer: 30_000,
	}))
	for _, o := range []struct {
		name              string
		level, opt, value int
	}{
		{"TCP_NODELAY", unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		{"TCP_USER_TIMEOUT", unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 0}, // it takes some for vanished that read
		{"TCP_NOTSENT_LOWAT", unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, 50_000},
		{"SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{"TCP_KEEPIDLE", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 45},
		{"TCP_KEEPINTVL", unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 11},
		{"TCP_KEEPCNT", unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 3},
		{"SO_SNDBUF", unix.SOL_SOCKET, unix.SO_SNDBUF, 40_000}, // the kernel doubles it
		{"SO_RCVBUF", unix.SOL_SOCKET, unix.SO_RCVBUF, 60_000},
	} {
		if got, err := unix.GetsockoptInt(p.loop.Fd(c), o.level, o.opt); got != o.value || err != nil {
			t.Errorf("%s is %d, want %d (%v)", o.name, got, o.value, err)
		}
	}
	c = p.exchange(p.listen("127.0.0.1:0", SocketOptions{Delay: true}))
	if got, _ := unix.GetsockoptInt(p.loop.Fd(c), unix.IPPROTO_TCP, unix.TCP_NODELAY); got != 0 {
		t.Error("TCP_NODELAY is set in spite of Delay")
	}
	if got, _ := unix.FcntlInt(uintptr(p.loop.Fd(c)), unix.F_GETFD, 0); got != unix.FD_CLOEXEC {
		t.Error("an accepted descriptor would be inherited by a child process")
	}
}

func TestListenUnix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	p := newProbe(t, Config{})
	bound := p.listen("unix:"+path, SocketOptions{})
	if bound != "unix:"+path {
		t.Fatal("bound to", bound)
	}
	p.exchange(bound)
	p.loop.CloseListeners()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Fatal("the socket file is left behind:", err)
	}
}

func TestUnixSocketFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	live := mustListen(t, "unix:"+path, SocketOptions{Backlog: 1})
	for range 4 { // with a full backlog it would block a process that checks whether it is alive
		if fd, err := dial("unix:"+path, "", SocketOptions{}); err == nil {
			newPeer(t, fd)
		}
	}
	if _, err := Listen("unix:"+path, SocketOptions{}); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Fatal("a live socket was replaced:", err)
	}
	unix.Close(live.fd) // like a killed process: the file stays
	again, err := Listen("unix:"+path, SocketOptions{})
	if err != nil {
		t.Fatal("a dead socket was not replaced:", err)
	}
	again.Close()
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen("unix:"+path, SocketOptions{}); err == nil {
		t.Fatal("listens on a plain file")
	}
	if text, _ := os.ReadFile(path); string(text) != "precious" {
		t.Fatal("a plain file was destroyed")
	}
}
