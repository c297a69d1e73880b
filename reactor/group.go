package reactor

import (
	"errors"
	"fmt"
	"strings"
	"sync"
)

// Group is several loops that run together. They share no data: they send each other mail
// (Mailbox) or descriptors (Detach, Adopt).
type Group struct {
	Loops []*Loop

	sharing *sharing
	opened  [][]int // sockets of each address, in the order of the calls
	wait    sync.WaitGroup
	mu      sync.Mutex
	failed  error
}

// NewGroup opens n loops; open is called for each with its number, from 0. If one fails,
// the others are closed.
func NewGroup(n int, open func(i int) (*Loop, error)) (*Group, error) {
	g := &Group{}
	for i := range n {
		l, err := open(i)
		if err != nil {
			g.close()
			return nil, err
		}
		g.Loops = append(g.Loops, l)
	}
	g.sharing = newSharing(g.Loops)
	return g, nil
}

// Listen opens an address for all loops and returns the address that is bound. With TCP
// each loop has its own socket, and the kernel distributes connections over them; a unix
// socket or an inherited one is shared by all loops. Listen fails if another process
// listens there. Call it before Start. On an error no loop listens there.
func (g *Group) Listen(address string, tag uint8, opts SocketOptions) (bound string, err error) {
	opts.AcceptRate /= float64(len(g.Loops))
	lns, err := listenEach(address, len(g.Loops), opts)
	if err != nil {
		return "", err
	}
	distinct := len(lns)
	if lns[0].shared {
		distinct = 1
	}
	return g.deal(lns, distinct, tag)
}

// Inherit is Listen with sockets of that address that the process already has. With fewer
// sockets than loops, loops share some; with more, some loops have several. The Group
// owns them from now on; on an error they are closed.
func (g *Group) Inherit(address string, sockets []int, tag uint8, opts SocketOptions) (bound string, err error) {
	var lns []*Listener
	opts.AcceptRate /= float64(max(len(g.Loops), len(sockets)))
	for i, fd := range sockets {
		ln, err := inherit(fd, opts)
		if err != nil {
			closeAll(lns)
			for _, rest := range sockets[i:] {
				sysClose(int32(rest))
			}
			return "", fmt.Errorf("reactor: inherit %q: %w", address, err)
		}
		if path, ok := strings.CutPrefix(address, "unix:"); ok && i == 0 {
			ln.unix = path
		}
		lns = append(lns, ln)
	}
	for i := 0; len(lns) < len(g.Loops); i++ {
		ln, err := lns[i].Dup()
		if err != nil {
			closeAll(lns)
			return "", err
		}
		lns = append(lns, ln)
	}
	return g.deal(lns, len(sockets), tag)
}

// Retire is Inherit for an address that is no longer listened on: each loop's next turn
// accepts the connections that the kernel has already established, and closes the
// sockets.
func (g *Group) Retire(address string, sockets []int, tag uint8, opts SocketOptions) error {
	known := make([]int, len(g.Loops))
	for i, l := range g.Loops {
		known[i] = len(l.listeners)
	}
	if _, err := g.Inherit(address, sockets, tag, opts); err != nil {
		return err
	}
	g.opened = g.opened[:len(g.opened)-1]
	for i, l := range g.Loops {
		for n := known[i]; n < len(l.listeners); n++ {
			l.finishListener(n)
		}
	}
	return nil
}

// deal distributes listeners over the loops in turn. The first of them, distinct in
// number, are separate sockets; the others share those.
func (g *Group) deal(lns []*Listener, distinct int, tag uint8) (bound string, err error) {
	var fds []int
	for i, ln := range lns {
		if err := g.Loops[i%len(g.Loops)].AddListener(ln, tag); err != nil {
			for j := i - 1; j >= 0; j-- {
				given := g.Loops[j%len(g.Loops)]
				last := len(given.listeners) - 1
				for given.listeners[last].fd < 0 {
					last--
				}
				given.closeListener(&given.listeners[last])
			}
			closeAll(lns[i:])
			return "", err
		}
		if i < distinct {
			fds = append(fds, ln.fd)
		}
	}
	g.opened = append(g.opened, fds)
	return lns[0].Addr(), nil
}

// Opened returns the sockets of the n-th address listened on, counted from 0. The loops
// own them.
func (g *Group) Opened(n int) []int { return g.opened[n] }

// Sockets duplicates the sockets of the n-th address listened on, counted from 0, for
// another process (Inherit). The caller owns the duplicates. Call it before Start.
func (g *Group) Sockets(n int) (sockets []int, err error) {
	for _, fd := range g.opened[n] {
		dup, err := sysDup(fd)
		if err != nil {
			for _, fd := range sockets {
				sysClose(int32(fd))
			}
			return nil, opError("dup", err)
		}
		sockets = append(sockets, dup)
	}
	return sockets, nil
}

// listenEach opens n listeners at an address.
func listenEach(address string, n int, opts SocketOptions) ([]*Listener, error) {
	var lns []*Listener
	for range n {
		var ln *Listener
		var err error
		switch {
		case len(lns) == 0:
			opts.Exclusive = true
			ln, err = Listen(address, opts)
			opts.Exclusive = false
		case strings.HasPrefix(address, "unix:"), strings.HasPrefix(address, inheritedPrefix):
			ln, err = lns[0].Dup()
		default:
			ln, err = Listen(reuse(address, lns[0].Addr()), opts)
		}
		if err != nil {
			closeAll(lns)
			return nil, err
		}
		lns = append(lns, ln)
	}
	return lns, nil
}

func closeAll(lns []*Listener) {
	for _, ln := range lns {
		ln.Close()
	}
}

// reuse returns the address with the port to which the first socket is bound.
func reuse(address, bound string) string {
	return address[:strings.LastIndexByte(address, ':')] + bound[strings.LastIndexByte(bound, ':'):]
}

// Start runs every loop, on its own goroutine or on the first loop's (share.go).
func (g *Group) Start() {
	for i, l := range g.Loops {
		g.wait.Go(func() {
			var err error
			switch {
			case len(g.Loops) == 1:
				err = l.Run()
			case i == 0:
				err = g.sharing.runFirst(g.Loops)
			default:
				err = g.sharing.runGuest(l, g.Loops[0])
			}
			if err != nil {
				g.mu.Lock()
				g.failed = errors.Join(g.failed, err)
				g.mu.Unlock()
				g.Stop()
			}
		})
	}
}

// Stop stops all loops. Any goroutine may call it.
func (g *Group) Stop() {
	for _, l := range g.Loops {
		l.Stop()
	}
}

// Wait returns when all loops have stopped: nil after Stop, else the errors that stopped
// them.
func (g *Group) Wait() error {
	g.wait.Wait()
	return g.failed
}

// close closes loops that never ran.
func (g *Group) close() {
	for _, l := range g.Loops {
		l.Release()
	}
}
