package comet

import (
	"fmt"
	"strings"
	"testing"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/limit"
	"ccomet/comet/internal/web"
)

// Readers that are stuck on channels of their own each count with what is held for them, and
// a reader for which there is no room is cut. Readers of one channel share what is held, and
// none is cut.
func TestMaxHeldBytes(t *testing.T) {
	for name, channel := range map[string]func(int) string{
		"own":    func(n int) string { return fmt.Sprint("c", n) },
		"shared": func(int) string { return "c0" },
	} {
		t.Run(name, func(t *testing.T) {
			const readers, size = 6, 60_000
			st := newStage(t, Config{Loops: 1, MaxHeldBytes: readers * size / 2})
			for n := range readers {
				st.enter(0, conn.Front).send(reqGet(1, "/stream?cname="+channel(n)+"&seq=1"))
			}
			admin := st.enter(0, conn.Admin)
			for range 10 { // more than a socket takes
				told := map[string]bool{}
				for n := range readers {
					if cname := channel(n); !told[cname] {
						told[cname] = true
						admin.send(reqForm(1, "/push?cname="+cname, "content="+strings.Repeat("x", size)))
						same(t, admin.body(), done)
					}
				}
			}
			cut, want := st.srv.totals.SlowClosed.Load(), int64(0)
			if name == "own" {
				want = readers - 2 // a third frame, with what stands round it, is beyond half
			}
			if cut != want || st.srv.totals.Hits[limit.Held].Times.Load() != want {
				t.Errorf("%d of %d readers were cut, want %d; the limit was hit %d times", cut, readers, want, st.srv.totals.Hits[limit.Held].Times.Load())
			}
		})
	}
}

// A backend that does not read its answers for a while is not cut, whatever the limit: each
// of its requests is answered.
func TestAnswersBeyondMaxHeldBytes(t *testing.T) {
	const requests = 200
	h := newHarness(t, Config{Loops: 1, MaxHeldBytes: 1000})
	backend := h.connect(h.srv.shards[0], conn.Admin, 4608)
	for range requests {
		backend.get("/push?ack=1&cname=a&content=x")
		h.settle()
	}
	if !h.srv.shards[0].loop.Blocked(backend.conn) {
		t.Fatal("the backend's answers are not held")
	}
	for range requests {
		backend.read()
		h.settle()
	}
	if backend.ended || strings.Count(string(backend.in), `"type":"ok"`) != requests || !strings.Contains(string(backend.in), fmt.Sprintf(`"seq":%d}`, requests)) {
		t.Errorf("ended %v, with %d answers", backend.ended, strings.Count(string(backend.in), `"type":"ok"`))
	}
	if n := h.srv.totals.Hits[limit.Held].Times.Load(); n != 0 {
		t.Errorf("the limit was hit %d times", n)
	}
}

// A client that polls and reads slowly gets all stored messages, even with a low limit of
// held bytes: its responses are no larger than the limit.
func TestSlowPollWithinMaxHeldBytes(t *testing.T) {
	const messages, size = 20, 4000
	h := newHarness(t, Config{Loops: 1, MaxHeldBytes: messages * size / 2})
	for range messages {
		h.ask(conn.Admin, "/push?cname=a&content="+strings.Repeat("x", size))
	}
	e := h.connect(h.srv.shards[0], conn.Front, 4608)
	for seq := int32(1); seq <= messages; {
		e.get(fmt.Sprint("/poll?cname=a&seq=", seq))
		before := seq
		for seq == before && !e.ended {
			h.settle()
			list, _ := e.events()
			for _, ev := range list {
				if ev.Seq != seq {
					t.Fatalf("number %d came, want %d", ev.Seq, seq)
				}
				seq++
			}
		}
		if e.ended {
			t.Fatalf("cut, when it wanted number %d of %d", seq, messages)
		}
	}
}

// Requests that are still arriving take no more than max-held-bytes. Those that have been
// arriving for a second are evicted; if there are none, the new one is refused. The admin
// side is always admitted.
func TestSlowBodiesAreBounded(t *testing.T) {
	const size = 100_000
	st := newStage(t, Config{Loops: 1, MaxHeldBytes: 4 * size})
	s := st.srv.shards[0]
	half := func(side uint8, size int) *player {
		p := st.enter(0, side)
		p.send("POST /ping HTTP/1.1\r\nHost: h\r\nContent-Length: 190000\r\n\r\n" + strings.Repeat("x", size))
		return p
	}
	oldest := half(conn.Front, size)
	st.later(web.EvictAfter / 2)
	var young []*player
	for s.loop.InputBytes() <= 4*size {
		young = append(young, half(conn.Front, size))
	}
	refused := half(conn.Front, size)
	if status, reason := told(t, refused.take()); status != "503" || reason != "too much is held of requests that are still arriving: max-held-bytes is 400000\n" {
		t.Errorf("got %s %s", status, reason)
	}
	admin := half(conn.Admin, size)
	same(t, admin.take(), "")
	admin.leave()
	st.later(web.EvictAfter * 3 / 4)
	again := half(conn.Front, 10)
	same(t, again.take(), "")
	if oldest.take(); !oldest.ended || !s.loop.Alive(young[0].conn) {
		t.Error("not the oldest connection was evicted")
	}
	for _, p := range append(young, again) {
		p.leave()
	}
	refused.leave()
	if st.settle(); s.loop.InputBytes() != 0 {
		t.Errorf("%d bytes are counted with nothing held", s.loop.InputBytes())
	}
}

// If many requests with few buffered bytes are evicted, they do not make room for as many
// requests with large bodies.
func TestLargeBodiesBesideSmallOnes(t *testing.T) {
	const size, small, limit = 60_000, 300, 200_000
	st := newStage(t, Config{Loops: 1, MaxHeldBytes: limit})
	s := st.srv.shards[0]
	half := func(size int) *player {
		p := st.enter(0, conn.Front)
		p.send("POST /ping HTTP/1.1\r\nHost: h\r\nContent-Length: 190000\r\n\r\n" + strings.Repeat("x", size))
		return p
	}
	var all []*player
	for range small {
		all = append(all, half(1))
	}
	st.later(2 * web.EvictAfter)
	for range small / 2 {
		all = append(all, half(size))
		if s.loop.InputBytes() > limit+2*size {
			t.Fatalf("%d bytes are kept, and the limit is %d", s.loop.InputBytes(), limit)
		}
	}
	for _, p := range all {
		p.leave()
	}
	if st.settle(); s.loop.InputBytes() != 0 {
		t.Errorf("%d bytes are counted with nothing held", s.loop.InputBytes())
	}
}
