package comet

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/drain"
	"ccomet/comet/internal/msg"
)

// answered returns the bodies of the responses that a connection has got.
func (e *end) answered() (bodies []string) {
	e.t.Helper()
	e.read()
	for _, part := range strings.Split(string(e.in), "HTTP/1.1 ")[1:] {
		_, body, _ := strings.Cut(part, "\r\n\r\n")
		bodies = append(bodies, part[:3]+" "+strings.TrimSpace(body))
	}
	return bodies
}

func wantAnswers(t *testing.T, e *end, want ...string) {
	t.Helper()
	if got := e.answered(); !slices.Equal(got, want) {
		t.Errorf("got the answers %q, want %q", got, want)
	}
}

// wantEvents compares the next messages of a client with the expected ones.
func wantEvents(t *testing.T, e *end, want ...string) {
	t.Helper()
	events, _ := e.events()
	var got []string
	for _, ev := range events {
		got = append(got, fmt.Sprintf("%d %s", ev.Seq, ev.Content))
	}
	if !slices.Equal(got, want) {
		t.Errorf("a client was sent %q, want %q", got, want)
	}
}

// TestLateCommit: a publisher is answered when its message has its number, in order, and
// subscribers on all loops get it then.
func TestLateCommit(t *testing.T) {
	h, log := newLate(t, Config{})
	var clients []*end
	for _, s := range h.srv.shards {
		e := h.connect(s, conn.Front, 0)
		e.get("/stream?cname=a&seq=1")
		clients = append(clients, e)
	}
	h.settle()
	if len(log.attaches) != 1 {
		t.Fatalf("%d channels are attached, want one, once", len(log.attaches))
	}
	log.attach()()
	h.settle()
	check(t, h.srv, true, "attached")
	p := h.connect(h.srv.shards[0], conn.Admin, 0)
	for n := range 3 {
		p.get(fmt.Sprintf("/push?cname=a&content=m%d&ack=1", n+1))
	}
	h.settle()
	wantAnswers(t, p)
	log.commit()()
	h.settle()
	wantAnswers(t, p, `200 {"type":"ok","seq":1}`)
	log.refuse()
	h.settle()
	log.commit()()
	h.settle()
	wantAnswers(t, p, `200 {"type":"ok","seq":1}`, "503 the log that numbers messages cannot be reached", `200 {"type":"ok","seq":2}`)
	for _, e := range clients {
		wantEvents(t, e, "1 m1", "2 m3")
	}
	// A message of another server is handled like one of this server, except that nobody
	// waits for it.
	h.srv.home("a").Post(ordered("a", log.number("a", msg.Data, []byte("other"))))
	h.settle()
	for _, e := range clients {
		wantEvents(t, e, "3 other")
	}
	check(t, h.srv, true, "at the end")
}

// TestLateControl: a broadcast, and the close of a channel, are numbered like a publish.
func TestLateControl(t *testing.T) {
	h, log := newLate(t, Config{})
	e := h.connect(h.srv.shards[0], conn.Front, 0)
	e.get("/stream?cname=a&seq=1")
	h.settle()
	log.attach()()
	h.settle()
	p := h.connect(h.srv.shards[1], conn.Admin, 0)
	p.get("/broadcast?content=all")
	p.get("/close?cname=a")
	h.settle()
	wantAnswers(t, p)
	wantEvents(t, e)
	for range 2 {
		log.commit()()
	}
	h.settle()
	wantAnswers(t, p, "200 ok", "200 ok 2")
	wantEvents(t, e, "1 all", "2 ", "2 ") // the second says which number follows a broadcast
	if h.srv.totals.Channels.Load() != 0 || !slices.Equal(log.detached, []string{"a"}) {
		t.Errorf("%d channels are left, and %q were detached", h.srv.totals.Channels.Load(), log.detached)
	}
	check(t, h.srv, true, "closed")
}

// TestLateReplay: whenever a message is numbered and reported while a channel is attached,
// a subscriber gets it once, between the messages before and after it.
func TestLateReplay(t *testing.T) {
	for _, path := range []string{"/stream?cname=a&seq=1", "/sse?cname=a&seq=1&token=", "/poll?cname=a&seq=1"} {
		for order := range 6 {
			h, log := newLate(t, Config{})
			p := h.connect(h.srv.shards[1], conn.Admin, 0)
			for n := range 3 {
				p.get(fmt.Sprintf("/push?cname=a&content=m%d", n+1))
			}
			h.settle()
			log.commit()() // before the channel is attached
			h.settle()
			e := h.connect(h.srv.shards[0], conn.Front, 0)
			e.get(path)
			h.settle()
			// The log reads the channel before, between or after the two commits. The
			// result arrives before, between or after them, too.
			var tell []func()
			read := order % 3
			for n := range 3 {
				if n == read {
					tell = append(tell, log.attach())
				} else {
					tell = append(tell, log.commit())
				}
			}
			if order >= 3 { // everything that came before or after the answer overtakes it
				tell = append(slices.Delete(slices.Clone(tell), read, read+1), tell[read])
			}
			for _, step := range tell {
				step()
				h.turn(h.srv.shards[0])
			}
			h.settle()
			var got []string
			for {
				events, clean := e.events()
				if len(events) == 0 {
					break
				}
				for _, ev := range events {
					got = append(got, fmt.Sprintf("%d %s", ev.Seq, ev.Content))
				}
				if clean && len(got) < 3 { // a poll asks again
					e.get(strings.Replace(path, "seq=1", fmt.Sprintf("seq=%d", len(got)+1), 1))
					h.settle()
				}
			}
			if want := []string{"1 m1", "2 m2", "3 m3"}; !slices.Equal(got, want) {
				t.Errorf("%s, order %d: got %q", path, order, got)
			}
			check(t, h.srv, true, path)
		}
	}
}

// TestLateHistory: the history of a channel is read when the log has sent it.
func TestLateHistory(t *testing.T) {
	h, log := newLate(t, Config{})
	log.number("a", msg.Data, []byte("m1"))
	e := h.connect(h.srv.shards[0], conn.Front, 0)
	e.get("/history?cname=a&seq=1")
	h.settle()
	wantAnswers(t, e)
	log.attach()()
	h.settle()
	if got := e.answered(); len(got) != 1 || !strings.Contains(got[0], `"seq":1,"content":"m1"`) {
		t.Errorf("a history is %q", got)
	}
	check(t, h.srv, true, "at the end")
}

// TestLateClientLeaves: nothing remains of a client that leaves while its channel is
// attached.
func TestLateClientLeaves(t *testing.T) {
	h, log := newLate(t, Config{})
	e := h.connect(h.srv.shards[0], conn.Front, 0)
	e.get("/stream?cname=a&seq=1")
	h.settle()
	e.close()
	h.settle()
	h.now = h.now.Add(h.srv.cfg.ChannelTimeout + time.Minute)
	h.settle()
	if n, _ := h.srv.home("a").Live(); n != 1 {
		t.Fatalf("there are %d channels while one is attached", n)
	}
	log.attach()()
	h.settle()
	h.now = h.now.Add(h.srv.cfg.ChannelTimeout + time.Minute)
	h.settle()
	h.settle()
	if n, _ := h.srv.home("a").Live(); n != 0 || !slices.Equal(log.detached, []string{"a"}) {
		t.Errorf("%d channels are left, and %q were detached", n, log.detached)
	}
	check(t, h.srv, true, "after all")
}

// TestLateDrain: a server that drains ends when each accepted message has its number, or is
// refused, and each publisher has its answer.
func TestLateDrain(t *testing.T) {
	h, log := newLate(t, Config{})
	p := h.connect(h.srv.shards[0], conn.Admin, 0)
	p.get("/push?cname=a&content=m1&ack=1")
	p.get("/push?cname=a&content=m2&ack=1")
	h.settle()
	h.drain(2 * time.Second)
	h.now = h.now.Add(3 * time.Second)
	h.settle()
	for _, s := range h.srv.shards {
		if s.drain.Phase != drain.Ending && s.drain.Phase != drain.Numbered {
			t.Fatalf("loop %d is in phase %d", s.ID, s.drain.Phase)
		}
	}
	wantAnswers(t, p)
	log.commit()()
	h.settle()
	if h.quiet() {
		t.Fatal("it ends before the second message is answered")
	}
	log.refuse()
	h.settle()
	if !h.quiet() {
		t.Error("it does not end")
	}
	got := p.answered()
	if len(got) != 2 || got[0] != `200 {"type":"ok","seq":1}` || !strings.HasPrefix(got[1], "503 ") || !bytes.Contains(p.in, []byte("Retry-After: ")) {
		t.Errorf("the answers are %q", got)
	}
}
