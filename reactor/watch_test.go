package reactor

import (
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// watchedPipe is a pipe whose end to read a test has a loop watch.
func watchedPipe(t *testing.T) (read int, write *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return int(r.Fd()), w
}

// TestWatch has a loop watch two pipes: it tells of each as long as there is something to read.
func TestWatch(t *testing.T) {
	p := newProbe(t, Config{})
	box := NewMailbox[int](p.loop)
	var told [2]int
	var watches [2]Watch
	var reads [2]int
	var writes [2]*os.File
	for n := range watches {
		reads[n], writes[n] = watchedPipe(t)
		var err error
		if watches[n], err = box.Watch(reads[n], func() { told[n]++ }); err != nil {
			t.Fatal(err)
		}
	}
	want := func(what string, one, other int) {
		t.Helper()
		if err := p.loop.Turn(0); err != nil {
			t.Fatal(err)
		}
		if told != [2]int{one, other} {
			t.Errorf("%s: told %d, want %d and %d", what, told, one, other)
		}
	}
	want("nothing to read", 0, 0)
	_, _ = writes[1].WriteString("ab")
	want("something to read", 0, 1)
	want("it is not read", 0, 2)
	_, _ = unix.Read(reads[1], make([]byte, 9))
	want("it is read", 0, 2)
	writes[0].Close()
	want("the other has ended", 1, 2)
	watches[0].End()
	watches[0].End()
	want("it is not watched any more", 1, 2)
	again, other := watchedPipe(t)
	watch, err := box.Watch(again, func() { told[0] += 10 })
	if err != nil {
		t.Fatal(err)
	}
	watches[0].End() // has ended before
	_, _ = other.WriteString("c")
	want("another one in its place", 11, 2)
	watch.End()
	Watch{}.End()
	want("which has ended", 11, 2)
}

// TestAfterTurn: what AfterTurn is given is called once, after TurnEnded, in order.
func TestAfterTurn(t *testing.T) {
	p := newProbe(t, Config{})
	box := NewMailbox[int](p.loop)
	read, write := watchedPipe(t)
	var order []string
	if _, err := box.Watch(read, func() {
		order = append(order, "ready")
		box.AfterTurn(func() { order = append(order, "after") })
		box.AfterTurn(func() { order = append(order, "after that") })
		_, _ = unix.Read(read, make([]byte, 9))
	}); err != nil {
		t.Fatal(err)
	}
	p.onTurnEnded = func() time.Duration {
		order = append(order, "ended")
		return -1
	}
	_, _ = write.WriteString("a")
	for range 2 {
		if err := p.loop.Turn(0); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"ready", "ended", "after", "after that", "ended"}; !slices.Equal(order, want) {
		t.Errorf("%q, want %q", order, want)
	}
}

// TestWatchEndedMeanwhile ends a watch in the turn that has something to tell of it.
func TestWatchEndedMeanwhile(t *testing.T) {
	p := newProbe(t, Config{})
	box := NewMailbox[int](p.loop)
	told := 0
	var watches [2]Watch
	for n := range watches {
		read, write := watchedPipe(t)
		_, _ = write.WriteString("a")
		var err error
		if watches[n], err = box.Watch(read, func() {
			told++
			watches[1-n].End()
		}); err != nil {
			t.Fatal(err)
		}
	}
	p.turn()
	if told != 1 {
		t.Errorf("told %d times, want once", told)
	}
}

// TestWatchRefused has a loop that is closed, and a descriptor that cannot be watched.
func TestWatchRefused(t *testing.T) {
	p := newProbe(t, Config{})
	box := NewMailbox[int](p.loop)
	if _, err := box.Watch(-1, func() {}); !errors.Is(err, unix.EBADF) {
		t.Errorf("no descriptor: %v", err)
	}
	read, _ := watchedPipe(t)
	watch, err := box.Watch(read, func() {})
	if err != nil {
		t.Fatal(err)
	}
	p.loop.Release()
	watch.End()
	if _, err := box.Watch(read, func() {}); !errors.Is(err, ErrStopped) {
		t.Errorf("on a closed loop: %v", err)
	}
}
