package comet

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ccomet/comet/internal/conn"
)

func TestChannelLife(t *testing.T) {
	here := func(want bool, st *stage, what string) {
		t.Helper()
		if got := st.admin(0, "/check?cname=a") != "{}\n"; got != want {
			t.Fatalf("%s: alive %v, want %v", what, got, want)
		}
	}
	st := newStage(t, Config{Loops: 2, ChannelTimeout: 30 * time.Second, PollingTimeout: time.Hour, IdleTimeout: time.Hour})
	st.admin(0, three[0])
	st.later(29 * time.Second)
	here(true, st, "29 s after a message")
	st.admin(0, three[0])
	st.later(29 * time.Second)
	here(true, st, "29 s after another")
	st.later(2 * time.Second)
	here(false, st, "31 s after another")
	same(t, st.admin(1, "/push?cname=a&content=x&ack=1"), `{"type":"ok","seq":1}`+"\n")

	st.admin(0, "/sign?cname=a&expires=300")
	st.admin(0, "/sign?cname=a&expires=10")
	st.later(299 * time.Second)
	here(true, st, "299 s into the longer of two leases")
	st.later(2 * time.Second)
	here(false, st, "after its lease")

	p := st.enter(1, conn.Front)
	p.send(reqGet(1, "/stream?cname=a"))
	st.later(500 * time.Second)
	here(true, st, "with a subscriber")
	p.leave()
	st.settle()
	st.later(29 * time.Second)
	here(true, st, "29 s after the last subscriber left")
	st.later(2 * time.Second)
	here(false, st, "31 s after the last subscriber left")
	if n := st.srv.totals.Channels.Load(); n != 0 {
		t.Errorf("%d channels are counted at the end", n)
	}
}

// Numbers are 32 bits and wrap around; signed differences tell which is older.
func TestNumbersWrap(t *testing.T) {
	st := newStage(t, Config{Loops: 2})
	st.admin(0, "/sign?cname=a")
	st.srv.home("a").Channel("a").Next = 1<<31 - 2
	live := st.enter(0, conn.Front)
	live.send(reqGet(0, "/sse?cname=a&seq=2147483646"))
	live.take()
	for _, want := range []int{1<<31 - 2, 1<<31 - 1, -1 << 31, -1<<31 + 1} {
		same(t, st.admin(1, "/push?cname=a&content=x&ack=1"), fmt.Sprintf(`{"type":"ok","seq":%d}`+"\n", want))
		same(t, live.take(), fmt.Sprintf("id: %d.%s\ndata: %s\n\n", want, life(1), object("data", want, "x")))
	}
	st.admin(0, "/broadcast?content=b")
	same(t, live.take(), fmt.Sprintf("id: -2147483646.%[1]s\ndata: %[2]s\n\nid: -2147483646.%[1]s\ndata: %[3]s\n\n", life(1),
		object("broadcast", -1<<31+2, "b"), object("next_seq", -1<<31+3, "")))
	for asked, want := range map[int]string{
		1<<31 - 1:   "[" + object("data", 1<<31-1, "x") + "," + object("data", -1<<31, "x") + "," + object("data", -1<<31+1, "x") + ",",
		-1<<31 + 1:  "[" + object("data", -1<<31+1, "x") + ",",
		-1<<31 + 50: object("next_seq", -1<<31+3, ""),
	} {
		p := st.enter(1, conn.Front)
		p.send(reqGet(0, fmt.Sprintf("/sub?cname=a&seq=%d", asked)))
		if got := p.body(); !strings.HasPrefix(got, want) {
			t.Errorf("seq=%d: got %s, want it to begin with %s", asked, got, want)
		}
	}
}

// Messages that come in one turn are one answer to a poll.
func TestBurstToPoll(t *testing.T) {
	st := newStage(t, Config{Loops: 2})
	p, admin := st.enter(0, conn.Front), st.enter(1, conn.Admin)
	p.send(reqGet(0, "/sub?cname=a&seq=1"))
	admin.send(reqGet(1, three[0]) + reqGet(1, three[1]))
	same(t, p.body(), "["+object("data", 1, "x1")+","+object("data", 2, "x2")+"]\n")
}
