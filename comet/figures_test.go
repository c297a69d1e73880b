package comet

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/limit"
	"ccomet/comet/internal/msg"
	"ccomet/reactor"
)

// figures returns the current figures: answers that have already come.
func (st *stage) figures() Figures {
	answers, asked := st.srv.askLoops()
	st.settle()
	return st.srv.collect(over(), answers, asked)
}

// over is a context that is done.
func over() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func (h *harness) figures() Figures {
	answers, asked := h.srv.askLoops()
	h.settle()
	return h.srv.collect(over(), answers, asked)
}

// cast is clients of every kind, by loop, and the bytes that they have sent.
type cast struct {
	ends [2][]*end
	sent [2]int
}

func (c *cast) enter(h *harness, loop int, side uint8, buffer int, request string) {
	e := h.connect(h.srv.shards[loop], side, buffer)
	e.write(request)
	c.ends[loop] = append(c.ends[loop], e)
	c.sent[loop] += len(request)
}

func newCast(h *harness, cname string) *cast {
	c, from := &cast{}, "?cname="+cname+"&seq=1"
	for _, request := range []string{
		reqGet(1, "/stream"+from), reqGet(1, "/iframe"+from), reqGet(1, "/poll"+from), reqGet(1, "/poll"+from+"&cname=other&seq=1"),
		reqGet(1, "/ping"), "GET /str", reqGet(1, "/nothing"),
	} {
		c.enter(h, 0, conn.Front, 0, request)
	}
	c.enter(h, 0, conn.CComet, 0, reqGet(1, "/subscribe?channel=c&sname=u&seqid=0&callback=f"))
	c.enter(h, 1, conn.Front, 4096, reqGet(1, "/stream"+from)) // it will be stuck
	c.enter(h, 1, conn.Front, 0, reqGet(1, "/sub"+from+"&cb=f"))
	c.enter(h, 1, conn.Front, 0, reqGet(0, "/sse"+from))
	c.enter(h, 1, conn.Admin, 0, reqGet(1, "/psub"))
	c.enter(h, 1, conn.Admin, 0, reqGet(1, "/nothing", closing))
	return c
}

// Clients of every kind, one of them stuck, and one message: every count is exact.
func TestFigures(t *testing.T) {
	h := newHarness(t, Config{Loops: 2})
	cname := (&stage{srv: h.srv}).homed(0)
	c := newCast(h, cname)
	h.settle()
	check(t, h.srv, true, "before the message")
	if got := h.figures(); got.Subscribers != 9 || got.Channels != 3 || got.Refused != 2 || got.Loops[0].Subscribers != [frame.NumCounted]int64{1, 1, 0, 3, 1, 0} {
		t.Fatalf("before the message: %+v", got)
	}
	big := strings.Repeat("x", 20000)
	c.enter(h, 0, conn.Admin, 0, reqForm(1, "/push", "cname="+cname+"&content="+big))
	h.settle()
	check(t, h.srv, true, "after the message")

	f := h.figures()
	if f.Subscribers != 5 || f.Published != 1 || f.Delivered != 7 || f.Cut != 0 || f.Connections != 14 || f.Draining || f.State != nil || f.Walks != 0 {
		t.Errorf("in all: %+v", f)
	}
	home, other := f.Loops[0], f.Loops[1]
	// Idle, request, waiting, answering, listening, refused, ending; of the subscribers
	// stream, iframe, sse, poll, ccomet, jsonp.
	equal(t, "the first loop", home.Counters, Counters{
		Connections: [conn.NumSides][conn.NumStates]int64{{4, 1, 2}, {1}, {0, 0, 1}},
		Subscribers: [frame.NumCounted]int64{1, 1, 0, 0, 1, 0},
		Requests:    8,
	})
	equal(t, "the second loop", other.Counters, Counters{
		Connections: [conn.NumSides][conn.NumStates]int64{{1, 0, 2}, {0, 0, 0, 0, 1, 0, 1}},
		Subscribers: [frame.NumCounted]int64{1, 0, 1, 0, 0, 0},
		Behind:      1, Requests: 5,
	})
	equal(t, "messages numbered", [2]uint64{home.Published, other.Published}, [2]uint64{1, 0})
	equal(t, "messages delivered", [2]uint64{home.Delivered, other.Delivered}, [2]uint64{4, 3})
	equal(t, "messages kept", [2]int{home.HistoryMessages, other.HistoryMessages}, [2]int{1, 0})
	equal(t, "bytes kept", home.HistoryBytes, msg.New(msg.Data, 1, []byte(big)).Size())
	equal(t, "who does not read", [2]int64{home.Reactor.Blocked, other.Reactor.Blocked}, [2]int64{0, 1})
	equal(t, "mail that waits", [2]int{home.Mailbox, other.Mailbox}, [2]int{0, 0})
	equal(t, "channels", home.Channels+other.Channels, 3)
	for i, live := range []int{len(c.ends[0]), 3} {
		equal(t, SlabNames[i], home.Slabs[i], reactor.SlabFigures{Live: live, Room: 4095, Record: 32, Mapped: 4096 * 32})
	}
	for i, loop := range f.Loops {
		got := 0
		for _, e := range c.ends[i] {
			e.read()
			got += len(e.in)
		}
		equal(t, "bytes read", loop.Reactor.BytesRead, uint64(c.sent[i]))
		equal(t, "bytes written", loop.Reactor.BytesWritten, uint64(got))
	}
	h.settle()
	for range 4 {
		c.ends[1][0].read()
		h.settle()
	}
	if now := h.figures().Loops[1]; now.Behind != 0 || now.Reactor.Blocked != 0 || now.Lost != 0 {
		t.Errorf("when it has read: %+v", now)
	}
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

// A client that wants messages that are no longer kept has lost them, whether it is told or
// not. One that gets what it wants has not.
func TestLostMessages(t *testing.T) {
	st := newStage(t, Config{Loops: 2, ChannelBufferSize: 3})
	cname := st.homed(1)
	for n := range 10 {
		st.admin(0, fmt.Sprintf("/push?cname=%s&content=%d", cname, n))
	}
	lost, replayed := uint64(0), uint64(0)
	ask := func(what string, side uint8, target string, more, given uint64) {
		t.Helper()
		p := st.enter(0, side)
		p.send(reqGet(1, target))
		lost, replayed = lost+more, replayed+given
		f := st.figures().Loops[0]
		equal(t, what+": lost", f.Lost, lost)
		equal(t, what+": given", f.Replayed, replayed)
		p.leave()
		st.settle()
	}
	from := func(path string, seq int) string { return fmt.Sprintf("%s?cname=%s&seq=%d", path, cname, seq) }
	ask("a stream that is told", conn.Front, from("/stream", 2)+"&lost=1", 6, 3)
	ask("a stream that is not", conn.Front, from("/stream", 1), 7, 3)
	ask("a poll that is told", conn.Front, from("/poll", 3)+"&lost=1", 5, 3)
	ask("a poll that is not", conn.Front, from("/poll", 7), 1, 3)
	ask("one that has missed nothing", conn.Front, from("/sse", 9), 0, 2)
	ask("one that wants the next", conn.Front, from("/poll", 11), 0, 0)
	ask("one that wants none", conn.Front, from("/stream", 0), 0, 0)
	ask("one that is ahead", conn.Front, from("/stream", 20), 0, 0)
	ask("one of two channels", conn.Front, from("/stream", 2)+"&cname=new&seq=1&lost=1", 6, 3)
	st.admin(0, "/clear?cname="+cname)
	ask("a poll when nothing is kept", conn.Front, from("/poll", 4), 7, 0)
	ask("a stream when nothing is kept", conn.Front, from("/stream", 4), 7, 0)

	publisher := st.enter(0, conn.CComet)
	for range 5 {
		publisher.send(reqGet(1, "/publish?channel=c&sname=u&callback=f&msg=x"))
	}
	ask("one of CComet's", conn.CComet, "/subscribe?channel=c&sname=v&seqid=1&callback=f", 1, 3)
}

// A reader that was stuck for so long that what it wants is gone is cut. It has lost
// nothing until it comes back.
func TestStuckReaderLoses(t *testing.T) {
	h := newHarness(t, Config{Loops: 1, ChannelBufferSize: 2})
	s := h.srv.shards[0]
	stuck, told, publisher := h.connect(s, conn.Front, 4096), h.connect(s, conn.Front, 4096), h.connect(s, conn.Admin, 0)
	stuck.get("/stream?cname=a&seq=1")
	told.get("/stream?cname=a&seq=1&lost=1")
	h.settle()
	for range 10 {
		publisher.write(reqForm(1, "/push", "cname=a&content="+strings.Repeat("x", 20000)))
		h.settle()
	}
	f := h.figures()
	if l := f.Loops[0]; l.Behind != 2 || l.Lost != 0 || l.Reactor.Blocked != 2 || l.HistoryMessages != 2 || f.Delivered != 2 || f.Cut != 0 {
		t.Errorf("with two stuck clients: %+v", f)
	}
	for range 50 { // one frame is held for each; what is kept follows it
		stuck.read()
		told.read()
		h.settle()
	}
	f = h.figures()
	// Of ten messages it has got the first and the last two.
	if l := f.Loops[0]; l.Behind != 0 || l.Lost != 7 || l.Replayed != 2 || f.Cut != 1 || !stuck.ended || told.ended {
		t.Errorf("when they have read: %+v", f)
	}
	back := h.connect(s, conn.Front, 0)
	back.get("/stream?cname=a&seq=2")
	h.settle()
	if l := h.figures().Loops[0]; l.Lost != 14 || l.Replayed != 4 {
		t.Errorf("when it has come back: %+v", l)
	}
}

// Rare counts: noops, broadcasts, limits.
func TestFiguresOfLimits(t *testing.T) {
	st := newStage(t, Config{Loops: 1, MaxChannels: 1, MaxSubscribersPerChannel: 1, PublishRatePerChannel: 1, PublishRatePerAddress: 2, MaxConnections: 40,
		PollingTimeout: 20 * time.Second})
	stream := st.enter(0, conn.Front)
	stream.send(reqGet(1, "/stream?cname=a&seq=1"))
	push := st.enter(0, conn.Admin)
	for range 3 { // the second is one too many for the channel, the third for the address
		push.send(reqGet(1, "/push?cname=a&content=x"))
	}
	st.later(10 * time.Second)
	push.send(reqGet(1, "/push?cname=b&content=x"))                // a channel too many
	push.send(reqGet(1, "/broadcast?content=x"))                   // one more publish of this address
	st.enter(0, conn.Front).send(reqGet(1, "/poll?cname=a&seq=3")) // a subscriber too many
	st.later(9 * time.Second)                                      // less than a heartbeat's time, but for the stream's
	st.later(time.Second)
	f := st.figures()
	want := map[string][2]int64{
		"max-channels": {1, 1}, "max-subscribers-per-channel": {1, 1}, "max-connections": {40, 0}, "max-connections-per-address": {0, 0},
		"max-history-bytes": {1 << 30, 0}, "max-held-bytes": {256 << 20, 0}, "publish-rate-per-channel": {1, 1}, "publish-rate-per-address": {2, 1},
		"ws-max-message": {64 << 10, 0}, "ws-rate": {100, 0}, "ws-max-channels": {64, 0},
		"max-publish-keys": {1_000_000, 0},
	}
	for _, l := range f.Limits {
		equal(t, l.Name, [2]int64{l.Value, l.Met}, want[l.Name])
	}
	equal(t, "limits", len(f.Limits), len(want))
	if l := f.Loops[0]; l.Heartbeats != 1 || l.Broadcasts != 1 || f.Published != 2 || f.Walks != 0 {
		t.Errorf("%+v", f)
	}
}

// A loop that does not answer is reported as far as possible, and asked once, however often
// Figures is called.
func TestFiguresOfAStuckLoop(t *testing.T) {
	st := newStage(t, Config{Loops: 2})
	st.settle()
	for range 2 * maxWatchers {
		answers, asked := st.srv.askLoops()
		st.turn(0)
		f := st.srv.collect(over(), answers, asked)
		if here, stuck := f.Loops[0], f.Loops[1]; !here.Answered || stuck.Answered || stuck.Reactor.Turns != 6 || stuck.Mailbox != 1 || stuck.Slabs[0] != (reactor.SlabFigures{}) {
			t.Fatalf("%+v", f)
		}
	}
	f := st.figures() // it goes on, and is too late for those that have waited
	if here, stuck := f.Loops[0], f.Loops[1]; !here.Answered || stuck.Mailbox != 0 {
		t.Fatalf("%+v", f)
	}
	if f = st.figures(); !f.Loops[1].Answered || f.Loops[1].Most != 1 {
		t.Fatalf("%+v", f.Loops[1])
	}
}

// From any goroutine, while the server runs and after it has ended.
func TestFiguresOfARunningServer(t *testing.T) {
	srv := startWire(t, Config{Loops: 3})
	for range 100 {
		f := srv.Figures(t.Context())
		for i, loop := range f.Loops {
			if !loop.Answered {
				t.Fatalf("loop %d has not answered", i)
			}
		}
	}
	srv.until("all loops have counted turns", func() bool {
		for _, loop := range srv.Figures(t.Context()).Loops {
			if loop.Reactor.TurnTimes == (reactor.Times{}) {
				return false
			}
		}
		return true
	})
}

// A reader for which more would be held than the bound for all is cut, and the limit was
// hit once.
func TestHeldBytesAreALimit(t *testing.T) {
	h := newHarness(t, Config{Loops: 1, MaxHeldBytes: 1000})
	s := h.srv.shards[0]
	poll, publisher := h.connect(s, conn.Front, 4096), h.connect(s, conn.Admin, 0)
	poll.get("/poll?cname=a&seq=1")
	h.settle()
	publisher.write(reqForm(1, "/push", "cname=a&content="+strings.Repeat("x", 20000)))
	h.settle()
	f := h.figures()
	equal(t, "the limit", f.Limits[limit.Held], LimitFigures{"max-held-bytes", 1000, 1})
	if l := f.Loops[0]; l.Reactor.HeldBytes != 0 || l.Reactor.Blocked != 0 || l.Connections[conn.Front] != [conn.NumStates]int64{} {
		t.Errorf("%+v", l)
	}
	if poll.read(); !poll.ended {
		t.Error("it was not cut")
	}
}
