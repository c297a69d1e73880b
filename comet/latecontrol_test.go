package comet

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/token"
)

// TestLateOlder: older messages are requested once, when a client wants them. Messages that
// come meanwhile reach the other clients without a wait.
func TestLateOlder(t *testing.T) {
	h, log := newLate(t, Config{ChannelBufferSize: 6})
	for range 3 {
		log.number("a", msg.Data, []byte("old"))
	}
	join := func(path string) *end {
		e := h.connect(h.srv.shards[0], conn.Front, 0)
		e.get(path)
		h.settle()
		return e
	}
	first := join("/stream?cname=a")
	log.attachAll()
	h.settle()
	log.other(h, "a", "m4")
	h.settle()
	wantObjects(t, first, "first", "next_seq 4 ", "data 4 m4")
	second, third := join("/stream?cname=a&seq=2"), join("/poll?cname=a&seq=1")
	if len(log.attaches) != 1 || len(second.objects()) > 0 {
		t.Fatalf("the log was asked %d times", len(log.attaches))
	}
	log.other(h, "a", "m5")
	h.settle()
	wantObjects(t, first, "first", "data 5 m5")
	log.other(h, "a", "m6")
	tell := log.attach()
	log.other(h, "a", "m7")
	tell()
	h.settle()
	wantObjects(t, first, "first", "data 6 m6", "data 7 m7")
	wantObjects(t, second, "second", "data 2 old", "data 3 old", "data 4 m4", "data 5 m5", "data 6 m6", "data 7 m7")
	wantObjects(t, third, "third", "data 2 old", "data 3 old", "data 4 m4", "data 5 m5", "data 6 m6", "data 7 m7")
	// No more can be kept here, so the log is not asked again.
	wantObjects(t, join("/poll?cname=a&seq=1&lost=1"), "fourth", "lost 2 1-1", "data 2 old", "data 3 old", "data 4 m4", "data 5 m5", "data 6 m6", "data 7 m7")
	if len(log.attaches) != 0 || log.attached["a"] != 1 {
		t.Errorf("the log was asked for: %v; it was attached %d times", log.attaches, log.attached["a"])
	}
	check(t, h.srv, true, "at the end")
}

// TestLateOutage: if the log does not answer, each kind of request is refused after a while,
// with 503 and a retry time. Waiting clients stay connected, and everything recovers by
// itself.
func TestLateOutage(t *testing.T) {
	h, log := newLate(t, Config{CComet: []string{"unix:/none"}})
	waits := h.connect(h.srv.shards[0], conn.Front, 0)
	waits.get("/stream?cname=there&seq=1")
	h.settle()
	log.attachAll()
	h.settle()
	waits.objects()
	log.away = errors.New("no answer")
	asked := map[string]*end{}
	for _, path := range []string{"/poll?cname=a&seq=1", "/stream?cname=a&seq=1", "/iframe?cname=b&seq=1", "/sse?cname=a&seq=1", "/history?cname=a&seq=1", "/ws?cname=a&seq=1"} {
		e := h.connect(h.srv.shards[1], conn.Front, 0)
		if asked[path] = e; path[:3] == "/ws" {
			e.write(handshake(path))
		} else {
			e.get(path)
		}
	}
	p := h.connect(h.srv.shards[0], conn.Admin, 0)
	p.get("/sign?cname=a")
	p.get("/broadcast?content=x")
	h.settle()
	for len(log.proposals) > 0 {
		if log.proposals[0].mail.Op == mail.OpSign {
			log.commit()() // its channel's place is unknown
		} else {
			log.refuse()
		}
	}
	h.settle()
	h.now = h.now.Add(h.srv.cfg.RequestTimeout/2 + time.Second)
	h.settle()
	h.settle()
	for path, e := range asked {
		wantNoLog(t, path, e)
	}
	if got := p.answered(); len(got) != 2 || !strings.HasPrefix(got[0], "503 ") || !strings.HasPrefix(got[1], "503 ") || !bytes.Contains(p.in, []byte("Retry-After: ")) {
		t.Errorf("a sign and a broadcast are answered %q", got)
	}
	if got := h.ask(conn.Admin, "/readyz"); got != "publishes are refused: no answer\n" {
		t.Errorf("/readyz says %q", got)
	}
	if got := h.ask(conn.Admin, "/info"); !strings.Contains(got, `"log": "no answer"`) {
		t.Errorf("/info says %q", got)
	}
	check(t, h.srv, true, "refused")
	log.away = nil
	log.attachAll()
	log.other(h, "there", "m1")
	e := h.connect(h.srv.shards[1], conn.Front, 0)
	e.get("/stream?cname=a&seq=1")
	log.other(h, "a", "m1")
	h.settle()
	wantObjects(t, waits, "who has waited", "data 1 m1")
	wantObjects(t, e, "who comes", "data 1 m1")
	check(t, h.srv, true, "at the end")
}

// wantNoLog checks how a client is refused.
func wantNoLog(t *testing.T, path string, e *end) {
	t.Helper()
	e.read()
	got := string(e.in)
	refused := strings.HasPrefix(got, "HTTP/1.1 503 ") && strings.Contains(got, "\r\nRetry-After: ")
	switch path[:3] {
	case "/ss":
		refused = strings.Contains(got, `retry: `) && strings.Contains(got, `"type":"503"`)
	case "/ws":
		refused = strings.Contains(got, `"type":"503"`) && !e.ended
	}
	if !refused {
		t.Errorf("%s is answered %q", path, got)
	}
}

// TestLateClear: cleared messages are forgotten here as well, but not later ones.
func TestLateClear(t *testing.T) {
	h, log := newLate(t, Config{})
	log.prompt = true
	e := h.connect(h.srv.shards[0], conn.Front, 0)
	e.get("/stream?cname=a&seq=1")
	h.settle()
	log.other(h, "a", "m1")
	p := h.connect(h.srv.shards[0], conn.Admin, 0)
	p.get("/clear?cname=a")
	p.get("/push?cname=a&content=m2")
	h.settle()
	clear, push := log.commit(), log.commit()
	push()
	clear() // its answer, and its entry in the log, come late
	h.settle()
	wantAnswers(t, p, "200 ok 2", `200 {"type":"ok"}`)
	if got := h.ask(conn.Front, "/history?cname=a&seq=1"); !strings.Contains(got, `"seq":2,"content":"m2"`) || strings.Contains(got, "m1") {
		t.Errorf("a history is %q", got)
	}
	check(t, h.srv, true, "at the end")
}

// TestLateKeys: the log knows the keys of messages.
func TestLateKeys(t *testing.T) {
	h, log := newLate(t, Config{})
	p := h.connect(h.srv.shards[0], conn.Admin, 0)
	body := `[{"cname":"a","content":"m1","key":"k"},{"cname":"a","content":"m1","key":"k"}]`
	p.write("POST /publish HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
	h.settle()
	log.commit()()
	log.commit()()
	h.settle()
	wantAnswers(t, p, `200 [{"seq":1},{"seq":1}]`)
	if n := h.figures().Loops[h.srv.homes.Of([]byte("a"))].Repeated; n != 1 {
		t.Errorf("%d messages are counted as published before", n)
	}
}

// TestLateTokens: with tokens, a channel lives if any server has signed it or it has subscribers
// here. A client with the token of another channel does not create the channel by asking.
func TestLateTokens(t *testing.T) {
	h, log := newLate(t, Config{Auth: AuthToken})
	log.prompt = true
	ask := func(auth string) string {
		e := h.connect(h.srv.shards[0], conn.Front, 0)
		e.get("/poll?cname=a&seq=1&token=" + auth)
		h.settle()
		return strings.Join(e.objects(), ", ")
	}
	channels := func() int64 { return h.srv.totals.Channels.Load() }
	// Its epoch is the log's, which changes only when the channel is closed.
	epoch := uint32(1 << 20)
	log.epoch = epoch
	valid := string(token.New(log.Secret()).Make([]byte("a"), epoch, token.Subscribe))
	if got := ask(valid); got != "401 0 Token error" || channels() != 0 || len(log.detached) != 1 {
		t.Fatalf("a channel that nobody has signed: %q; %d channels, detached %q", got, channels(), log.detached)
	}
	log.channel("a").alive = true // another server has signed it
	if got := ask(strings.Repeat("x", len(valid))); got != "401 0 Token error" {
		t.Errorf("another token: %q", got)
	}
	if got := ask(valid); got != "" || channels() != 1 {
		t.Errorf("the token is answered %q", got)
	}
	check(t, h.srv, true, "at the end")
}

// TestLateCounts: /check, /info and /psub report about all servers.
func TestLateCounts(t *testing.T) {
	h, log := newLate(t, Config{})
	log.prompt = true
	log.nodes = []Node{{Name: "b", Version: "2", Channels: 5, Subscribers: 7}}
	p := h.connect(h.srv.shards[0], conn.Admin, 0)
	e := h.connect(h.srv.shards[0], conn.Front, 0)
	e.get("/stream?cname=a&seq=1")
	for _, path := range []string{"/info?cname=a", "/info?cname=b", "/check?cname=b", "/check?cname=c"} {
		p.get(path)
	}
	h.settle()
	for len(log.counts) > 0 {
		log.count(uint32(len(log.counts[0].name)), log.counts[0].name != "c")
	}
	h.settle()
	got := p.answered()
	for n, want := range []string{`"subscribers": 2`, `"subscribers": 1`, `"b": 1`, `200 {}`} {
		if len(got) != 4 || !strings.Contains(got[n], want) {
			t.Errorf("the answers are %q, want %s", got, want)
		}
	}
	if got := h.ask(conn.Admin, "/info"); !strings.Contains(got, `"channels": 6, "subscribers": 8, "nodes": [`) || !strings.Contains(got, `"log": "ok"`) {
		t.Errorf("/info says %q", got)
	}
	if got := h.ask(conn.Admin, "/explain?cname=a"); !strings.Contains(got, "\"other_servers\": [\"b\"]}\n") {
		t.Errorf("/explain says %q", got)
	}
	if got := h.ask(conn.Admin, "/explain?cname=no"); !strings.HasSuffix(got, " here; ask these servers too: b\n") {
		t.Errorf("/explain says %q", got)
	}
	asked := mail.Mail{Kind: mail.CountAsked, Seq: 3}
	for _, name := range []string{"a", "no"} {
		m := asked
		m.Buf, m.Nlen = named(name)
		h.srv.home(name).Post(m)
	}
	h.settle()
	slices.Sort(log.counted)
	if !slices.Equal(log.counted, []string{"a 1 true", "no 0 false"}) {
		t.Errorf("others are told %q", log.counted)
	}
	testLatePresence(h, log, e)
}

// testLatePresence: e is the only client of channel a.
func testLatePresence(h *harness, log *lateLog, e *end) {
	h.t.Helper()
	log.wanted = true
	psub := h.connect(h.srv.shards[1], conn.Admin, 0)
	psub.get("/psub?now=1")
	h.settle()
	psub.read()
	if !strings.Contains(string(psub.in), "1 a\n") {
		h.t.Errorf("/psub says %q", psub.in)
	}
	if !slices.Contains(log.listens, true) {
		h.t.Errorf("the other servers are not asked for their channels: %v", log.listens)
	}
	log.present = nil
	h.srv.home("a").Post(mail.Mail{Kind: mail.ListAsked})
	h.settle()
	if !slices.Equal(log.present, []string{"true a"}) {
		h.t.Errorf("a server that asks for all channels is told %q", log.present)
	}
	log.present = nil
	psub.read()
	psub.in = nil
	e.close()
	for range 2 { // first another server has the channel, then none
		h.settle()
		h.now = h.now.Add(h.srv.cfg.ChannelTimeout + time.Second)
		h.settle()
		if len(log.counts) != 1 {
			h.t.Fatalf("%d questions", len(log.counts))
		}
		if psub.read(); strings.Contains(string(psub.in), "0 a") {
			h.t.Errorf("/psub says %q before the other servers were asked", psub.in)
		}
		if len(log.present) < 2 {
			log.count(1, true)
			h.settle()
			again := h.connect(h.srv.shards[0], conn.Front, 0)
			again.get("/stream?cname=a&seq=1")
			h.settle()
			log.present = append(log.present, "")
			again.close()
		}
	}
	log.present = nil
	log.count(0, false)
	h.settle()
	psub.read()
	if !strings.Contains(string(psub.in), "0 a\n") || !slices.Equal(log.present, []string{"false a"}) {
		h.t.Errorf("/psub says %q, and the other servers were told %q", psub.in, log.present)
	}
	check(h.t, h.srv, true, "at the end")
}

// TestLateOlderAnew: an answer with all stored messages is not used if the history here was
// restarted after the request. A later answer to a smaller request is not taken for all
// messages.
func TestLateOlderAnew(t *testing.T) {
	h, log := newLate(t, Config{})
	for range 3 {
		log.number("a", msg.Data, []byte("old"))
	}
	ask := func(path string) *end {
		e := h.connect(h.srv.shards[0], conn.Front, 0)
		e.get(path)
		h.settle()
		return e
	}
	first := ask("/poll?cname=a&seq=4")
	log.attachAll()
	log.other(h, "a", "m4")
	h.settle()
	wantObjects(t, first, "first", "data 4 m4")
	all := ask("/history?cname=a&seq=1")
	tell := log.attach()
	log.unsettle(true) // nobody subscribes: the history here is dropped
	log.other(h, "a", "m5")
	h.settle()
	ahead := ask("/history?cname=a&seq=70000")
	if len(log.attaches) != 1 {
		t.Fatalf("the log was asked %d times", len(log.attaches))
	}
	tell()
	h.settle()
	log.attachAll()
	h.settle()
	log.attachAll()
	h.settle()
	wantObjects(t, all, "all", "data 1 old", "data 2 old", "data 3 old", "data 4 m4")
	wantObjects(t, ahead, "ahead")
	check(t, h.srv, true, "at the end")
}

// TestLateHistoryGap: an answer of /history has no gap between its messages, even if it is
// of another life than the client asked for. The client learns of the gap when it continues.
func TestLateHistoryGap(t *testing.T) {
	h, log := newLate(t, Config{})
	log.prompt = true
	log.number("a", msg.Data, []byte("m1"))
	log.channel("a").next += gap
	log.number("a", msg.Data, []byte("m2"))
	for path, want := range map[string]string{
		"/history?cname=a&seq=1&epoch=k3f9ab2": "data 1 m1", "/history?cname=a&seq=1": "data 1 m1", "/history?cname=a&seq=2": "data 65538 m2",
	} {
		e := h.connect(h.srv.shards[0], conn.Front, 0)
		e.get(path)
		h.settle()
		h.settle()
		e.read()
		if lost := strings.Contains(string(e.in), `"lost":true`); lost != (path != "/history?cname=a&seq=1") || !strings.Contains(string(e.in), `"next":65539`) {
			t.Errorf("%s is answered %s", path, e.in)
		}
		wantObjects(t, e, path, want)
	}
}
