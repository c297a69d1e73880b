package reactor

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestEndedComesAfterTheData(t *testing.T) {
	for _, kind := range []string{"unix", "tcp"} {
		t.Run(kind, func(t *testing.T) {
			p := newProbe(t, Config{})
			c, far := p.pair()
			if kind == "tcp" {
				c, far = p.tcpPair()
			}
			p.onEnded = func(c Conn) {
				if string(p.got[c]) != "last words" {
					t.Errorf("the end came after %q", p.got[c])
				}
				_ = p.loop.Write(c, []byte("answer")) // the peer has closed only its sending side
				p.loop.Finish(c)
			}
			far.send("last words")
			far.closeWrite()
			if got := string(far.readAll(p)); got != "answer" {
				t.Fatalf("the peer read %q", got)
			}
			p.until("closed", func() bool { return p.wasClosed(c) })
			p.mustBeClosed(c, nil)
			if len(p.ended) != 1 {
				t.Fatal("ended", len(p.ended), "times")
			}
		})
	}
}

// For any length: also if the data just fills the buffer, or needs several.
func TestDataThenEndAtOnce(t *testing.T) {
	for _, size := range []int{0, 1, inputSize - 1, inputSize, inputSize + 1, 2 * inputSize} {
		p := newProbe(t, Config{})
		c, far := p.pair()
		if err := unix.SetsockoptInt(far.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 1<<20); err != nil {
			t.Fatal(err)
		}
		shown := -1
		p.onEnded = func(c Conn) { shown = len(p.got[c]) }
		far.send(strings.Repeat("z", size))
		far.close()
		for range size/inputSize + 2 {
			p.turn()
		}
		if shown != size || len(p.ended) != 1 {
			t.Errorf("%d bytes and the end: ended %d times, after %d bytes", size, len(p.ended), shown)
		}
		if p.wasClosed(c) {
			t.Error("the end of the peer closed the connection")
		}
	}
}

func TestEndedWhilePausedAndAgain(t *testing.T) {
	p := newProbe(t, Config{})
	c, far := p.pair()
	p.loop.Pause(c)
	far.send("unread")
	far.closeWrite()
	p.turn()
	p.turn()
	if len(p.ended) != 1 || p.calls != 0 {
		t.Fatalf("while paused: Ended was called %d times, Received %d times", len(p.ended), p.calls)
	}
	p.onEnded = func(c Conn) {
		if string(p.got[c]) != "unread" {
			t.Errorf("ended again after %q", p.got[c])
		}
	}
	p.loop.Resume(c)
	p.turn()
	p.turn()
	if len(p.ended) != 2 || p.calls != 1 {
		t.Fatalf("after Resume: Ended was called %d times, Received %d times", len(p.ended), p.calls)
	}
}

// The end is reported even after an incomplete message.
func TestEndedWithInputUnconsumed(t *testing.T) {
	p := newProbe(t, Config{})
	c, far := p.pair()
	p.onReceived = func(Conn, []byte) int { return 0 }
	far.send("half a mess")
	p.turn()
	far.close()
	p.turn()
	if len(p.ended) != 1 || p.ended[0] != c {
		t.Fatal("ended", p.ended)
	}
}

func TestResetIsReported(t *testing.T) {
	for _, paused := range []bool{false, true} {
		p := newProbe(t, Config{})
		c, far := p.tcpPair()
		if paused {
			p.loop.Pause(c)
		}
		far.reset()
		p.until("closed", func() bool { return p.wasClosed(c) })
		p.mustBeClosed(c, unix.ECONNRESET)
	}
}

// A peer that closes without having read our answer resets the connection; what
// it has sent before is not lost.
func TestDataBeforeResetIsShown(t *testing.T) {
	t.Run("unix", func(t *testing.T) {
		p := newProbe(t, Config{})
		c, far := p.pair()
		dataThenReset(t, p, c, far)
	})
	t.Run("tcp", func(t *testing.T) {
		p := newProbe(t, Config{})
		c, far := p.tcpPair()
		dataThenReset(t, p, c, far)
	})
}

func dataThenReset(t *testing.T, p *probe, c Conn, far *peer) {
	if err := p.loop.Write(c, []byte("an answer that is not read")); err != nil {
		t.Fatal(err)
	}
	poll := []unix.PollFd{{Fd: int32(far.fd), Events: unix.POLLIN}}
	if _, err := unix.Poll(poll, 5000); err != nil {
		t.Fatal(err)
	}
	far.send("publish")
	far.close()
	p.until("closed", func() bool { return p.wasClosed(c) })
	p.mustBeClosed(c, unix.ECONNRESET)
	if got := string(p.got[c]); got != "publish" {
		t.Fatalf("received %q before the reset", got)
	}
}
