package reactor

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkTurn measures a turn with nothing to do except a timer far away, and
// one that takes a message and answers it.
func BenchmarkTurn(b *testing.B) {
	q := &quiet{}
	loop, err := NewLoop(q, Config{})
	if err != nil {
		b.Fatal(err)
	}
	q.loop = loop
	b.Cleanup(loop.Release)
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { unix.Close(fds[1]) })
	if _, err := loop.Adopt(fds[0], 0, nil); err != nil {
		b.Fatal(err)
	}
	loop.Timer(time.Hour, 0)
	turn := func(b *testing.B) {
		if err := loop.Turn(-1); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("woken", func(b *testing.B) {
		for range b.N {
			loop.Wake()
			turn(b)
		}
	})
	b.Run("message", func(b *testing.B) {
		buf := make([]byte, 64)
		for range b.N {
			_, _ = sysWrite(int32(fds[1]), buf[:16])
			turn(b)
			_, _ = sysRead(int32(fds[1]), buf)
		}
	})
}
