package comet

import (
	"fmt"
	"strings"
	"testing"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/hub"
	"ccomet/comet/internal/mail"
)

// backlog makes a channel keep n messages of so many bytes, numbered from 1.
func (h *harness) backlog(cname string, n, size int) {
	h.t.Helper()
	admin := h.connect(h.srv.shards[0], conn.Admin, 0)
	for i := range n {
		admin.write(reqForm(1, "/push?cname="+cname, fmt.Sprintf("content=%d.%s", i+1, strings.Repeat("x", size))))
		h.settle()
		admin.read()
	}
	admin.close()
	h.settle()
}

// TestManyThatComeBackShareTheTurns: clients that reconnect with a long backlog get all of
// it, in order. A turn renders at most its budget, and one answer for each client.
func TestManyThatComeBackShareTheTurns(t *testing.T) {
	const clients, messages, size = 160, 12, 10_000
	for _, transport := range []string{"stream", "sse"} {
		t.Run(transport, func(t *testing.T) {
			h := newHarness(t, Config{Loops: 2})
			h.backlog("a", messages, size)
			var ends []*end
			for n := range clients {
				e := h.connect(h.srv.shards[n%2], conn.Front, 8<<20)
				e.get("/" + transport + "?cname=a&seq=1")
				ends = append(ends, e)
			}
			got := make([]int, clients)
			before := make([]uint64, 2)
			for round := 0; ; round++ {
				if round == 10_000 {
					t.Fatalf("the clients got %v", got)
				}
				for i, s := range h.srv.shards {
					h.turn(s)
					turn := s.hub.Tally.Replayed - before[i]
					before[i] = s.hub.Tally.Replayed
					if most := uint64(hub.ReplayBudget+2*mail.ReplayBytes) / size; turn > most {
						t.Fatalf("%d messages in a turn, at most %d", turn, most)
					}
				}
				left := false
				for n, e := range ends {
					list, _ := e.events()
					for _, ev := range list {
						if got[n]++; ev.Seq != int32(got[n]) {
							t.Fatalf("client %d: %d, want %d", n, ev.Seq, got[n])
						}
					}
					left = left || got[n] < messages
				}
				if !left {
					break
				}
			}
			h.backlog("a", 0, 0)
			h.ask(conn.Admin, "/push?cname=a&content=live")
			for n, e := range ends {
				if list, _ := e.events(); len(list) != 1 || list[0].Seq != messages+1 {
					t.Fatalf("client %d, caught up, is told %+v", n, list)
				}
			}
			check(t, h.srv, true, "")
		})
	}
}

// TestSlowReaderCostsWhatItIsSent: for a reader that takes its backlog in small pieces, no
// more is rendered than is sent to it, in one answer each time that its output was written.
func TestSlowReaderCostsWhatItIsSent(t *testing.T) {
	const messages, size = 300, 1000
	h := newHarness(t, Config{Loops: 1, ChannelBufferSize: messages})
	h.backlog("a", messages, size)
	s := h.srv.shards[0]
	e := h.connect(s, conn.Front, 4608)
	e.get("/stream?cname=a&seq=1")
	got := int32(0)
	for round := 0; got < messages; round++ {
		if round == 10_000 {
			t.Fatalf("%d of %d messages", got, messages)
		}
		h.settle()
		if rendered := len(s.hub.Batch.Buf); rendered > mail.ReplayBytes+size {
			t.Fatalf("%d bytes are rendered at once, at most %d", rendered, mail.ReplayBytes)
		}
		list, _ := e.events()
		for _, ev := range list {
			if got++; ev.Seq != got {
				t.Fatalf("got %d, want %d", ev.Seq, got)
			}
		}
	}
	check(t, h.srv, true, "")
}
