package main

import (
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
)

// tap is between nginx and a server, and records what they send.
type tap struct {
	address, to string
	mu          sync.Mutex
	talks       [][]turn // by connection
}

// turn is what nginx sends, and what the server sends before nginx sends again.
type turn struct{ asked, answered string }

// newTap listens on an address ("unix:PATH" or a TCP one) and connects to another, until the
// test ends.
func newTap(t *testing.T, address, to string) *tap {
	t.Helper()
	kind, at := network(address)
	ln, err := net.Listen(kind, at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	p := &tap{address: ln.Addr().String(), to: to}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			p.talks = append(p.talks, nil)
			n := len(p.talks) - 1
			p.mu.Unlock()
			go p.join(n, c)
		}
	}()
	return p
}

func network(address string) (kind, at string) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return "unix", path
	}
	return "tcp", address
}

// join copies bytes in both directions until either end closes.
func (p *tap) join(n int, c net.Conn) {
	defer c.Close()
	kind, at := network(p.to)
	s, err := net.Dial(kind, at)
	if err != nil {
		return
	}
	defer s.Close()
	go func() {
		p.carry(n, c, s, false)
		c.Close()
	}()
	p.carry(n, s, c, true)
}

// carry copies bytes in one direction.
func (p *tap) carry(n int, to io.Writer, from io.Reader, asked bool) {
	buf := make([]byte, 4096)
	for {
		k, err := from.Read(buf)
		p.note(n, string(buf[:k]), asked)
		if _, werr := to.Write(buf[:k]); err != nil || werr != nil {
			return
		}
	}
}

func (p *tap) note(n int, text string, asked bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	turns := p.talks[n]
	// After an answer that closes the connection, more bytes are the rest of a request that was
	// refused early: they are never read.
	if len(turns) == 0 || asked && text != "" && turns[len(turns)-1].answered != "" &&
		!strings.Contains(turns[len(turns)-1].answered, "\r\nConnection: close\r\n") {
		turns = append(turns, turn{})
		p.talks[n] = turns
	}
	if last := &turns[len(turns)-1]; asked {
		last.asked += text
	} else {
		last.answered += text
	}
}

// turns returns the turns of each connection so far.
func (p *tap) turns() (list [][]turn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, turns := range p.talks {
		list = append(list, slices.Clone(turns))
	}
	return list
}

// seen returns what each connection has received so far.
func (p *tap) seen() (list []string) {
	for _, turns := range p.turns() {
		all := ""
		for _, t := range turns {
			all += t.asked
		}
		list = append(list, all)
	}
	return list
}
