//go:build faults

package comet

import (
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ccomet/comet/internal/conn"
	"ccomet/reactor"
)

// newFaults makes system calls fail until the test ends. The test must leave as many
// descriptors open as it found.
func newFaults(t *testing.T, seed uint64) *reactor.Faults {
	t.Helper()
	before := descriptors(t)
	f := reactor.NewFaults(seed)
	t.Cleanup(func() {
		f.Remove()
		if n := descriptors(t); n != before {
			t.Errorf("%d descriptors were open before, %d are now", before, n)
		}
		t.Log(f.Hits)
	})
	return f
}

// descriptors returns how many are open. It always counts those of Go's own poller, which
// exist from the first timer on.
func descriptors(t *testing.T) int {
	t.Helper()
	time.AfterFunc(time.Hour, func() {}).Stop()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// Clients notice no mild faults.
func TestRandomOperationsMildFaults(t *testing.T) {
	seeded(t, func(t *testing.T, seed uint64) {
		f := newFaults(t, seed)
		w := newWorld(t, seed)
		w.calm = 10
		f.Choose = f.Random(4, reactor.Mild)
		w.run(600)
	})
}

func TestRandomCCometMildFaults(t *testing.T) {
	seeded(t, func(t *testing.T, seed uint64) {
		f := newFaults(t, seed)
		l := newLobby(t, seed)
		l.calm = 10
		f.Choose = f.Random(4, reactor.Mild)
		l.run(600)
	})
}

// Connections are lost and memory runs out now and then. A client that this does not hit
// notices nothing. One that it hits is cut or refused, and can come back: no client misses
// a message without being told, or gets one twice, and nothing remains of clients that are
// gone.
func TestRandomOperationsSevereFaults(t *testing.T) {
	met := map[string]int{}
	seeded(t, func(t *testing.T, seed uint64) {
		f := newFaults(t, seed)
		w := newWorld(t, seed)
		w.calm, w.harsh = 10, true
		mild, severe := f.Random(5, reactor.Mild), f.Random(80, reactor.Severe)
		w.failing = func(on bool) {
			f.Choose = nil
			if on {
				f.Choose = func(call string, fd int) unix.Errno {
					if errno := severe(call, fd); errno != 0 {
						return errno
					}
					return mild(call, fd)
				}
			}
		}
		f.Told = func(call string, fd int, errno unix.Errno) {
			if !slices.Contains(reactor.Mild[call], errno) {
				w.lost(fd)
			}
		}
		w.failing(true)
		w.run(600)
		met["refused"] += w.got["refused"]
		met["not published"] += w.got["not published"]
		met["lost"] += len(w.hurt)
	})
	if t.Log(met); met["refused"] == 0 || met["lost"] == 0 {
		t.Error("the test does not reach what it tests")
	}
}

// lost records whose connection a descriptor of the server is.
func (w *world) lost(fd int) {
	for i, p := range w.publishers {
		if w.srv.shards[i].loop.Fd(p.conn) == fd {
			w.hurt[p.end] = true
		}
	}
	for i, a := range w.askers {
		if a.end != nil && w.srv.shards[i].loop.Fd(a.conn) == fd {
			w.hurt[a.end] = true
		}
	}
	for _, c := range w.clients {
		if c.shard.loop.Fd(c.conn) == fd {
			w.hurt[c.end] = true
		}
	}
}

// While the kernel has no memory for records, a new client is refused with the reason and
// all others are served. Afterwards nothing remains of the refused one.
func TestOutOfMemoryFaults(t *testing.T) {
	var out atomic.Bool
	var missed atomic.Int64
	f := reactor.NewFaults(1)
	t.Cleanup(f.Remove)
	f.Choose = func(call string, _ int) unix.Errno {
		if call != "mmap" || !out.Load() {
			return 0
		}
		missed.Add(1)
		return unix.ENOMEM
	}
	w := startWire(t, Config{Loops: 1})
	front, waiting := w.dial(conn.Front), w.dial(conn.Front)
	waiting.send(reqGet(0, "/stream?cname=a&seq=1"))
	w.subscribed(1)
	w.ask("/check?cname=a")
	front.ask("/ping")

	out.Store(true)
	expect := func(got, reason string) {
		t.Helper()
		if !strings.Contains(got, reason) {
			t.Errorf("%q is not %q", got, reason)
		}
	}
	expect(w.dial(conn.Front).rest(), "no memory left for another connection\n")
	expect(w.ask("/push?cname=b&content=x"), "out of memory for another channel")
	expect(w.ask("/push?cname=a&content=still"), `"type":"ok"`)
	expect(front.ask("/stream?cname=a"), "out of memory for another subscriber")
	out.Store(false)
	expect(w.ask("/push?cname=b&content=again"), `"type":"ok"`)
	again := w.dial(conn.Front)
	again.send(reqGet(0, "/stream?cname=b&seq=1"))
	w.subscribed(2)
	for _, cname := range []string{"a", "b"} {
		w.ask("/close?cname=" + cname)
	}
	expect(waiting.rest(), `"seq":1,"content":"still"`)
	expect(again.rest(), `"seq":1,"content":"again"`)
	if n := missed.Load(); n != 3 {
		t.Errorf("%d allocations of a record failed, want 3", n)
	}
}

// /history creates a channel only to ask a shared log about it. If there is no memory for that, the answer
// says when to ask again.
func TestHistoryOutOfMemoryFaults(t *testing.T) {
	out := false
	f := reactor.NewFaults(1)
	t.Cleanup(f.Remove)
	f.Choose = func(call string, _ int) unix.Errno {
		if out && call == "mmap" {
			return unix.ENOMEM
		}
		return 0
	}
	h, _ := newLate(t, Config{})
	e := h.connect(h.srv.shards[0], conn.Front, 0)
	out = true
	e.get("/history?cname=a")
	h.settle()
	out = false
	head, body, ok := e.response()
	if !ok || head.Status() != 503 || body != "out of memory for another channel\n" || string(head.Header("Retry-After")) != "5" {
		t.Errorf("%d %q %q", head.Status(), body, head.Header("Retry-After"))
	}
	check(t, h.srv, true, "")
}

// Whichever of its calls fails, a server that cannot be opened returns an error and leaves
// no descriptor open.
func TestOpeningFaults(t *testing.T) {
	before := descriptors(t)
	for nth := 1; ; nth++ {
		f, calls, failed := reactor.NewFaults(1), 0, ""
		f.Choose = func(call string, _ int) unix.Errno {
			if calls++; calls != nth {
				return 0
			}
			failed = call
			return unix.ENOMEM
		}
		srv, err := New(Config{Loops: 2, Front: []string{"127.0.0.1:0", "unix:" + t.TempDir() + "/s"}, Admin: []string{"127.0.0.1:0"}})
		f.Remove()
		if err == nil {
			srv.abandon()
		}
		if n := descriptors(t); n != before {
			t.Fatalf("%s, call %d, fails: %d descriptors were open before, %d are now", failed, nth, before, n)
		}
		if failed == "" {
			if err != nil || nth < 100 {
				t.Fatal("the test does not reach what it tests: ", nth, err)
			}
			return
		}
		if err == nil && failed != "open" { // it can serve without a reserve
			t.Fatalf("%s, call %d, failed, but no error was reported", failed, nth)
		}
	}
}
