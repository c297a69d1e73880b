package comet

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"ccomet/comet/internal/broker"
	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/hub"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/record"
	"ccomet/comet/internal/web"
	"ccomet/reactor"
)

// explained is the answer of /explain.
type explained struct {
	Cname, Dialect, Auth                  string
	Loop, Next, Oldest, Kept, Subscribers int
	KeptBytes                             int `json:"kept_bytes"`
	LeftOut                               int `json:"left_out"`
	Lease                                 *float64
	Loops                                 []explainedLoop
	Sessions                              map[string]string
}

type explainedLoop struct {
	Loop, Subscribers, Behind int
	Answered                  *bool
	Transports                map[string]int
	List                      []explainedSub
}

type explainedSub struct {
	Peer, Proxy, Transport string
	Cursor, Behind, Held   int
	Session                *int
	NoopIn                 *float64 `json:"noop_in"`
	PingIn                 *float64 `json:"ping_in"`
	CutIn                  *float64 `json:"cut_in"`
}

func parseExplained(t testing.TB, text string) (e explained) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return e
}

// explain sends a request on a loop of the stage.
func (st *stage) explain(loop int, query string) explained {
	st.t.Helper()
	return parseExplained(st.t, st.admin(loop, "/explain?"+query))
}

// listed returns the subscribers of all loops.
func (e explained) listed() (list []explainedSub) {
	for _, l := range e.Loops {
		list = append(list, l.List...)
	}
	return list
}

func TestExplainBytes(t *testing.T) {
	everyWire(t, func(t *testing.T, loops, minor int) {
		srv := startWire(t, Config{Loops: loops})
		more := []string{closing}
		if minor == 0 {
			more = nil
		}
		ask := func(side uint8, target string) string { return srv.talk(side, reqGet(minor, target, closing)) }
		same(t, ask(conn.Admin, "/explain?cname=a"), answer(gone, asText,
			"no such channel: it has no subscribers, no messages and no lease\n", more...))
		srv.askAll([]string{"/push?cname=a%22%5C%E2%80%A8%3C&content=12", "/push?cname=a%22%5C%E2%80%A8%3C&content=3"})
		home := srv.homes.Of([]byte("a\"\\\u2028<"))
		size := 0 // in memory
		for n, content := range []string{"12", "3"} {
			size += msg.New(msg.Data, int32(n+1), []byte(content)).Size()
		}
		same(t, ask(conn.Admin, "/explain?cname=a%22%5C%E2%80%A8%3C"), answer(ok200, asJSON, fmt.Sprintf(
			`{"cname": "a\"\\\u2028<", "dialect": "icomet", "auth": "none",`+"\n"+
				` "loop": %d, "next": 3, "oldest": 1, "kept": 2, "kept_bytes": %d, "lease": 30.0,`+"\n"+
				` "subscribers": 0, "loops": [],`+"\n"+` "left_out": 0}`+"\n", home, size), more...))
		for query, reason := range map[string]string{
			"":                   "parameter cname is missing",
			"cname=a&limit=1001": "parameter limit: want 0 to 1000",
			"cname=a&limit=-1":   "parameter limit: want 0 to 1000",
			"cname=a&limit=x":    "parameter limit: want 0 to 1000",
			"cname=a&dialect=x":  "parameter dialect: want ccomet, or none",
			"cname=" + strings.Repeat("a", record.MaxName) + "&dialect=ccomet": "parameter cname: 255 bytes, at most 254 in that dialect",
		} {
			same(t, ask(conn.Admin, "/explain?"+query), answer("400 Bad Request", asText, reason+"\n", more...))
		}
		same(t, ask(conn.Front, "/explain?cname=a"), answer(gone, asText, "no such path: /explain: the admin side has it\n", more...))
	})
	for _, path := range web.NeverPublic {
		if _, err := newServer(Config{Public: map[string]string{"/x": path}}); err == nil || !strings.Contains(err.Error(), "/x: "+path+" is for the admin side alone") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// Subscribers with every transport on every loop, whichever loop gets the
// request.
func TestExplainLoops(t *testing.T) {
	const loops = 3
	st := newStage(t, Config{Loops: loops, Auth: AuthNone})
	cname := st.homed(1)
	st.admin(0, "/push?content=x&cname="+cname)
	targets := map[string]string{"stream": "/stream?", "iframe": "/iframe?", "sse": "/sse?", "poll": "/poll?", "jsonp": "/poll?cb=f&"}
	for loop := range loops {
		for _, target := range targets {
			for range loop + 1 {
				p := st.enter(loop, conn.Front)
				p.send(reqGet(1, target+"seq=2&cname="+cname))
			}
		}
	}
	both := st.enter(2, conn.Front)
	both.send(reqGet(1, "/sse?cname=other&cname="+cname))
	for asked := range loops {
		e := st.explain(asked, "cname="+cname)
		if e.Cname != cname || e.Dialect != "icomet" || e.Loop != 1 || e.Next != 2 || e.Oldest != 1 || e.Kept != 1 || e.Subscribers != 31 || e.LeftOut != 0 || len(e.Loops) != loops {
			t.Fatalf("%+v", e)
		}
		for loop, l := range e.Loops {
			want := loop + 1
			total := 5 * want
			if loop == 2 {
				total++
			}
			if l.Loop != loop || l.Subscribers != total || l.Behind != 0 || len(l.List) != total || len(l.Transports) != 5 || l.Answered != nil {
				t.Errorf("loop %d: %+v", loop, l)
			}
			for name, n := range l.Transports {
				if n != want && !(loop == 2 && name == "sse" && n == want+1) {
					t.Errorf("loop %d: %d of %s", loop, n, name)
				}
			}
			for _, sub := range l.List {
				if targets[sub.Transport] == "" || sub.Peer != "unix" || sub.Cursor != 2 || sub.Behind != 0 || sub.Held != 0 ||
					sub.NoopIn == nil || *sub.NoopIn < 20 || *sub.NoopIn > 30 || sub.PingIn != nil || sub.CutIn != nil || sub.Session != nil {
					t.Errorf("loop %d: %+v", loop, sub)
				}
			}
		}
	}
	for limit, want := range map[int]int{0: 0, 1: 1, 7: 7, 31: 31, 1000: 31} {
		e := st.explain(0, fmt.Sprintf("cname=%s&limit=%d", cname, limit))
		if n := len(e.listed()); n != want || e.LeftOut != 31-want || e.Loops[2].Subscribers != 16 {
			t.Errorf("with limit %d, %d are listed and %d left out", limit, n, e.LeftOut)
		}
	}
}

// The next event of a WebSocket is a ping.
func TestExplainWebSocket(t *testing.T) {
	st := newStage(t, Config{Loops: 1})
	st.websocket(0, "/ws?cname=a&seq=0").hear()
	list := st.explain(0, "cname=a").listed()
	if len(list) != 1 || list[0].Transport != "websocket" || list[0].NoopIn != nil || list[0].PingIn == nil || *list[0].PingIn < 20 || *list[0].PingIn > 30 {
		t.Errorf("%+v", list)
	}
}

// A reader that does not keep up is shown as behind, by how much, and when it
// will be cut. The client beside it is not.
func TestExplainStuck(t *testing.T) {
	h := newHarness(t, Config{Loops: 2})
	cname, s := "a", h.srv.shards[1]
	stuck, well := h.connect(s, conn.Front, 4608), h.connect(s, conn.Front, 0)
	stuck.get("/stream?cname=a&seq=1")
	well.get("/stream?cname=a&seq=1")
	h.settle()
	admin := h.connect(h.srv.shards[0], conn.Admin, 0)
	const messages = 40
	for range messages {
		admin.write(requests("/push?cname=" + cname + "&content=" + strings.Repeat("x", 7000)))
		h.settle()
		well.read()
	}
	admin.read()
	admin.in = nil
	admin.get("/explain?cname=a")
	h.settle()
	admin.read()
	_, text, _ := strings.Cut(string(admin.in), "\r\n\r\n")
	e := parseExplained(t, text)
	if len(e.Loops) != 1 || e.Loops[0].Loop != 1 || e.Loops[0].Behind != 1 || e.Subscribers != 2 {
		t.Fatalf("%s", text)
	}
	for _, sub := range e.Loops[0].List {
		if sub.Behind == 0 {
			if sub.Cursor != messages+1 || sub.Held != 0 || sub.NoopIn == nil {
				t.Errorf("a client that reads: %+v", sub)
			}
			continue
		}
		i := s.hub.Rosters.At(1).Head
		for !s.hub.Subs.At(i).Has(hub.SubBehind) {
			i = s.hub.Subs.At(i).Next
		}
		if sub.Cursor != int(s.hub.Subs.At(i).Cursor) || sub.Behind != messages+1-sub.Cursor || sub.Behind < messages/2 || sub.Held < 1 || sub.Held > 7100 ||
			sub.CutIn == nil || *sub.CutIn < 29.9 || *sub.CutIn > 30.1+7100./reactor.SlowestReader || sub.NoopIn != nil {
			t.Errorf("a client that does not read: %+v", sub)
		}
	}
}

func TestExplainPeer(t *testing.T) {
	for _, proxies := range [][]string{nil, {"127.0.0.1"}} {
		srv := startWire(t, Config{Loops: 2, TrustedProxies: proxies})
		c := srv.dial(conn.Front)
		c.send(reqGet(0, "/stream?cname=a"))
		srv.subscribed(1)
		got := parseExplained(t, srv.ask("/explain?cname=a")).listed()
		proxy := ""
		if proxies != nil {
			proxy = "trusted"
		}
		if len(got) != 1 || got[0].Peer != c.LocalAddr().String() || got[0].Proxy != proxy {
			t.Errorf("%+v, want %v", got, c.LocalAddr())
		}
		c.Close()
	}
}

// CComet's dialect: its own numbers, and which subscriber has which session.
func TestExplainSessions(t *testing.T) {
	st := newStage(t, Config{Loops: 3, Auth: AuthToken})
	names := []string{`a"b\`, "b", "c"}
	for loop, name := range map[int]string{0: "a%22b%5C", 1: "b", 2: "c"} {
		p := st.enter(loop, conn.CComet)
		p.send(reqGet(1, "/subscribe?channel=x&sname="+name+"&seqid=0&callback=f"))
	}
	if text := st.admin(0, "/explain?cname=x"); !strings.HasPrefix(text, "no such channel") {
		t.Errorf("in the other dialect: %s", text)
	}
	e := st.explain(1, "cname=x&dialect=ccomet")
	if e.Cname != "x" || e.Dialect != "ccomet" || e.Auth != "none" || e.Next != 0 || e.Oldest != 0 || e.Subscribers != 3 || len(e.Sessions) != 3 {
		t.Fatalf("%+v", e)
	}
	for _, l := range e.Loops {
		if l.Transports["ccomet"] != 1 || len(l.List) != 1 || l.List[0].Cursor != 0 || l.List[0].NoopIn != nil || e.Sessions[fmt.Sprint(*l.List[0].Session)] != names[l.Loop] {
			t.Errorf("%+v, sessions %v", l, e.Sessions)
		}
	}
	if e = st.explain(1, "cname=x&dialect=ccomet&limit=1"); len(e.Sessions) != 1 || e.LeftOut != 2 {
		t.Errorf("of one: %+v", e)
	}
}

// A long roster is scanned some subscribers a turn, while others come and go.
func TestExplainMany(t *testing.T) {
	const subscribers = 5*broker.ScanBudget + 10
	h := newHarness(t, Config{Loops: 1})
	s := h.srv.shards[0]
	var ends []*end
	for n := range subscribers {
		e := h.connect(s, conn.Front, 0)
		e.get("/stream?cname=a&seq=1")
		if ends = append(ends, e); n%500 == 0 {
			h.settle()
		}
	}
	h.settle()
	admin := h.connect(s, conn.Admin, 0)
	admin.get("/explain?cname=a")
	left, turns := 0, 0
	for h.turn(s); len(s.hub.Scans.List) > 0; turns++ {
		before := s.hub.Scans.List[0].Count
		// The next in the scan leaves, and others with it; and one comes.
		for _, e := range ends {
			if e.fd >= 0 && (s.hub.Subs.At(s.hub.Scans.List[0].At).Conn == e.conn.Index() || e.conn.Index()%97 == uint32(turns)) {
				e.close()
				left++
			}
		}
		h.connect(s, conn.Front, 0).get("/stream?cname=a&seq=1")
		h.turn(s)
		if len(s.hub.Scans.List) > 0 && s.hub.Scans.List[0].Count-before > 2*broker.ScanBudget { // TurnEnded runs twice in a turn in which clients leave
			t.Fatalf("%d in one turn", s.hub.Scans.List[0].Count-before)
		}
	}
	h.settle()
	check(t, h.srv, true, "")
	admin.read()
	_, text, _ := strings.Cut(string(admin.in), "\r\n\r\n")
	e := parseExplained(t, text)
	if turns < 3 || left < turns || e.Subscribers != subscribers || len(e.listed()) != broker.DefaultExplained ||
		e.Loops[0].Subscribers < subscribers-left || e.Loops[0].Subscribers > subscribers || e.LeftOut != e.Loops[0].Subscribers-broker.DefaultExplained {
		t.Errorf("after %d turns and %d departures: %d of %d counted, %d listed, %d left out", turns, left, e.Loops[0].Subscribers, e.Subscribers, len(e.listed()), e.LeftOut)
	}
}

// A channel that ends, or whose subscribers all leave, does no harm to scans of
// it.
func TestExplainWhatEnds(t *testing.T) {
	for _, how := range []string{"/close?cname=a", "/push?cname=a&content=x"} {
		h := newHarness(t, Config{Loops: 2})
		home := h.srv.shards[h.srv.homes.Of([]byte("a"))]
		other := h.srv.shards[1-home.ID]
		var polls []*end
		for range broker.ScanBudget * 2 {
			e := h.connect(other, conn.Front, 0)
			e.get("/poll?cname=a&seq=1")
			polls = append(polls, e)
		}
		h.settle()
		admin, closer := h.connect(home, conn.Admin, 0), h.connect(home, conn.Admin, 0)
		admin.get("/explain?cname=a&limit=1")
		h.turn(home)
		h.turn(other)
		if len(other.hub.Scans.List) != 1 {
			t.Fatal("no walk is under way")
		}
		closer.write(requests(how))
		h.settle()
		check(t, h.srv, true, how)
		admin.read()
		_, text, _ := strings.Cut(string(admin.in), "\r\n\r\n")
		if e := parseExplained(t, text); e.Subscribers != broker.ScanBudget*2 || len(other.hub.Scans.List)+home.broker.Inside().Explanations() != 0 {
			t.Errorf("%s: %s", how, text)
		}
		for _, e := range polls {
			if list, _ := e.events(); len(list) != 1 {
				t.Fatalf("%s: %v", how, list)
			}
		}
	}
}

// A loop that does not answer is named, and the others are reported.
func TestExplainWithoutALoop(t *testing.T) {
	st := newStage(t, Config{Loops: 3})
	cname := st.homed(0)
	for loop := range 3 {
		st.enter(loop, conn.Front).send(reqGet(1, "/stream?cname="+cname))
	}
	p := st.enter(0, conn.Admin)
	p.write(reqGet(1, "/explain?cname="+cname))
	turns := func() {
		for range 6 {
			st.turn(0)
			st.turn(2)
		}
	}
	turns()
	st.now = st.now.Add(broker.ScanTime - time.Millisecond)
	turns()
	if got := p.take(); got != "" {
		t.Fatalf("before the time is up: %s", got)
	}
	st.now = st.now.Add(time.Millisecond)
	turns()
	e := parseExplained(t, p.body())
	if len(e.Loops) != 3 || e.Loops[1].Loop != 1 || e.Loops[1].Answered == nil || *e.Loops[1].Answered || len(e.Loops[2].List) != 1 {
		t.Errorf("%+v", e)
	}
	st.settle() // its answer comes late
	if e = st.explain(0, "cname="+cname); len(e.listed()) != 3 {
		t.Errorf("%+v", e)
	}
}

func TestTooManyExplanations(t *testing.T) {
	st := newStage(t, Config{Loops: 2})
	cname := st.homed(0)
	st.enter(1, conn.Front).send(reqGet(1, "/stream?cname="+cname))
	p := st.enter(0, conn.Admin)
	p.write(strings.Repeat(reqGet(1, "/explain?cname="+cname), broker.MaxExplanations+1))
	st.turn(0)
	st.settle()
	got := p.take()
	if n := strings.Count(got, "200 OK"); n != broker.MaxExplanations || !strings.HasSuffix(got, "\r\n\r\ntoo many explanations are under way: at most 8 of one loop's channels\n") {
		t.Errorf("%d, then %s", n, got)
	}
	equal(t, "refused", st.srv.totals.Refused.Load(), 1)
}
