package reactor

import (
	"net/netip"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// Peer returns the address that the far end has itself, on every kind of socket.
func TestPeer(t *testing.T) {
	for _, test := range []struct{ listen, dial, from, want string }{
		{"127.0.0.1:0", "", "127.0.0.9:0", "127.0.0.9"},
		{":0", "127.0.0.1", "127.1.2.3:0", "127.1.2.3"}, // a socket of both families: the kernel says ::ffff:127.1.2.3
		{"[::1]:0", "", "", "::1"},
		{"unix:" + filepath.Join(t.TempDir(), "s"), "", "", "invalid IP"},
	} {
		t.Run(test.listen, func(t *testing.T) {
			p := newProbe(t, Config{})
			ln, err := Listen(test.listen, SocketOptions{})
			if err != nil {
				t.Skip(err) // the kernel has no IPv6
			}
			address := ln.Addr()
			if err := p.loop.AddListener(ln, 3); err != nil {
				t.Fatal(err)
			}
			if test.dial != "" {
				bound := netip.MustParseAddrPort(address)
				address = netip.AddrPortFrom(netip.MustParseAddr(test.dial), bound.Port()).String()
			}
			fd, err := dial(address, test.from, SocketOptions{})
			if err != nil {
				t.Fatal(err)
			}
			far := newPeer(t, fd)
			p.until("accepted", func() bool { return len(p.opened) == 1 })
			got, err := p.loop.Peer(p.opened[0])
			if err != nil || got.Addr().String() != test.want {
				t.Errorf("got %v, %v, want %s", got, err, test.want)
			}
			sa, err := unix.Getsockname(far.fd)
			if err != nil {
				t.Fatal(err)
			}
			if own, err := netip.ParseAddrPort(formatAddr(sa)); err == nil && own.Port() != got.Port() {
				t.Errorf("got port %d, want %d", got.Port(), own.Port())
			}
		})
	}
}

// A peer that is gone has no address.
func TestPeerGone(t *testing.T) {
	p := newProbe(t, Config{})
	timer := p.loop.Timer(-1, 0)
	if _, err := p.loop.Peer(timer); err != ErrClosed {
		t.Errorf("a bare timer: %v", err)
	}
	c, far := p.tcpPair()
	far.reset()
	if got, err := p.loop.Peer(c); err != unix.ENOTCONN {
		t.Errorf("reset: %v, %v", got, err)
	}
	p.loop.Close(c)
	p.loop.Close(timer)
	p.turn()
	if _, err := p.loop.Peer(c); err != ErrClosed {
		t.Errorf("closed: %v", err)
	}
}

func TestPeerDoesNotAllocate(t *testing.T) {
	p := newProbe(t, Config{})
	c, _ := p.tcpPair()
	mustNotAllocate(t, "a peer's address", func() {
		if peer, err := p.loop.Peer(c); err != nil || !peer.Addr().IsLoopback() {
			t.Fatal(peer, err)
		}
	})
}

// SetTag changes the tag. A bare timer, and a connection that is gone, have none.
func TestSetTag(t *testing.T) {
	p := newProbe(t, Config{})
	c, _ := p.pair()
	other, _ := p.pair()
	for _, tag := range []uint8{0, 255, resumeListener, 9} {
		p.loop.SetTag(c, tag)
		if p.loop.Tag(c) != tag || p.loop.Tag(other) != 7 || p.loop.ConnAt(c.Index()) != c {
			t.Errorf("set to %d: %d, of another %d", tag, p.loop.Tag(c), p.loop.Tag(other))
		}
	}
	timer := p.loop.Timer(-1, 0)
	p.loop.SetTag(timer, resumeListener)
	if p.loop.Tag(timer) != 0 || p.loop.ConnAt(timer.Index()) != timer {
		t.Error("a bare timer has a tag")
	}
	p.loop.Close(c)
	p.loop.Close(timer)
	p.turn()
	p.loop.SetTag(c, 1)
	if next, _ := p.pair(); p.loop.Tag(next) != 7 {
		t.Error("the tag of a closed connection was kept for the next")
	}
}

// A connection that is closed with output held resets: the peer sees that it was cut, and its
// kernel buffers are free at once. What had arrived may be read before.
func TestHeldOutputResets(t *testing.T) {
	for name, cut := range map[string]func(p *probe, c Conn){
		"closed":   func(p *probe, c Conn) { p.loop.Close(c) },
		"too much": func(p *probe, c Conn) { _ = p.loop.Write(c, make([]byte, 2*len(block))) },
	} {
		p := newProbe(t, Config{MaxHeld: 2 * len(block)})
		c, far := p.tcpPair()
		for !p.loop.Blocked(c) {
			if err := p.loop.Write(c, block); err != nil {
				t.Fatal(err)
			}
		}
		cut(p, c)
		p.turn()
		if !p.wasClosed(c) {
			t.Fatal(name, "is open")
		}
		var err error
		for n := 1; n > 0 && err == nil; {
			n, err = unix.Read(far.fd, make([]byte, len(block)))
		}
		if err != unix.ECONNRESET {
			t.Errorf("%s: the peer's reading ends with %v", name, err)
		}
	}
}
