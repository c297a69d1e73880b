package comet

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ccomet/comet/internal/broker"
	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/record"
	"ccomet/comet/internal/statefile"
)

// save writes the state while the loops turn.
func (h *harness) save(clean bool) error {
	h.t.Helper()
	saved := make(chan error)
	go func() { saved <- h.srv.state.save(h.srv, clean) }()
	for {
		select {
		case err := <-saved:
			return err
		default:
			for _, s := range h.srv.shards {
				h.turn(s)
			}
		}
	}
}

// restart ends the server and starts another one, with the same clock, from a file that was
// written at the end (clean) or before.
func (h *harness) restart(cfg Config, clean bool) *harness {
	h.t.Helper()
	_ = h.save(clean)
	h.end()
	again := newHarnessAt(h.t, cfg, h.now)
	check(h.t, again.srv, true, "after the restart")
	return again
}

// ask sends a request to the admin side, on the loop that is worst for it.
func (h *harness) ask(side uint8, path string) string {
	h.t.Helper()
	e := h.connect(h.srv.shards[0], side, 0)
	e.get(path)
	h.settle()
	e.read()
	e.close()
	h.settle()
	_, body, _ := bytes.Cut(e.in, []byte("\r\n\r\n"))
	return string(body)
}

// told describes a channel in words.
func (h *harness) told(cname string) string {
	home := h.srv.home(cname)
	ch := home.Channel(cname)
	if ch == nil {
		return "none"
	}
	text := fmt.Sprintf("next %d, dialect %d, epoch %s", ch.Next, ch.Dialect, record.AppendEpoch(nil, ch.Gen))
	kept := home.Kept(ch)
	for msg, n := kept.First, int32(kept.N); n > 0; msg, n = msg.After(n), n-1 {
		text += fmt.Sprintf("\n%v %d %s", msg.Kind, msg.Seq, msg.Content())
	}
	return text
}

func stateConfig(t *testing.T) Config {
	return Config{Loops: 2, StateFile: filepath.Join(t.TempDir(), "state"), StateInterval: -1, ChannelBufferSize: 5}
}

// TestStateOutlives: another server has what this one had, with the same number of loops or
// another.
func TestStateOutlives(t *testing.T) {
	cfg := stateConfig(t)
	h := newHarness(t, cfg)
	names := []string{"a", "ü-umlaut", strings.Repeat("x", 255), "\x01c", "\x01fresh"}
	for n := range 9 {
		for _, cname := range names[:3] {
			h.ask(conn.Admin, "/push?cname="+strings.ReplaceAll(cname, "ü", "%C3%BC")+"&content="+strings.Repeat("y", n))
		}
		h.ask(conn.CComet, fmt.Sprintf("/publish?channel=c&sname=u&msg=m%d'&callback=f", n))
	}
	h.ask(conn.Admin, "/broadcast?content=all%20of%20you")
	h.ask(conn.CComet, "/sign?channel=fresh&sname=u&callback=f")
	sign := h.ask(conn.Admin, "/sign?cname=leased&expires=1000")
	for n := range 3000 { // more than one turn hands out
		names = append(names, fmt.Sprint("many-", n))
		h.srv.home(names[len(names)-1]).Make(names[len(names)-1])
	}
	want := map[string]string{}
	for _, cname := range append(names, "leased") {
		want[cname] = h.told(cname)
	}
	for _, loops := range []int{1, 5, 2} {
		cfg.Loops = loops
		h = h.restart(cfg, true)
		for cname, was := range want {
			if is := h.told(cname); is != was {
				t.Fatalf("with %d loops %q is\n%s\nand was\n%s", loops, cname, is, was)
			}
		}
	}
	if again := h.ask(conn.Admin, "/sign?cname=leased&expires=1"); tokenFor(again) != tokenFor(sign) {
		t.Errorf("%s is not %s", again, sign)
	}
	if info, err := os.Stat(cfg.StateFile); err != nil || info.Mode() != 0o600 {
		t.Errorf("the file's mode: %v, %v", info, err)
	}
	// Leases continue; channels without one live for a while.
	h.now = h.now.Add(cfg.ChannelTimeout + 40*time.Second)
	h.settle()
	h.settle()
	if h.told("a") != "none" || h.told("leased") == "none" {
		t.Errorf("later: a is %s, leased is %s", h.told("a"), h.told("leased"))
	}
	h.now = h.now.Add(1000 * time.Second)
	h.settle()
	if h.told("leased") != "none" {
		t.Error("a lease has no end")
	}
}

func tokenFor(sign string) string {
	_, rest, _ := strings.Cut(sign, `"token":"`)
	return rest[:32]
}

// hears compares what a client gets for a path with the expected messages.
func (h *harness) hears(path string, want ...string) {
	h.t.Helper()
	e := h.connect(h.srv.shards[0], conn.Front, 0)
	e.get(path)
	h.settle()
	var got []string
	events, _ := e.events()
	for _, ev := range events {
		got = append(got, fmt.Sprint(ev.Type, " ", ev.Seq, " ", ev.Content))
	}
	if !slices.Equal(got, want) {
		h.t.Errorf("%s got %q, want %q", path, got, want)
	}
	e.close()
	h.settle()
}

// TestStateGap: after a crash numbers are skipped, and a client that asked to be told is told,
// with every transport, wherever the gap is in the history.
func TestStateGap(t *testing.T) {
	cfg := stateConfig(t)
	h := newHarness(t, cfg)
	for n := range 3 {
		h.ask(conn.Admin, fmt.Sprint("/push?cname=a&content=", n+1))
	}
	h = h.restart(cfg, false)
	const next = 4 + record.StateGap
	lost := fmt.Sprintf("lost %d 4-%d", next, next-1)
	live := ""
	for _, after := range [][]string{nil, {fmt.Sprintf("data %d new", next)}} {
		for _, p := range []string{"/stream", "/sse"} {
			h.hears(p+"?cname=a&seq=2&lost=1", append([]string{"data 2 2", "data 3 3", lost}, after...)...)
			h.hears(p+"?cname=a&seq=2", append([]string{"data 2 2", "data 3 3"}, after...)...)
			h.hears(p+"?cname=a&seq=4&lost=1", append([]string{lost}, after...)...)
			h.hears(p+"?cname=a&seq=4", after...)
		}
		h.hears("/poll?cname=a&seq=2&lost=1", "data 2 2", "data 3 3")
		h.hears("/poll?cname=a&seq=4&lost=1", append([]string{lost}, after...)...)
		h.hears("/poll?cname=a&seq=2", append([]string{"data 2 2", "data 3 3"}, after...)...)
		h.hears("/poll?cname=a&seq=4", after...)
		if live == "" {
			live = h.ask(conn.Admin, "/push?cname=a&content=new&ack=1")
			if !strings.Contains(live, fmt.Sprintf(`"seq":%d`, next)) {
				t.Fatal(live)
			}
		}
	}
	// The whole gap counts as one lost message, and so does its end for a client that had some
	// of its numbers.
	for _, asked := range []string{"2", "4", "5", "2000000"} {
		before := h.figures().Loops[0].Lost
		e := h.connect(h.srv.shards[0], conn.Front, 0)
		e.get("/stream?cname=a&seq=" + asked)
		h.settle()
		equal(t, "lost to one that wants number "+asked, h.figures().Loops[0].Lost-before, 1)
		e.close()
		h.settle()
	}
	// A second crash leaves a second gap.
	if h = h.restart(cfg, false); !strings.HasPrefix(h.told("a"), fmt.Sprintf("next %d,", next+1+record.StateGap)) {
		t.Error(h.told("a"))
	}
}

// TestStateGapInCComet: in CComet's dialect a client that waits for a number in the gap gets
// the next message.
func TestStateGapInCComet(t *testing.T) {
	cfg := stateConfig(t)
	h := newHarness(t, cfg)
	for n := range 3 {
		h.ask(conn.CComet, fmt.Sprintf("/publish?channel=c&sname=u&msg=%d&callback=f", n+1))
	}
	h = h.restart(cfg, false)
	const next = 4 + record.StateGap
	waits := h.connect(h.srv.shards[0], conn.CComet, 0)
	waits.get("/subscribe?channel=c&sname=v&seqid=3&callback=f")
	h.settle()
	if waits.read(); len(waits.in) != 0 {
		t.Fatalf("%q", waits.in)
	}
	h.ask(conn.CComet, "/publish?channel=c&sname=u&msg=four&callback=f")
	if waits.read(); !strings.Contains(string(waits.in), fmt.Sprintf(`"msg":"four","sname":"u","seqid":"%d"`, next-1)) {
		t.Errorf("%q", waits.in)
	}
}

// TestStateOfCrashesInARow: each crash leaves a gap, even if the file was not written since
// the first one. So no number is given twice, and a client that has seen a number in between
// is told.
func TestStateOfCrashesInARow(t *testing.T) {
	cfg := stateConfig(t)
	h := newHarness(t, cfg)
	for range 3 {
		h.ask(conn.Admin, "/push?cname=a&content=kept")
	}
	h.save(false)
	seen := int32(4)
	for crash := int32(1); crash <= statefile.MaxGaps+2; crash++ {
		h.end()
		h = newHarnessAt(t, cfg, h.now)
		if err := h.srv.state.mark(); err != nil { // as a server does that serves
			t.Fatal(err)
		}
		next := 4 + min(crash, statefile.MaxGaps)*record.StateGap
		if crash <= statefile.MaxGaps {
			e := h.connect(h.srv.shards[0], conn.Front, 0)
			e.get(fmt.Sprintf("/stream?cname=a&lost=1&seq=%d", seen))
			h.settle()
			events, _ := e.events()
			if want := fmt.Sprintf("%d-%d", seen, next-1); len(events) != 1 || events[0].Type != "lost" || events[0].Content != want {
				t.Fatalf("after crash %d a client that wants %d hears %+v, want lost %s", crash, seen, events, want)
			}
		}
		if got, want := h.ask(conn.Admin, "/push?cname=a&content=gone&ack=1"), fmt.Sprintf(`{"type":"ok","seq":%d}`+"\n", next); got != want {
			t.Fatalf("after crash %d: %q, want %q", crash, got, want)
		}
		seen = next + 1
	}
	h.save(false)
	h.end()
	if h = newHarnessAt(t, cfg, h.now); !strings.HasPrefix(h.told("a"), fmt.Sprintf("next %d,", seen+record.StateGap)) {
		t.Error(h.told("a"))
	}
}

// TestStuckAtAGap: a client that is stuck in the middle of the history continues from there,
// on either side of the gap.
func TestStuckAtAGap(t *testing.T) {
	cfg := stateConfig(t)
	cfg.ChannelBufferSize = 50
	h := newHarness(t, cfg)
	var want []string
	for n := range 20 {
		if n == 10 {
			h = h.restart(cfg, false)
		}
		seq := n + 1
		if n >= 10 {
			seq += record.StateGap
		}
		content := fmt.Sprint(n, strings.Repeat("x", 3000))
		h.ask(conn.Admin, "/push?cname=a&content="+content)
		want = append(want, fmt.Sprint("data ", seq, " ", content))
	}
	want = slices.Insert(want, 10, fmt.Sprintf("lost %d 11-%d", 11+record.StateGap, 10+record.StateGap))
	for _, buffer := range []int{2304, 8192, 20000, 30000} {
		e := h.connect(h.srv.shards[0], conn.Front, buffer)
		e.get("/stream?cname=a&seq=1&lost=1")
		h.settle()
		if !h.srv.shards[0].loop.Blocked(e.conn) {
			t.Fatalf("with %d bytes it is not stuck", buffer)
		}
		var got []string
		for range 40 {
			events, _ := e.events()
			for _, ev := range events {
				got = append(got, fmt.Sprint(ev.Type, " ", ev.Seq, " ", ev.Content))
			}
			h.settle()
		}
		if !slices.Equal(got, want) {
			t.Errorf("with %d bytes: %.12q, want %.12q", buffer, got, want)
		}
		e.close()
		h.settle()
	}
}

// TestStateWithinLimits: loaded channels obey the current limits.
func TestStateWithinLimits(t *testing.T) {
	cfg := stateConfig(t)
	h := newHarness(t, cfg)
	for n := range 12 {
		for range 5 {
			h.ask(conn.Admin, fmt.Sprintf("/push?cname=c%d&content=xy", n))
		}
	}
	cfg.MaxChannels, cfg.ChannelBufferSize = 7, 3
	h = h.restart(cfg, true)
	if n := h.srv.totals.Channels.Load(); n != 7 {
		t.Errorf("%d channels", n)
	}
	for n := range 12 {
		if got := h.told(fmt.Sprint("c", n)); got != "none" && (!strings.HasPrefix(got, "next 6") || strings.Count(got, "\n") != 3) {
			t.Error(got)
		}
	}
	cfg.ChannelBufferSize = -1
	if h = h.restart(cfg, true); h.srv.totals.Channels.Load() != 7 {
		t.Error("channels were deleted")
	}
	cfg.ChannelBufferSize = 100
	h = h.restart(cfg, true)
	for n := range 12 {
		if got := h.told(fmt.Sprint("c", n)); got != "none" && strings.Contains(got, "\n") {
			t.Error(got)
		}
	}
}

// TestSnapshotHasABudget: a turn hands out only some channels.
func TestSnapshotHasABudget(t *testing.T) {
	cfg := stateConfig(t)
	cfg.Loops = 1
	h := newHarness(t, cfg)
	s, st := h.srv.shards[0], h.srv.state
	for n := range 2*broker.ScanBudget + 10 {
		s.broker.Inside().Make(fmt.Sprint(n))
	}
	turns, total := 0, 0
	for at := uint32(1); at != 0; at = st.Batch.Next {
		st.Batch = broker.Snapshot{}
		s.Inbox.Post(mail.FromRecord(mail.Snapshot, at))
		h.turn(s)
		<-st.Ready
		if turns++; len(st.Batch.Channels) > broker.ScanBudget {
			t.Errorf("%d in a turn", len(st.Batch.Channels))
		}
		total += len(st.Batch.Channels)
	}
	if turns != 3 || total != 2*broker.ScanBudget+10 {
		t.Errorf("%d channels in %d turns", total, turns)
	}
}
