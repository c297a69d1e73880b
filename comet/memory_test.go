package comet

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"weak"

	"ccomet/comet/internal/broker"
	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/hub"
	"ccomet/comet/internal/limit"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
)

// TestSnapshotKeepsLittleAlive: while a writer's disk stalls, its snapshot keeps alive what
// was stored when it was taken, up to its bound and the messages of one channel, and no
// later messages.
func TestSnapshotKeepsLittleAlive(t *testing.T) {
	const channels, messages, size = 40, 10, 10_000
	cfg := stateConfig(t)
	cfg.Loops, cfg.ChannelBufferSize = 1, messages
	h := newHarness(t, cfg)
	s, st := h.srv.shards[0], h.srv.state
	home := s.broker.Inside()
	for n := range channels {
		home.Make(fmt.Sprint(n))
		for range messages {
			home.Publish(fmt.Sprint(n), bytes.Repeat([]byte("x"), size))
		}
	}
	h.settle()
	total, turns := 0, 0
	for at := uint32(1); at != 0; at = st.Batch.Next {
		st.Batch = broker.Snapshot{}
		s.Inbox.Post(mail.FromRecord(mail.Snapshot, at))
		h.turn(s)
		<-st.Ready
		turns++
		total += len(st.Batch.Channels)
		if most := broker.SnapshotBytes + cfg.ChannelBufferBytes + messages*(size+100); st.Batch.Bytes > most {
			t.Errorf("a snapshot keeps %d bytes alive, more than %d", st.Batch.Bytes, most)
		}
	}
	if total != channels || turns < channels*messages*size/(2*broker.SnapshotBytes) {
		t.Errorf("%d channels in %d turns", total, turns)
	}
	var later []weak.Pointer[msg.Message]
	for range 2 * messages {
		for n := range channels {
			home.Publish(fmt.Sprint(n), []byte("later"))
			later = append(later, weak.Make(home.Newest(fmt.Sprint(n))))
		}
	}
	h.settle()
	runtime.GC()
	if kept, alive := messages*channels, places(later); alive > kept+kept/4 {
		t.Fatalf("channels keep %d messages, and %d are alive", kept, alive)
	}
	runtime.KeepAlive(st)
}

// places returns how many messages are alive. Messages in the same memory count as one.
func places(list []weak.Pointer[msg.Message]) int {
	alive := map[*msg.Message]bool{}
	for _, p := range list {
		if message := p.Value(); message != nil {
			alive[message] = true
		}
	}
	return len(alive)
}

// TestPumpsKeepLittleRendered: the bytes that pumps have rendered when a turn's budget ends
// are bounded. What exceeds the bound is rendered again.
func TestPumpsKeepLittleRendered(t *testing.T) {
	const channels, messages, size = 64, 5, 60_000
	h := newHarness(t, Config{Loops: 1})
	s := h.srv.shards[0]
	var first []*end // of each roster: the last to be delivered to
	for n := range channels {
		for k := range hub.PumpBudget/channels + 1 {
			e := h.connect(s, conn.Front, 4608)
			e.get(fmt.Sprintf("/stream?cname=c%d&seq=1", n))
			if k == 0 {
				first = append(first, e)
			}
		}
		h.settle()
	}
	for n := range channels {
		for range messages {
			s.broker.Inside().Publish(fmt.Sprintf("c%d", n), bytes.Repeat([]byte("x"), size))
		}
	}
	h.turn(s)
	busy, kept := len(s.hub.Pumps.Busy), 0
	for _, i := range s.hub.Pumps.Busy {
		kept += s.hub.Pumps.All[i].Size()
	}
	if busy != channels || kept == 0 || kept > hub.RenderedBytes {
		t.Errorf("%d pumps continue in the next turn, and keep %d bytes for it, want at most %d", busy, kept, hub.RenderedBytes)
	}
	for n, e := range first {
		seen := 0
		for range 10_000 {
			list, _ := e.events()
			for _, ev := range list {
				if ev.Type == "data" {
					seen++
				}
			}
			if seen == messages {
				break
			}
			h.turn(s)
		}
		if seen != messages {
			t.Errorf("the client of channel %d received %d of %d messages", n, seen, messages)
		}
	}
}

// TestRoundsAreBounded: the bytes that a pump renders for a round are bounded, and every
// client receives all messages in order.
func TestRoundsAreBounded(t *testing.T) {
	const messages, size = 40, 100_000
	h := newHarness(t, Config{Loops: 1, ChannelBufferBytes: 2 * messages * size})
	s := h.srv.shards[0]
	var ends []*end
	for n := range hub.PumpBudget + 1 {
		e := h.connect(s, conn.Front, 4608)
		if n == 1 {
			e.get("/poll?cname=a&seq=1")
		} else {
			e.get("/stream?cname=a&seq=1")
		}
		ends = append(ends, e)
	}
	h.settle()
	for range messages {
		s.broker.Inside().Publish("a", bytes.Repeat([]byte("x"), size))
	}
	h.turn(s)
	if n := len(s.hub.Pumps.Busy); n != 1 {
		t.Fatalf("%d pumps continue", n)
	}
	// A stream's and a poll's rendering, and the poll's body; buffers grow by a quarter.
	if kept := s.hub.Pumps.All[s.hub.Pumps.Busy[0]].Size(); kept > 3*(hub.RoundBytes+hub.RoundBytes/4) {
		t.Errorf("the pump has %d bytes", kept)
	}
	for _, n := range []int{0, 1, hub.PumpBudget} { // a stream, the poll, the other end of the roster
		var seqs []int32
		for range 10_000 {
			list, clean := ends[n].events()
			for _, ev := range list {
				if ev.Type == "data" {
					seqs = append(seqs, ev.Seq)
				}
			}
			if len(seqs) == messages {
				break
			}
			if clean && len(seqs) > 0 {
				ends[n].get(fmt.Sprint("/poll?cname=a&seq=", seqs[len(seqs)-1]+1))
			}
			h.turn(s)
		}
		for k, seq := range seqs {
			if seq != int32(k+1) {
				t.Fatalf("client %d received number %d at position %d", n, seq, k+1)
			}
		}
		if len(seqs) != messages {
			t.Errorf("client %d received %d of %d messages", n, len(seqs), messages)
		}
	}
}

// TestPublishWhileSubscribersLag: the messages on their way to subscribers are bounded.
// Beyond the bound a publish is refused with its name, until the subscribers have received
// some.
func TestPublishWhileSubscribersLag(t *testing.T) {
	const held, size, published, fit = 7000, 1500, 5, 3
	h := newHarness(t, Config{Loops: 1, MaxHeldBytes: held})
	ends := streams(h, "a", 2)
	publisher := h.connect(h.srv.shards[0], conn.Admin, 0)
	publisher.write(strings.Repeat("GET /push?cname=a&content="+strings.Repeat("x", size)+" HTTP/1.1\r\nHost: x\r\n\r\n", published))
	h.settle() // all are read in one turn
	publisher.read()
	answers := string(publisher.in)
	publisher.in = nil
	if n := strings.Count(answers, "HTTP/1.1 200 OK\r\n"); n != fit {
		t.Errorf("%d publishes were accepted, want %d", n, fit)
	}
	if n := strings.Count(answers, "\r\nRetry-After: 5\r\n"); n != published-fit || strings.Count(answers, "HTTP/1.1 503 ") != n {
		t.Errorf("%d publishes were refused, want %d", n, published-fit)
	}
	if !strings.HasSuffix(answers, "too much is on its way to subscribers: max-held-bytes is 7000\n") {
		t.Errorf("answered %q", answers)
	}
	if n := h.srv.totals.Hits[limit.Held].Times.Load(); n != published-fit {
		t.Errorf("the limit was hit %d times", n)
	}
	burst(publisher, "a", 0, 1)
	h.settle()
	for i, e := range ends {
		if list, _ := e.events(); len(list) != fit+1 {
			t.Errorf("client %d got %d messages, %d were accepted", i, len(list), fit+1)
		}
	}
	check(t, h.srv, true, "")
}
