package reactor

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestIncompleteInputIsShownAgain(t *testing.T) {
	p := newProbe(t, Config{})
	c, far := p.pair()
	var shown []string
	p.onReceived = func(_ Conn, b []byte) int { // consumes whole lines
		shown = append(shown, string(b))
		return bytes.LastIndexByte(b, '\n') + 1
	}
	for _, s := range []string{"on", "e\ntw", "o", "\n"} {
		far.send(s)
		p.turn()
	}
	if want := []string{"on", "one\ntw", "two", "two\n"}; !slices.Equal(shown, want) {
		t.Fatalf("shown %q, want %q", shown, want)
	}
	if got := string(p.got[c]); got != "one\ntwo\n" {
		t.Fatalf("consumed %q", got)
	}
	if held := p.loop.Stats().Held; held != 0 {
		t.Fatal("an empty buffer is still borrowed")
	}
}

func TestMessageIsOneCall(t *testing.T) {
	p := newProbe(t, Config{})
	c, far := p.pair()
	for range 5 {
		far.send("hello")
		p.turn()
		p.turn() // nothing is left to report
	}
	if p.calls != 5 || string(p.got[c]) != strings.Repeat("hello", 5) {
		t.Fatalf("%d calls for 5 messages: %q", p.calls, p.got[c])
	}
	if p.loop.record(c).flags&flagReadable != 0 {
		t.Fatal("a second read would be needed to learn that there is nothing")
	}
}

// A peer that fills the loop's buffer each time is read once a turn, like all
// others.
func TestFloodDoesNotStarve(t *testing.T) {
	p := newProbe(t, Config{})
	flood, flooder := p.pair()
	quiet, other := p.pair()
	sent := flooder.fill()
	for turn := 1; turn <= 20; turn++ {
		other.send("x")
		p.turn()
		sent += flooder.fill()
		if len(p.got[quiet]) != turn {
			t.Fatalf("turn %d: the quiet one was told of %d bytes", turn, len(p.got[quiet]))
		}
		if got := len(p.got[flood]); got > turn*inputSize {
			t.Fatalf("turn %d: the flooder was read more than once a turn: %d bytes", turn, got)
		}
	}
	p.until("the flood ends", func() bool { return len(p.got[flood]) == sent })
}

// However many peers send floods, a turn reads only its share from each.
func TestFloodsShareTheTurn(t *testing.T) {
	const floods = 4 * inputTurn / inputSize
	p := newProbe(t, Config{})
	var peers []*peer
	for range floods {
		_, far := p.pair()
		far.fill()
		peers = append(peers, far)
	}
	quiet, other := p.pair()
	for turn := 1; turn <= 8; turn++ {
		other.send("x")
		before := p.loop.Figures().BytesRead
		p.turn()
		if n := p.loop.Figures().BytesRead - before; n > inputTurn || n < inputTurn/4 { // a connection that the kernel reports, and that is queued from the last turn, counts twice
			t.Fatalf("turn %d: %d bytes were read", turn, n)
		}
		if len(p.got[quiet]) != turn {
			t.Fatalf("turn %d: the quiet one was told of %d bytes", turn, len(p.got[quiet]))
		}
		for _, far := range peers {
			far.fill()
		}
	}
}

func TestMaxInput(t *testing.T) {
	p := newProbe(t, Config{MaxInput: 10})
	c, far := p.pair()
	p.onReceived = func(Conn, []byte) int { return 0 }
	far.send("0123456789")
	p.turn()
	if !p.loop.Alive(c) {
		t.Fatal("closed with the largest permitted input")
	}
	far.send("!")
	p.turn()
	p.mustBeClosed(c, ErrInputFull)
}

func TestPauseAndResume(t *testing.T) {
	p := newProbe(t, Config{})
	c, far := p.pair()
	p.onReceived = func(c Conn, b []byte) int {
		p.loop.Pause(c)
		return 1
	}
	far.send("abc")
	p.turn()
	far.send("def")
	p.turn()
	if got := string(p.got[c]); got != "a" {
		t.Fatalf("consumed %q while paused", got)
	}
	p.onReceived = nil
	p.loop.Resume(c)
	if p.calls != 1 {
		t.Fatal("the handler was called inside Resume")
	}
	p.turn()
	if got := string(p.got[c]); got != "abcdef" {
		t.Fatalf("after Resume: %q", got)
	}
}

// The edge came while the connection was paused, and no other will come.
func TestEdgeSeenWhilePausedIsNotLost(t *testing.T) {
	p := newProbe(t, Config{})
	c, far := p.pair()
	p.loop.Pause(c)
	far.send("abc")
	p.turn()
	p.loop.Resume(c)
	p.loop.Pause(c)
	p.turn()
	if p.calls != 0 {
		t.Fatal("received while paused")
	}
	p.loop.Resume(c)
	p.turn()
	if got := string(p.got[c]); got != "abc" {
		t.Fatalf("after Resume: %q", got)
	}
}

// Paused by its own handler in the middle of a flood, it continues where it was.
func TestPauseWithTheBufferFull(t *testing.T) {
	p := newProbe(t, Config{})
	c, far := p.pair()
	sent := far.fill()
	p.onReceived = func(c Conn, b []byte) int {
		p.loop.Pause(c)
		return len(b)
	}
	for p.calls = 0; len(p.got[c]) < sent; {
		before := p.calls
		p.turn()
		p.turn()
		if p.calls > before+1 {
			t.Fatal("received while paused")
		}
		if p.calls == before && !p.loop.Alive(c) {
			t.Fatal("lost")
		}
		p.loop.Resume(c)
	}
}

// A peer that sends faster than a pausing handler consumes is read only as far as
// there is room.
func TestFasterThanServed(t *testing.T) {
	const each = 1000
	p := newProbe(t, Config{MaxInput: inputSize + each})
	c, far := p.pair()
	p.onReceived = func(c Conn, b []byte) int {
		p.loop.Pause(c)
		return min(each, len(b))
	}
	sent := 0
	for range 100 {
		sent += far.fill()
		p.turn()
		p.loop.Resume(c)
		if !p.loop.Alive(c) {
			t.Fatalf("lost after %d bytes: %v", len(p.got[c]), p.closed[c])
		}
	}
	for len(p.got[c]) < sent && p.loop.Alive(c) {
		p.turn()
		p.loop.Resume(c)
	}
	if len(p.got[c]) != sent {
		t.Fatalf("%d bytes of %d are taken", len(p.got[c]), sent)
	}
}

// Finish in the middle of input: no more input is passed to the handler, and
// closing does not destroy the answer.
func TestFinishThrowsInputAway(t *testing.T) {
	p := newProbe(t, Config{})
	c, far := p.tcpPair()
	p.onReceived = func(c Conn, b []byte) int {
		_ = p.loop.Write(c, []byte("enough"))
		p.loop.Finish(c)
		if p.loop.Alive(c) {
			t.Error("alive after Finish")
		}
		return 1
	}
	sent := far.fill()
	got := far.readAll(p)
	if string(got) != "enough" || p.calls != 1 {
		t.Fatalf("of %d bytes: %d calls, answer %q", sent, p.calls, got)
	}
	if p.wasClosed(c) {
		t.Fatal("closed before the peer did")
	}
	p.until("the rest is thrown away", func() bool { return far.fill() > 0 })
	far.close()
	p.until("closed", func() bool { return p.wasClosed(c) })
}

// Finish of a connection whose peer has ended, with input unread: a reset must
// not destroy the answer.
func TestFinishReadsWhatIsUnreadFirst(t *testing.T) {
	p := newProbe(t, Config{})
	c, far := p.tcpPair()
	p.loop.Pause(c)
	far.send("never wanted")
	far.closeWrite()
	p.until("ended", func() bool { return len(p.ended) > 0 })
	if err := p.loop.Write(c, []byte("answer")); err != nil {
		t.Fatal(err)
	}
	p.loop.Finish(c)
	p.until("closed", func() bool { return p.wasClosed(c) })
	p.mustBeClosed(c, nil)
	buf := make([]byte, 64)
	if err := unix.SetNonblock(far.fd, false); err != nil {
		t.Fatal(err)
	}
	if n, err := unix.Read(far.fd, buf); err != nil || string(buf[:n]) != "answer" {
		t.Fatalf("the peer read %q, %v", buf[:max(n, 0)], err)
	}
	if n, err := unix.Read(far.fd, buf); n != 0 || err != nil {
		t.Fatal("the peer did not see a clean end:", n, err, io.EOF)
	}
}

// Urgent data ends a read early, and no edge follows for the rest. No input is
// left unread, and the end is not reported before it.
func TestUrgentData(t *testing.T) {
	for _, end := range []bool{false, true} {
		p := newProbe(t, Config{})
		c, far := p.tcpPair()
		far.send("before")
		if err := unix.Sendto(far.fd, []byte("!"), unix.MSG_OOB, nil); err != nil {
			t.Fatal(err)
		}
		far.send("behind")
		p.onEnded = func(c Conn) {
			if got := string(p.got[c]); got != "beforebehind" {
				t.Errorf("ended after %q", got)
			}
		}
		if end {
			far.closeWrite()
			p.until("ended", func() bool { return len(p.ended) == 1 })
		}
		p.until("all is received", func() bool { return string(p.got[c]) == "beforebehind" })
	}
}
