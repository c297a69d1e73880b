package reactor

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// greeter sends each new connection the number of its loop.
type greeter struct {
	quiet
	name   string
	opened atomic.Int32
}

func (g *greeter) Opened(c Conn) {
	g.opened.Add(1)
	_ = g.loop.Write(c, []byte(g.name))
	g.loop.Finish(c)
}

func newGroup(t *testing.T, n int) (*Group, []*greeter) {
	t.Helper()
	var greeters []*greeter
	group, err := NewGroup(n, func(i int) (*Loop, error) {
		g := &greeter{name: string(rune('a' + i))}
		var err error
		g.loop, err = NewLoop(g, Config{Linger: time.Millisecond})
		greeters = append(greeters, g)
		return g.loop, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return group, greeters
}

func greet(t *testing.T, network, address string) string {
	t.Helper()
	peer, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	var name [1]byte
	if _, err := peer.Read(name[:]); err != nil {
		t.Fatal(err)
	}
	return string(name[:])
}

// The kernel gives each loop its share of the connections to one address.
func TestGroupSharesAnAddress(t *testing.T) {
	group, greeters := newGroup(t, 3)
	bound, err := group.Listen("127.0.0.1:0", 0, SocketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	group.Start()
	const most = 5000 // with so many connections each loop has some, almost certainly
	total := 0
	for ; total < most; total++ {
		greet(t, "tcp", bound)
		if !slices.ContainsFunc(greeters, func(g *greeter) bool { return g.opened.Load() == 0 }) {
			break
		}
	}
	if total == most {
		t.Error("a loop has had no connection, of", most)
	}
	group.Stop()
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}

// All loops share one unix socket: a loop that is awake takes the connection.
func TestGroupSharesAUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	group, greeters := newGroup(t, 2)
	bound, err := group.Listen("unix:"+path, 0, SocketOptions{})
	if err != nil || bound != "unix:"+path {
		t.Fatal(bound, err)
	}
	group.Start()
	for range 100 {
		greet(t, "unix", path)
	}
	group.Stop()
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := greeters[0].opened.Load() + greeters[1].opened.Load(); n != 100 {
		t.Fatal(n, "connections were opened of 100")
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Fatal("the socket file is left behind:", err)
	}
}

func TestGroupListenFailureLeavesNothing(t *testing.T) {
	before := openDescriptors(t)
	path := filepath.Join(t.TempDir(), "socket")
	group, _ := newGroup(t, 3)
	broken := group.Loops[2]
	unix.Close(broken.poller.fd) // so that it cannot add a listener
	for _, address := range []string{"127.0.0.1:0", "unix:" + path, "nonsense"} {
		if _, err := group.Listen(address, 0, SocketOptions{}); err == nil {
			t.Fatal("listens on", address)
		}
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Fatal("the socket file is left behind:", err)
	}
	for _, l := range group.Loops {
		for _, ln := range l.listeners {
			if ln.fd >= 0 {
				t.Fatal("a loop has a listener left")
			}
		}
	}
	broken.poller.fd = -1
	group.close()
	if after := openDescriptors(t); after != before {
		t.Fatalf("%d descriptors were open, %d are", before, after)
	}
}

func TestNewGroupFailureClosesTheLoops(t *testing.T) {
	before := openDescriptors(t)
	broken := errors.New("broken")
	_, err := NewGroup(3, func(i int) (*Loop, error) {
		if i == 2 {
			return nil, broken
		}
		return NewLoop(&quiet{}, Config{})
	})
	if err != broken {
		t.Fatal(err)
	}
	if after := openDescriptors(t); after != before {
		t.Fatalf("%d descriptors were open, %d are", before, after)
	}
}

// A loop that fails stops the others, and Wait returns the error.
func TestGroupStopsWhenALoopFails(t *testing.T) {
	group, _ := newGroup(t, 3)
	l := group.Loops[1]
	unix.Close(l.poller.fd)
	l.poller.fd = -1
	group.Start()
	if err := group.Wait(); !errors.Is(err, unix.EBADF) {
		t.Fatal(err)
	}
}

// A second server at the same address would take some of the first one's connections:
// it gets an error instead.
func TestGroupListenRefusesATakenAddress(t *testing.T) {
	first, _ := newGroup(t, 2)
	defer first.close()
	addr, err := first.Listen("127.0.0.1:0", 0, SocketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	second, _ := newGroup(t, 2)
	defer second.close()
	if _, err := second.Listen(addr, 0, SocketOptions{}); !errors.Is(err, unix.EADDRINUSE) {
		t.Fatalf("listening on a taken address: %v, want EADDRINUSE", err)
	}
}

// handOver makes a second group inherit the sockets of the first one's n-th address.
func handOver(t *testing.T, from, to *Group, n int, address string) []int {
	t.Helper()
	sockets, err := from.Sockets(n)
	if err != nil {
		t.Fatal(err)
	}
	if bound, err := to.Inherit(address, sockets, 0, SocketOptions{}); err != nil || !strings.HasSuffix(bound, address) {
		t.Fatalf("it is bound to %s, want %s (%v)", bound, address, err)
	}
	return sockets
}

// A group inherits the sockets of another one with fewer, as many or more loops. No
// connection is refused meanwhile, connections that wait in the kernel are served by
// the second group, each of its loops accepts, and in the end no descriptor is left.
func TestGroupInherits(t *testing.T) {
	for _, c := range []struct {
		network  string
		old, new int
		distinct int // number of sockets to inherit
	}{{"tcp4", 1, 3, 1}, {"tcp4", 2, 2, 2}, {"tcp4", 3, 1, 3}, {"tcp4", 2, 3, 2}, {"unix", 2, 3, 1}} {
		t.Run(fmt.Sprintf("%s, %d to %d", c.network, c.old, c.new), func(t *testing.T) { inheritAndServe(t, c.network, c.old, c.new, c.distinct) })
	}
}

func inheritAndServe(t *testing.T, network string, old, loops, distinct int) {
	before := openDescriptors(t)
	first, _ := newGroup(t, old)
	second, greeters := newGroup(t, loops)
	address, path := "127.0.0.1:0", ""
	if network == "unix" {
		path = filepath.Join(t.TempDir(), "socket")
		address = "unix:" + path
	}
	other, err := first.Listen("127.0.0.1:0", 0, SocketOptions{}) // another address is not handed over
	if err != nil {
		t.Fatal(err)
	}
	bound, err := first.Listen(address, 0, SocketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(handOver(t, first, second, 1, bound)); n != distinct {
		t.Errorf("%d sockets are handed over, want %d", n, distinct)
	}
	at := strings.TrimPrefix(bound, "unix:")
	waiting, err := net.Dial(network, at)
	if err != nil {
		t.Fatal(err)
	}
	defer waiting.Close()
	for _, l := range first.Loops {
		l.LeaveListeners()
		l.Release()
	}
	if path != "" {
		if _, err := os.Lstat(path); err != nil {
			t.Error("the socket file is gone:", err)
		}
	}
	if peer, err := net.Dial("tcp4", other); err == nil {
		peer.Close()
		t.Error("the address that was not handed over is still listened on")
	}
	serveInherited(t, second, greeters, waiting, network, at)
	if path != "" {
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Error("the last group has left the socket file:", err)
		}
	}
	if after := openDescriptors(t); after != before {
		t.Errorf("%d descriptors were open, %d are", before, after)
	}
}

// serveInherited lets the group serve one connection that waits and many that come.
func serveInherited(t *testing.T, group *Group, greeters []*greeter, waiting net.Conn, network, at string) {
	t.Helper()
	group.Start()
	var name [1]byte
	if _, err := waiting.Read(name[:]); err != nil {
		t.Error("a connection that waited was not served:", err)
	}
	const total = 300
	for range total {
		greet(t, network, at)
	}
	sum := int32(0)
	for i, g := range greeters {
		n := g.opened.Load()
		if sum += n; n == 0 {
			t.Errorf("loop %d of %d has had none", i, len(greeters))
		}
	}
	if sum != total+1 {
		t.Errorf("%d connections were opened, want %d", sum, total+1)
	}
	group.Stop()
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	waiting.Close()
}

// An error names the address that cannot be inherited, and no descriptor stays open,
// neither those before it nor those after it.
func TestGroupInheritFailureLeavesNothing(t *testing.T) {
	before := openDescriptors(t)
	first, _ := newGroup(t, 3)
	bound, err := first.Listen("127.0.0.1:0", 0, SocketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	sockets, err := first.Sockets(0)
	if err != nil {
		t.Fatal(err)
	}
	idle, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0) // a socket that does not listen
	if err != nil {
		t.Fatal(err)
	}
	second, _ := newGroup(t, 2)
	_, err = second.Inherit(bound, []int{sockets[0], idle, sockets[1], sockets[2]}, 0, SocketOptions{})
	if err == nil || !strings.Contains(err.Error(), bound) || !strings.Contains(err.Error(), "does not listen") {
		t.Errorf("got %v", err)
	}
	first.close()
	second.close()
	if after := openDescriptors(t); after != before {
		t.Errorf("%d descriptors were open, %d are", before, after)
	}
}
