package reactor

import (
	"errors"
	"strings"
	"sync"
)

// Group is several loops that run as one. They share nothing: what crosses
// from one to another is mail (Mailbox) or a descriptor (Detach, Adopt).
type Group struct {
	Loops []*Loop

	wait   sync.WaitGroup
	mu     sync.Mutex
	failed error
}

// NewGroup opens n loops, and closes those it has if one fails. open is called
// for each with its number.
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
	return g, nil
}

// Listen opens an address for all loops and returns where it is bound: a
// socket for each loop with TCP, between which the kernel spreads the
// connections, one shared socket with a unix path or an inherited one. It fails
// where somebody else listens. Call it before Start. On an error no loop listens
// there.
func (g *Group) Listen(address string, tag uint8, opts SocketOptions) (bound string, err error) {
	opts.AcceptRate /= float64(len(g.Loops))
	lns, err := listenEach(address, len(g.Loops), opts)
	if err != nil {
		return "", err
	}
	for i, l := range g.Loops {
		if err := l.AddListener(lns[i], tag); err != nil {
			for _, given := range g.Loops[:i] {
				given.closeListener(&given.listeners[len(given.listeners)-1])
			}
			closeAll(lns[i:])
			return "", err
		}
	}
	return lns[0].Addr(), nil
}

// listenEach opens an address n times.
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

// reuse is the address with the port that the first socket was given.
func reuse(address, bound string) string {
	return address[:strings.LastIndexByte(address, ':')] + bound[strings.LastIndexByte(bound, ':'):]
}

// Start runs every loop on a goroutine of its own.
func (g *Group) Start() {
	for _, l := range g.Loops {
		g.wait.Go(func() {
			if err := l.Run(); err != nil {
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

// Wait returns when all loops have stopped, with what made them if it was not
// Stop.
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
