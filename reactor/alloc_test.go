package reactor

import (
	"hash/crc32"
	"runtime/debug"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// quiet answers and keeps no input.
type quiet struct{ loop *Loop }

func (q *quiet) Opened(Conn) {}
func (q *quiet) Received(c Conn, p []byte) int {
	q.loop.SetTimer(c, time.Minute)
	_ = q.loop.Write(c, p)
	return len(p)
}
func (q *quiet) Ended(Conn)                        {}
func (q *quiet) Drained(Conn)                      {}
func (q *quiet) Expired(Conn)                      {}
func (q *quiet) Closed(Conn, error)                {}
func (q *quiet) TurnEnded(time.Time) time.Duration { return -1 }

func newQuiet(t *testing.T) *quiet {
	q := &quiet{}
	loop, err := NewLoop(q, Config{})
	if err != nil {
		t.Fatal(err)
	}
	q.loop = loop
	t.Cleanup(loop.Release)
	return q
}

func (q *quiet) pair(t *testing.T) (Conn, int32) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fds[1]) })
	c, err := q.loop.Adopt(fds[0], 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c, int32(fds[1])
}

func mustNotAllocate(t *testing.T, what string, f func()) {
	t.Helper()
	if n := testing.AllocsPerRun(200, f); n != 0 {
		t.Errorf("%s allocates %v times", what, n)
	}
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	q := newQuiet(t)
	_, far := q.pair(t)
	buf := make([]byte, 256)
	mustNotAllocate(t, "a message and its answer", func() {
		_, _ = sysWrite(far, []byte("hello"))
		_ = q.loop.Turn(0)
		if n, _ := sysRead(far, buf); n != 5 {
			t.Fatal("no answer")
		}
	})
	mustNotAllocate(t, "a turn with nothing to do", func() { _ = q.loop.Turn(0) })
}

// A flood is read over and over from the ready list.
func TestReadyListDoesNotAllocate(t *testing.T) {
	q := newQuiet(t)
	c, _ := q.pair(t)
	mustNotAllocate(t, "a paused connection resumed", func() {
		q.loop.Pause(c)
		q.loop.record(c).flags |= flagReadable
		q.loop.Resume(c)
		_ = q.loop.Turn(0)
	})
}

func TestMailDoesNotAllocate(t *testing.T) {
	q := newQuiet(t)
	box := NewMailbox[letter](q.loop)
	mustNotAllocate(t, "a letter", func() {
		box.Post(letter{1, 2})
		_ = q.loop.Turn(0)
		if len(box.Drain()) != 1 {
			t.Fatal("no mail")
		}
	})
}

func TestTimersDoNotAllocate(t *testing.T) {
	q := newQuiet(t)
	c, _ := q.pair(t)
	d := time.Second
	mustNotAllocate(t, "a timer", func() {
		d = 3*time.Second - d
		q.loop.SetTimer(c, d)
		q.loop.Close(q.loop.Timer(time.Minute, 1))
		_ = q.loop.Turn(0)
	})
}

// slow consumes its input when there is enough of it.
type slow struct {
	quiet
	whole int
	sum   uint32
}

func (s *slow) Received(_ Conn, p []byte) int {
	if len(p) < s.whole {
		return 0
	}
	s.sum = crc32.ChecksumIEEE(p)
	return len(p)
}

// A request that is longer than one read is kept in reused memory, and arrives
// complete.
func TestLongInputDoesNotAllocate(t *testing.T) {
	skipUnderRace(t)
	s := &slow{whole: 200 << 10}
	loop, err := NewLoop(s, Config{})
	if err != nil {
		t.Fatal(err)
	}
	s.loop = loop
	t.Cleanup(loop.Release)
	_, far := s.pair(t)
	text := make([]byte, s.whole)
	for i := range text {
		text[i] = byte(i * i >> 8)
	}
	mustNotAllocate(t, "a long request", func() {
		s.sum, text[0] = 0, text[0]+1
		for rest := text; len(rest) > 0; {
			n, _ := sysWrite(far, rest[:min(len(rest), 50_000)])
			rest = rest[max(n, 0):]
			_ = s.loop.Turn(0)
		}
		for range 5 {
			_ = s.loop.Turn(0)
		}
		if s.sum != crc32.ChecksumIEEE(text) {
			t.Fatal("it is not what was sent")
		}
	})
}

func skipUnderRace(t *testing.T) {
	t.Helper()
	info, _ := debug.ReadBuildInfo()
	for _, s := range info.Settings {
		if s.Key == "-race" && s.Value == "true" {
			t.Skip("under the race detector pools forget")
		}
	}
}
