package comet

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/msg"
)

// keptBytes returns the counts of all loops' histories: bytes and messages.
func (h *harness) keptBytes() (size, messages int) {
	for _, s := range h.srv.shards {
		f := s.broker.Figures()
		size, messages = size+f.HistoryBytes, messages+f.HistoryMessages
	}
	return size, messages
}

// TestBroadcastIsKeptOnce: the content of a broadcast is kept once a loop in memory,
// and once in the state file, and no channel loses other messages for it.
func TestBroadcastIsKeptOnce(t *testing.T) {
	const many, old = 200, 3
	record := msg.New(msg.Broadcast, 1, nil).Size()
	cfg := stateConfig(t)
	cfg.ChannelBufferBytes = 1000 // the broadcast alone exceeds it
	cfg.MaxHistoryBytes = 1 << 20
	cfg.ChannelBufferSize = 10
	h := newHarness(t, cfg)
	for i := range many {
		for n := range old {
			h.ask(conn.Admin, fmt.Sprintf("/push?cname=c%d&content=%d", i, n))
		}
	}
	before, _ := h.keptBytes()
	long := strings.Repeat("x", 7000)
	h.ask(conn.Admin, "/broadcast?content="+long)
	h.ask(conn.Admin, "/broadcast?content=")
	after, messages := h.keptBytes()
	if want := before + 2*many*record + cfg.Loops*len(long); after != want || messages != many*(old+2) {
		t.Errorf("%d bytes of %d messages are kept, want %d of %d", after, messages, want, many*(old+2))
	}
	check(t, h.srv, true, "")
	told := map[string]string{}
	for i := range many {
		cname := fmt.Sprint("c", i)
		if told[cname] = h.told(cname); !strings.Contains(told[cname], "broadcast 4 "+long) {
			t.Fatalf("%s: %.100q", cname, told[cname])
		}
	}
	h = h.restart(cfg, true)
	if info, err := os.Stat(cfg.StateFile); err != nil || info.Size() > int64(2*len(long)+many*400) {
		t.Errorf("the state file: %v, %v", info.Size(), err)
	}
	if again, n := h.keptBytes(); again != after || n != messages {
		t.Errorf("restored, %d bytes of %d messages, want %d of %d", again, n, after, messages)
	}
	check(t, h.srv, true, "")
	for cname, was := range told {
		if is := h.told(cname); is != was {
			t.Fatalf("%s was %.100q, is %.100q", cname, was, is)
		}
	}
	for i := range many {
		h.ask(conn.Admin, fmt.Sprintf("/clear?cname=c%d", i))
	}
	if size, n := h.keptBytes(); size != 0 || n != 0 {
		t.Errorf("cleared, %d bytes of %d messages", size, n)
	}
}
