package reactor

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func refusal(why error) []byte { return fmt.Appendf(nil, "no room: %v\n", why) }

func TestMaxConns(t *testing.T) {
	p := newProbe(t, Config{MaxConns: 2, Refusal: refusal})
	p.loop.Timer(episode, 0) // not a connection
	bound := p.listen("127.0.0.1:0", SocketOptions{})
	first := p.exchange(bound)
	p.exchange(bound)
	for i := range 3 {
		far := dialPeer(t, bound)
		if got := string(far.readAll(p)); got != "no room: "+ErrNoRecord.Error()+"\n" {
			t.Fatalf("refused with %q", got)
		}
		if s := p.loop.Stats(); s.Refused != int64(i+1) || s.Accepted != 2 || s.Open != 2 {
			t.Fatalf("%+v", s)
		}
	}
	if len(p.warned) != 1 || !errors.Is(p.warned[0], ErrNoRecord) {
		t.Fatal("warned of", p.warned)
	}
	p.loop.Close(first)
	p.turn()
	p.exchange(bound)
	dialPeer(t, bound).readAll(p)
	if len(p.warned) != 1 {
		t.Fatal("the same failure was logged again")
	}
	p.later(2 * episode)
	dialPeer(t, bound).readAll(p)
	if len(p.warned) != 2 {
		t.Fatal("a new failure was not logged")
	}
}

// Opened may close the listeners and add others.
func TestListenersChangeInOpened(t *testing.T) {
	p := newProbe(t, Config{})
	bound := p.listen("127.0.0.1:0", SocketOptions{})
	a, b := dialPeer(t, bound), dialPeer(t, bound)
	p.onOpened = func(Conn) {
		p.listen("127.0.0.1:0", SocketOptions{})
		p.loop.CloseListeners()
	}
	p.until("accepted", func() bool { return len(p.opened) > 0 })
	p.turn()
	if len(p.opened) != 1 || len(p.warned) != 0 {
		t.Fatal(len(p.opened), "opened, warned of", p.warned)
	}
	a.take()
	b.take()
}

// A loop that has closed its listeners gets no more connections from a socket that it
// shared, even while another loop keeps the socket open.
func TestCloseListenersOfASharedSocket(t *testing.T) {
	p, q := newProbe(t, Config{}), newProbe(t, Config{})
	ln := mustListen(t, "unix:"+filepath.Join(t.TempDir(), "socket"), SocketOptions{})
	dup, err := ln.Dup()
	if err != nil {
		t.Fatal(err)
	}
	// The one with the file goes to q, or closing would remove it.
	if err := errors.Join(q.loop.AddListener(ln, 3), p.loop.AddListener(dup, 3)); err != nil {
		t.Fatal(err)
	}
	p.loop.CloseListeners()
	far := dialPeer(t, ln.Addr())
	if events, err := p.loop.poller.wait(0); len(events) != 0 || err != nil {
		t.Fatal("the loop still gets events:", events, err)
	}
	q.until("accepted", func() bool { return len(q.opened) == 1 })
	far.take()
}

// All clients that have connected before the listeners are finished are accepted,
// however many. Later ones are not.
func TestFinishListeners(t *testing.T) {
	p := newProbe(t, Config{})
	bound := p.listen("127.0.0.1:0", SocketOptions{Backlog: 1000})
	var peers []*peer
	for range 3 * acceptBudget {
		peers = append(peers, dialPeer(t, bound))
	}
	p.loop.FinishListeners()
	p.turn()
	if len(p.opened) != len(peers) {
		t.Errorf("%d of %d are accepted", len(p.opened), len(peers))
	}
	if c, err := net.Dial("tcp", bound); err == nil {
		c.Close()
		t.Error("it still listens")
	}
	for _, c := range peers {
		c.take()
	}
}

func TestAddListenerFailureLeavesTheListener(t *testing.T) {
	p := newProbe(t, Config{})
	ln := mustListen(t, "127.0.0.1:0", SocketOptions{})
	if err := p.loop.AddListener(&Listener{fd: 1 << 20}, 0); err == nil {
		t.Fatal("an fd that is not open was added")
	}
	if len(p.loop.listeners) != 0 {
		t.Fatal("it was kept")
	}
	ln.Close()
}

const childEnv = "REACTOR_TEST_FEW_DESCRIPTORS"

// A process without free descriptors refuses connections with an answer, warns once,
// and recovers by itself when descriptors are free again. This needs a process of its
// own.
func TestOutOfDescriptors(t *testing.T) {
	if os.Getenv(childEnv) == "" {
		child := exec.Command(os.Args[0], "-test.run=^TestOutOfDescriptors$", "-test.v")
		child.Env = append(os.Environ(), childEnv+"=1")
		if out, err := child.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	runOutOfDescriptors(t)
}

func runOutOfDescriptors(t *testing.T) {
	p := newProbe(t, Config{Refusal: refusal})
	bound := p.listen("127.0.0.1:0", SocketOptions{})
	sa, _, err := resolve(bound)
	if err != nil {
		t.Fatal(err)
	}
	var clients []*peer // opened while that is possible
	for range 5 {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		clients = append(clients, newPeer(t, fd))
	}
	connect := func(i int) *peer {
		if err := unix.Connect(clients[i].fd, sa); err != nil && err != unix.EINPROGRESS {
			t.Fatal(err)
		}
		return clients[i]
	}
	fillers := fillDescriptors(t)
	for i := range 2 {
		far, another := connect(2*i), connect(2*i+1)
		if got := string(far.readAll(p)); got != "no room: too many open files\n" {
			t.Fatalf("client %d was refused with %q", i, got)
		}
		if got, end := another.take(); string(got) != "no room: too many open files\n" || !end {
			t.Fatalf("one was refused, so the other must wait: %q", got)
		}
		if s := p.loop.Stats(); s.Refused != int64(2*i+2) || s.Accepted != 0 {
			t.Fatalf("%+v", s)
		}
		if len(p.warned) != 1 || !errors.Is(p.warned[0], unix.EMFILE) {
			t.Fatal("warned of", p.warned)
		}
		p.turn()
		p.later(acceptPause + TickLength) // the pause ends, and it tries again
	}
	if p.loop.reserve < 0 {
		t.Fatal("the reserve was not taken back")
	}
	connect(4)
	p.turn() // refused, or paused: whichever came first
	for _, fd := range fillers {
		unix.Close(fd)
	}
	if p.loop.Stats().Refused == 4 {
		p.until("accepted", func() bool {
			p.now = p.now.Add(acceptPause)
			return len(p.opened) == 1
		})
	} else {
		p.later(acceptPause + TickLength)
		p.exchange(bound)
	}
	if len(p.warned) != 1 {
		t.Fatal("warned of", p.warned)
	}
}

// The descriptor that a loop gives up to refuse waiting clients may go to another
// loop's connection. That connection is refused instead, so that the first loop can
// continue.
func TestReserveGoesToNobodyElse(t *testing.T) {
	p, thief := newProbe(t, Config{}), newProbe(t, Config{Refusal: refusal})
	p.listen("127.0.0.1:0", SocketOptions{})
	bound := thief.listen("127.0.0.1:0", SocketOptions{})
	p.loop.spendReserve()
	if got := string(dialPeer(t, bound).readAll(thief)); got != "no room: too many open files\n" {
		t.Fatalf("another loop's client gets %q", got)
	}
	p.loop.takeReserve()
	thief.exchange(bound)

	p.loop.spendReserve() // and the test ends while it has none
	p.loop.CloseListeners()
	thief.exchange(bound)
}

// fillDescriptors lowers the limit and takes all descriptors below it.
func fillDescriptors(t *testing.T) []int {
	t.Helper()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	limit.Cur = 40
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	var fillers []int
	for {
		fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == unix.EMFILE {
			return fillers
		}
		if err != nil {
			t.Fatal(err)
		}
		fillers = append(fillers, fd)
	}
}

// More connections than the accept rate allows wait in the backlog: a quarter of a
// second's connections are accepted at once, the others as time passes.
func TestAcceptRate(t *testing.T) {
	p := newProbe(t, Config{})
	bound := p.listen("127.0.0.1:0", SocketOptions{AcceptRate: 16})
	for range 12 {
		dialPeer(t, bound)
	}
	p.until("the first are accepted", func() bool { return p.loop.Stats().Accepted == 4 })
	for range 5 {
		p.turn()
	}
	for _, want := range []int64{6, 8} {
		p.later(2 * TickLength) // time for two; the listener looks again in a tick or two
		for range 5 {
			p.turn()
		}
		if got := p.loop.Stats().Accepted; got != want {
			t.Fatalf("%d connections are accepted, want %d", got, want)
		}
	}
	p.later(time.Hour) // saves no more than a quarter of a second's
	for range 20 {
		p.turn()
	}
	if got := p.loop.Stats().Accepted; got != 12 {
		t.Fatalf("%d connections are accepted at the end", got)
	}
	if f := p.loop.Figures(); f.Pauses < 3 || f.Troubles != 0 {
		t.Errorf("%d pauses, %d troubles", f.Pauses, f.Troubles)
	}
}

// A client that waits for the accept rate waits no longer when the listeners are
// finished.
func TestFinishBeyondTheRate(t *testing.T) {
	p := newProbe(t, Config{})
	bound := p.listen("127.0.0.1:0", SocketOptions{AcceptRate: 16})
	for range 12 {
		dialPeer(t, bound)
	}
	p.until("the first are accepted", func() bool { return p.loop.Stats().Accepted == 4 })
	p.loop.FinishListeners()
	p.turn()
	if got := p.loop.Stats().Accepted; got != 12 {
		t.Errorf("%d connections of 12 are accepted", got)
	}
}

func TestAdmit(t *testing.T) {
	asked := 0
	p := newProbe(t, Config{Refusal: refusal, Admit: func(tag uint8) error {
		if asked++; asked == 2 {
			return errors.New("full")
		}
		return nil
	}})
	bound := p.listen("127.0.0.1:0", SocketOptions{})
	p.exchange(bound)
	if got := string(dialPeer(t, bound).readAll(p)); got != "no room: full\n" {
		t.Fatalf("refused with %q", got)
	}
	p.exchange(bound)
	if s := p.loop.Stats(); s.Accepted != 2 || s.Open != 2 || s.Refused != 1 {
		t.Fatalf("%+v", s)
	}
}
