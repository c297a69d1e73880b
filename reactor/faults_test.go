//go:build faults

package reactor

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// newFaults makes system calls fail until the test ends. descriptors is how many
// are open; a test that ends with another number has lost some.
func newFaults(t *testing.T, seed uint64) *Faults {
	t.Helper()
	before := descriptors(t)
	f := NewFaults(seed)
	t.Cleanup(func() {
		f.Remove()
		if n := descriptors(t); n != before {
			t.Errorf("%d descriptors were open before, %d are now", before, n)
		}
		t.Log(f.Hits)
	})
	return f
}

func descriptors(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// Under mild faults the random operations give the same result as without: no byte
// is lost, doubled or out of order, no event is early or missing, no connection is
// lost.
func TestRandomOperationsMildFaults(t *testing.T) {
	randomFaults(t, func(w *world, f *Faults) {
		f.Choose = f.Random(4, Mild)
	})
}

// Faults that cost a connection cost only that one, and its handler is told.
func TestRandomOperationsSevereFaults(t *testing.T) {
	randomFaults(t, func(w *world, f *Faults) {
		w.harsh = true
		mild, severe := f.Random(5, Mild), f.Random(60, Severe)
		f.Choose = func(call string, fd int) unix.Errno {
			if call == "setsockopt" {
				return 0 // also the test's own calls
			}
			if errno := severe(call, fd); errno != 0 {
				return errno
			}
			return mild(call, fd)
		}
		f.Told = func(call string, fd int, errno unix.Errno) {
			if slices.Contains(Mild[call], errno) {
				return
			}
			for _, l := range w.links {
				if !l.over && w.loops[l.loop].loop.Fd(l.c) == fd {
					l.hurt = true
				}
			}
		}
	})
}

func randomFaults(t *testing.T, set func(*world, *Faults)) {
	for range 6 {
		seed := uint64(time.Now().UnixNano())
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			f := newFaults(t, seed)
			w := newWorld(t, rand.New(rand.NewPCG(seed, 3)))
			set(w, f)
			w.run(1200)
		})
	}
}

// visitor is a client of a loop that answers every byte with the same byte.
type visitor struct {
	*peer
	got   string
	ended bool
}

// A loop continues to accept when the kernel refuses it system calls: each client
// is served, refused or cut, none waits for ever, and when the faults end every one
// is served.
func TestAcceptingFaults(t *testing.T) {
	for range 4 {
		seed := uint64(time.Now().UnixNano())
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			f := newFaults(t, seed)
			p := newProbe(t, Config{Refusal: func(error) []byte { return []byte("no room\n") }})
			p.onReceived = func(c Conn, b []byte) int { _ = p.loop.Write(c, b); return len(b) }
			p.onEnded = p.loop.Finish
			bound := p.listen("127.0.0.1:0", SocketOptions{})
			mild, severe := f.Random(3, Mild), f.Random(6, Severe)
			fail := func(call string, fd int) unix.Errno {
				if errno := severe(call, fd); errno != 0 {
					return errno
				}
				return mild(call, fd)
			}
			outcomes := map[string]int{}
			for range 60 {
				f.Choose = nil
				v := &visitor{peer: dialPeer(t, bound)}
				f.Choose = fail
				p.visit(v, outcomes)
			}
			f.Choose = nil
			for range 3 {
				v := &visitor{peer: dialPeer(t, bound)}
				p.visit(v, outcomes)
				if v.got != "hello" {
					t.Fatalf("a client got %q without a fault", v.got)
				}
			}
			t.Log(outcomes)
			if s := p.loop.Stats(); outcomes["hello"] == 0 || outcomes["no room\n"] == 0 || s.Refused == 0 {
				t.Fatal("the test does not test:", outcomes, s)
			}
		})
	}
}

// visit lets a client send something, and leave when it knows its outcome.
func (p *probe) visit(v *visitor, outcomes map[string]int) {
	_, _ = unix.Write(v.fd, []byte("hello"))
	p.until("a client is served, refused or cut", func() bool {
		p.now = p.now.Add(acceptPause / 4)
		data, end := v.take()
		v.got += string(data)
		v.ended = v.ended || end
		return v.ended || v.got == "hello"
	})
	outcomes[v.got]++
	v.close()
	p.until("its connection is gone", func() bool { return p.loop.Stats().Open == 0 })
	if err := checkLoop(p.loop); err != nil {
		p.t.Fatal(err)
	}
}

// If accepting fails because something is missing, and waiting does not help
// either, the loop does not spin: it does not wake up during its pause.
func TestFaultsDoNotSpin(t *testing.T) {
	for _, errno := range []unix.Errno{unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM} {
		t.Run(unix.ErrnoName(errno), func(t *testing.T) {
			f := newFaults(t, 1)
			p := newProbe(t, Config{})
			bound := p.listen("127.0.0.1:0", SocketOptions{})
			dialPeer(t, bound)
			tries := 0
			f.Choose = func(call string, _ int) unix.Errno {
				switch call {
				case "accept4":
					tries++
					return errno
				case "open": // for another reserve descriptor
					tries++
					return unix.ENOMEM
				case "mmap":
					return unix.ENOMEM
				}
				return 0
			}
			for round := range 20 {
				before := tries
				p.until("it tries", func() bool {
					p.now = p.now.Add(acceptPause / 2)
					return tries > before
				})
				after := tries
				for range 50 {
					p.turn()
				}
				if tries != after {
					t.Fatalf("round %d: it tries %d times while it should rest", round, tries-after)
				}
			}
			f.Choose = nil
			p.until("the client is accepted", func() bool {
				p.now = p.now.Add(acceptPause)
				return len(p.opened) == 1
			})
		})
	}
}

// The first, second, … failing call of each kind: opening reports the error, and
// leaves no descriptor open.
func TestOpeningFaults(t *testing.T) {
	p := newProbe(t, Config{})
	bound := p.listen("127.0.0.1:0", SocketOptions{})
	path := t.TempDir() + "/"
	all := SocketOptions{KeepAlive: time.Second, SendBuffer: 8192}
	listen := func(address string) func(*testing.T) error {
		return func(t *testing.T) error {
			ln, err := Listen(address, all)
			if err == nil {
				ln.Close()
			}
			return err
		}
	}
	group := func(address string) func(*testing.T) error {
		return func(t *testing.T) error {
			g, err := NewGroup(2, func(int) (*Loop, error) { return NewLoop(&probe{}, Config{}) })
			if err != nil {
				return err
			}
			defer g.close()
			_, err = g.Listen(address, 0, all)
			return err
		}
	}
	dialled := func(local string) func(*testing.T) error {
		return func(t *testing.T) error {
			c, err := p.loop.Dial(bound, local, 0, 0, all)
			if err == nil {
				p.loop.Close(c)
				p.turn()
				p.until("the other end is gone", func() bool {
					for _, c := range p.ended {
						p.loop.Close(c)
					}
					return p.loop.Stats().Open == 0
				})
			}
			return err
		}
	}
	for name, open := range map[string]func(*testing.T) error{
		"listen": listen("127.0.0.1:0"), "listen on IPv6": listen("[::1]:0"), "listen everywhere": listen(":0"),
		"listen on a path": listen("unix:" + path + "a"),
		"listen on a path that is left": func(t *testing.T) error {
			left := path + fmt.Sprint(time.Now().UnixNano())
			leaveSocket(t, left)
			defer os.Remove(left)
			return listen("unix:" + left)(t)
		},
		"a group": group("127.0.0.1:0"), "a group on a path": group("unix:" + path + "b"),
		"dial": dialled(""), "dial from": dialled("127.0.0.2:0"), "adopt": adoptAndDetach(p),
	} {
		t.Run(name, func(t *testing.T) { failEach(t, open) })
	}
}

// leaveSocket makes a socket file without a server.
func leaveSocket(t *testing.T, path string) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrUnix{Name: path})
	}
	if unix.Close(fd); err != nil {
		t.Fatal(err)
	}
}

func adoptAndDetach(p *probe) func(*testing.T) error {
	return func(t *testing.T) error {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fds[0])
		defer unix.Close(fds[1])
		c, err := p.loop.Adopt(fds[0], 0, nil)
		if err != nil {
			return err
		}
		if _, _, err = p.loop.Detach(c); err == nil {
			return nil
		}
		f := faults.Swap(nil)
		defer faults.Store(f)
		if !p.loop.Alive(c) {
			t.Error("it was closed, although it was not detached")
		}
		if _, _, err := p.loop.Detach(c); err != nil {
			t.Error(err)
		}
		return err
	}
}

// failEach lets each call of open fail, one at a time.
func failEach(t *testing.T, open func(*testing.T) error) {
	before := descriptors(t)
	for nth := 0; ; nth++ {
		f, calls, failed := NewFaults(1), 0, ""
		f.Choose = func(call string, _ int) unix.Errno {
			if calls++; calls != nth+1 || call == "event" || call == "epoll_wait" {
				return 0
			}
			failed = call
			return unix.ENOBUFS
		}
		err := open(t)
		f.Remove()
		if n := descriptors(t); n != before {
			t.Fatalf("%s, call %d, fails: %d descriptors were open before, %d are now", failed, nth, before, n)
		}
		if failed == "" && calls <= nth {
			if nth < 2 {
				t.Fatal("the test does not reach what it tests")
			}
			return
		}
		t.Log(failed, "fails:", err)
	}
}

// All mail from many goroutines is read, however often the calls that wake and wait
// are interrupted: a lost wake-up would leave all loops asleep.
func TestFaultsLoseNoWake(t *testing.T) {
	f := newFaults(t, 5)
	f.Choose = f.Random(2, Mild)
	p := newProbe(t, Config{})
	const producers, each = 4, 1000
	box := NewMailbox[chan bool](p.loop)
	got := 0
	p.onTurnEnded = func() time.Duration {
		for _, read := range box.Drain() {
			read <- true
			got++
		}
		if got == producers*each {
			p.loop.Stop()
		}
		return -1
	}
	var wait sync.WaitGroup
	for range producers {
		read := make(chan bool, 1)
		wait.Go(func() {
			for range each {
				box.Post(read)
				<-read
			}
		})
	}
	if err := p.loop.Run(); err != nil {
		t.Fatal(err)
	}
	wait.Wait()
	if f.Hits["epoll_wait EINTR"] == 0 {
		t.Fatal("the test does not reach what it tests")
	}
}

// An operation on one connection fails for that connection only, with the kernel's
// error.
func TestConnectionFaults(t *testing.T) {
	f := newFaults(t, 1)
	p := newProbe(t, Config{})
	c, far := p.tcpPair()
	f.Choose = func(call string, _ int) unix.Errno {
		switch call {
		case "getpeername", "setsockopt", "shutdown":
			return unix.ENOBUFS
		}
		return 0
	}
	if _, err := p.loop.Peer(c); err != unix.ENOBUFS {
		t.Error("Peer returns", err)
	}
	p.loop.ResetOnClose(c) // it fails, so the connection ends normally
	p.loop.Finish(c)       // shutdown fails, so the connection is closed at once
	p.turn()
	p.mustBeClosed(c, nil)
	if data := far.readAll(p); len(data) != 0 {
		t.Errorf("%q", data)
	}
}
