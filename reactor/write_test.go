package reactor

import (
	"bytes"
	"errors"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// block is more than the buffers of a socket pair take.
var block = bytes.Repeat([]byte("0123456789abcdef"), 64<<10)

func TestWriteKeepsACopyOfTheRest(t *testing.T) {
	p := newProbe(t, Config{})
	c, far := p.pair()
	mine := bytes.Clone(block)
	if err := p.loop.Write(c, mine); err != nil {
		t.Fatal(err)
	}
	clear(mine) // it was copied
	if err := p.loop.Write(c, []byte("and more")); err != nil {
		t.Fatal(err)
	}
	if !p.loop.Blocked(c) || p.loop.Stats().Held != 1 {
		t.Fatal("a megabyte did not block the connection")
	}
	if n, err := p.loop.TryWrite(c, []byte("x")); n != 0 || err != nil {
		t.Fatal("TryWrite while blocked:", n, err)
	}
	var got []byte
	p.until("drained", func() bool {
		data, _ := far.take()
		got = append(got, data...)
		return len(p.drained) > 0
	})
	data, _ := far.take()
	if got = append(got, data...); string(got) != string(block)+"and more" {
		t.Fatalf("the peer read %d bytes, or they were wrong", len(got))
	}
	p.turn()
	if len(p.drained) != 1 || p.loop.Blocked(c) || p.loop.Stats().Held != 0 {
		t.Fatalf("drained %d times, %d held", len(p.drained), p.loop.Stats().Held)
	}
}

func TestHoldSharesTheFrame(t *testing.T) {
	p := newProbe(t, Config{})
	var conns []Conn
	var peers []*peer
	for range 3 {
		c, far := p.pair()
		n, err := p.loop.TryWrite(c, block)
		if err != nil || n == 0 || n == len(block) {
			t.Fatal("TryWrite:", n, err)
		}
		p.loop.Hold(c, &Frame{Bytes: block}, n)
		if out := p.loop.held[p.loop.record(c).held].out; unsafe.SliceData(out) != &block[n] {
			t.Fatal("the frame was copied")
		}
		conns, peers = append(conns, c), append(peers, far)
	}
	for i, far := range peers {
		before := len(p.drained)
		var got []byte
		p.until("drained", func() bool {
			data, _ := far.take()
			got = append(got, data...)
			return len(p.drained) > before
		})
		data, _ := far.take()
		if !bytes.Equal(append(got, data...), block) {
			t.Fatal("it does not hold the frame")
		}
		if p.drained[before] != conns[i] || len(p.drained) != before+1 {
			t.Fatal("drained", p.drained)
		}
	}
}

// What is written after a held frame is copied, and the frame itself is not
// changed.
func TestWriteBehindAHeldFrame(t *testing.T) {
	for _, how := range []string{"Write", "Hold"} {
		p := newProbe(t, Config{})
		c, far := p.pair()
		frame := bytes.Clone(block)
		n, _ := p.loop.TryWrite(c, frame)
		p.loop.Hold(c, &Frame{Bytes: frame}, n)
		if how == "Write" {
			_ = p.loop.Write(c, []byte("tail"))
		} else {
			p.loop.Hold(c, &Frame{Bytes: []byte("tail")}, 0)
		}
		var got []byte
		p.until("drained", func() bool {
			data, _ := far.take()
			got = append(got, data...)
			return len(p.drained) > 0
		})
		data, _ := far.take()
		if got = append(got, data...); string(got) != string(block)+"tail" {
			t.Fatalf("%s: the peer read %d bytes, want %d, or others", how, len(got), len(block)+4)
		}
		if !bytes.Equal(frame, block) {
			t.Fatal("the frame was written to")
		}
	}
}

func TestMaxHeld(t *testing.T) {
	p := newProbe(t, Config{MaxHeld: 100})
	c, far := p.pair()
	for {
		if n, err := p.loop.TryWrite(c, block); err != nil {
			t.Fatal(err)
		} else if n == 0 {
			break
		}
	}
	if err := p.loop.Write(c, block[:100]); err != nil {
		t.Fatal("as much as is allowed:", err)
	}
	if err := p.loop.Write(c, block[:1]); err != ErrHeldFull {
		t.Fatal(err)
	}
	if err := p.loop.Write(c, block[:1]); err != ErrClosed {
		t.Fatal("after it was lost:", err)
	}
	p.turn()
	p.mustBeClosed(c, ErrHeldFull)
	far.take()
}

func TestFinishWritesWhatIsHeld(t *testing.T) {
	p := newProbe(t, Config{})
	c, far := p.pair()
	if err := p.loop.Write(c, block); err != nil {
		t.Fatal(err)
	}
	p.loop.Finish(c)
	p.loop.Resume(c) // too late, as for the rest
	p.loop.SetTimer(c, 0)
	p.loop.Hold(c, &Frame{Bytes: []byte("x")}, 0)
	if err := p.loop.Write(c, []byte("x")); err != ErrClosed {
		t.Fatal("Write after Finish:", err)
	}
	far.send("not heard")
	if got := far.readAll(p); !bytes.Equal(got, block) {
		t.Fatalf("the peer read %d bytes, want %d", len(got), len(block))
	}
	far.close()
	p.until("closed", func() bool { return p.wasClosed(c) })
	p.mustBeClosed(c, nil)
	if p.calls+len(p.ended)+len(p.drained)+len(p.expired) != 0 {
		t.Fatal("the handler was told more than Closed")
	}
}

func TestFinishGivesUpOnAPeerThatDoesNotRead(t *testing.T) {
	p := newProbe(t, Config{WriteTimeout: 10 * time.Second})
	c, far := p.pair()
	if err := p.loop.Write(c, block); err != nil {
		t.Fatal(err)
	}
	p.loop.Finish(c)
	writeTime := 10*time.Second + time.Duration(p.loop.HeldOut(c))*time.Second/SlowestReader
	p.later(writeTime - TickLength)
	if p.wasClosed(c) {
		t.Fatal("gave up early")
	}
	p.later(2 * TickLength)           // it was rounded up
	p.mustBeClosed(c, unix.ETIMEDOUT) // output was lost, and that is reported
	far.take()
}

func TestLingerEndsWithTheTime(t *testing.T) {
	p := newProbe(t, Config{Linger: time.Second})
	c, far := p.pair()
	p.loop.Finish(c)
	far.send("still talking")
	p.later(time.Second - TickLength)
	if p.wasClosed(c) || p.calls != 0 {
		t.Fatal("closed early, or the handler got input")
	}
	p.later(2 * TickLength) // it was rounded up
	p.mustBeClosed(c, nil)
}

func TestLingerEndsWithThePeer(t *testing.T) {
	p := newProbe(t, Config{})
	c, far := p.pair()
	p.loop.Finish(c)
	if _, end := far.take(); !end {
		t.Fatal("Finish did not shut the sending side down")
	}
	far.send("good")
	p.turn()
	far.send("bye")
	far.closeWrite()
	p.turn()
	p.mustBeClosed(c, nil)
	if p.calls != 0 || len(p.ended) != 0 {
		t.Fatal("told more than Closed")
	}
}

// A peer can distinguish a connection that was reset from one that has ended,
// whichever side has closed it.
func TestResetOnClose(t *testing.T) {
	for _, c := range []struct {
		name  string
		reset bool
		close func(p *probe, c Conn)
	}{
		{"closed", true, func(p *probe, c Conn) { p.loop.Close(c); p.turn() }},
		{"released", true, func(p *probe, c Conn) { p.loop.Release() }},
		{"not reset", false, func(p *probe, c Conn) { p.loop.Close(c); p.turn() }},
	} {
		p := newProbe(t, Config{})
		conn, far := p.tcpPair()
		if c.reset {
			p.onClosed = func(conn Conn, _ error) { p.loop.ResetOnClose(conn) }
		}
		c.close(p, conn)
		n, err := unix.Read(far.fd, make([]byte, 1))
		if reset := err == unix.ECONNRESET; reset != c.reset || !reset && (n != 0 || err != nil) {
			t.Errorf("%s: the peer reads %d bytes, %v", c.name, n, err)
		}
		p.loop.ResetOnClose(conn) // harmless
	}
}

func TestWriteToADeadPeer(t *testing.T) {
	p := newProbe(t, Config{})
	c, far := p.pair()
	far.close()
	if err := p.loop.Write(c, []byte("hello?")); err != unix.EPIPE {
		t.Fatal(err)
	}
	if err := p.loop.Write(c, []byte("hello?")); err != ErrClosed {
		t.Fatal(err)
	}
	if len(p.closed) != 0 {
		t.Fatal("the handler was called inside Write")
	}
	p.turn()
	p.mustBeClosed(c, unix.EPIPE)
}

// The peer dies while output for it is held.
func TestPeerDiesWhileBlocked(t *testing.T) {
	for _, kind := range []string{"unix", "tcp"} {
		p := newProbe(t, Config{MaxHeld: 64 << 20})
		c, far := p.pair()
		if kind == "tcp" {
			c, far = p.tcpPair()
		}
		for !p.loop.Blocked(c) {
			if err := p.loop.Write(c, block); err != nil {
				t.Fatal(err)
			}
		}
		far.send("last words")
		far.close()
		p.until("closed", func() bool { return p.wasClosed(c) })
		if p.closed[c] == nil {
			t.Error(kind, "held output was lost without an error")
		}
		if got := string(p.got[c]); got != "last words" {
			t.Errorf("%s: received %q", kind, got)
		}
	}
}

func TestDetachInDrained(t *testing.T) {
	p := newProbe(t, Config{})
	c, far := p.pair()
	var taken int
	p.onDrained = func(c Conn) {
		var err error
		if taken, _, err = p.loop.Detach(c); err != nil {
			t.Error(err)
		}
	}
	if err := p.loop.Write(c, block); err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.loop.Detach(c); err == nil {
		t.Fatal("detached with output held")
	}
	for len(p.drained) == 0 {
		far.send("x") // input comes with the same event
		far.take()
		p.turn()
	}
	unix.Close(taken)
	if p.loop.Conns() != 0 || p.wasClosed(c) {
		t.Fatal("it is still open, or Closed was called")
	}
}

// What is kept for all connections together is bounded too: the one that would
// go beyond it is closed, and what it held is free for others.
func TestHeldAllIsBounded(t *testing.T) {
	p := newProbe(t, Config{MaxHeldAll: 3 << 20 >> 1})
	first, _ := p.pair()
	second, _ := p.pair()
	if err := p.loop.Write(first, block); err != nil {
		t.Fatal(err)
	}
	if err := p.loop.Write(second, block); !errors.Is(err, ErrHeldAll) {
		t.Fatal("the second is kept:", err)
	}
	p.turn()
	if p.loop.Alive(second) || !p.loop.Alive(first) {
		t.Fatal("the wrong one was closed")
	}
	p.loop.Close(first)
	p.turn()
	if p.loop.heldBytes != 0 {
		t.Fatal(p.loop.heldBytes, "bytes are counted with nothing held")
	}
	third, _ := p.pair()
	if err := p.loop.Write(third, block); err != nil {
		t.Fatal(err)
	}
}

// A frame that several hold counts once, until the last has let go; one too many is
// the end of a loop that would hold it.
func TestHeldFramesCountOnce(t *testing.T) {
	p := newProbe(t, Config{MaxHeldAll: 5 << 20 >> 1})
	shared := &Frame{Bytes: block}
	var stuck []Conn
	for range 3 {
		c, _ := p.pair()
		n, err := p.loop.TryWrite(c, block)
		if err != nil {
			t.Fatal(err)
		}
		p.loop.Hold(c, shared, n)
		stuck = append(stuck, c)
	}
	if p.loop.heldBytes != len(block) {
		t.Fatal(p.loop.heldBytes, "bytes are counted of", len(block))
	}
	var others []Conn
	for range 2 {
		c, _ := p.pair()
		n, err := p.loop.TryWrite(c, block)
		if err != nil {
			t.Fatal(err)
		}
		p.loop.Hold(c, &Frame{Bytes: block}, n)
		others = append(others, c)
	}
	p.turn()
	p.mustBeClosed(others[1], ErrHeldAll)
	p.loop.Close(others[0])
	p.turn()
	if err := p.loop.Write(stuck[0], []byte("behind it")); err != nil { // in a copy of its own
		t.Fatal(err)
	}
	if shared.holders != 2 || p.loop.heldBytes <= len(block) {
		t.Fatal(shared.holders, "hold the frame;", p.loop.heldBytes, "bytes are counted")
	}
	for _, c := range stuck {
		p.loop.Close(c)
	}
	p.turn()
	if p.loop.heldBytes != 0 || shared.holders != 0 {
		t.Fatal(p.loop.heldBytes, "bytes are counted with nothing held,", shared.holders, "holders")
	}
}
