package comet

import (
	"bytes"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/rs/zerolog"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/limit"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/web"
	"ccomet/reactor"
)

// At max-connections a connection that is idle between requests makes room for a new
// one. If there is none, the new one is told so, and costs nothing more.
func TestMaxConnections(t *testing.T) {
	srv := startWire(t, Config{Loops: 1, MaxConnections: 3})
	waiting, idle := srv.dial(conn.Front), srv.dial(conn.Front)
	waiting.send(reqGet(1, "/stream?cname=a&seq=1"))
	idle.ask("/ping")
	young := srv.dial(conn.Front) // has not sent a request yet
	srv.until("three are open", func() bool { return srv.totals.Admitted.Load() == 3 })
	fourth := srv.dial(conn.Front)
	fourth.send(reqGet(1, "/stream?cname=a&seq=1"))
	same(t, idle.rest(), "")
	srv.subscribed(2)
	got := srv.dial(conn.Front).rest()
	if status, reason := told(t, got); status != "503" || reason != "too many connections: max-connections is 3\n" || !strings.Contains(got, "\r\nRetry-After: 5\r\n") {
		t.Errorf("got %q", got)
	}
	same(t, srv.ask("/healthz"), "ok") // over a connection of its own, which is accepted
	young.ask("/ping")
	same(t, srv.ask("/info?cname=a"), `{"cname": "a", "subscribers": 2}`+"\n")
	if n := srv.totals.Hits[limit.Connections].Times.Load(); n != 1 {
		t.Errorf("the limit was hit %d times", n)
	}
	waiting.Close()
	srv.until("somebody has gone", func() bool { return srv.totals.Admitted.Load() < 3 })
	srv.dial(conn.Front).ask("/ping")
}

// At max-connections, idle connections between requests are evicted first, then the
// connection whose request has been arriving for longest. A client that waits, or has just
// come, is not evicted; nor is the admin side.
func TestSlowRequestsMakeRoom(t *testing.T) {
	st := newStage(t, Config{Loops: 1, MaxConnections: 6, RequestTimeout: 5 * time.Second, BodyTimeout: 20 * time.Second})
	s := st.srv.shards[0]
	admin, waiting := st.enter(0, conn.Admin), st.enter(0, conn.Front)
	admin.send("GET /pu")
	waiting.send(reqGet(1, "/stream?cname=a&seq=1"))
	body := st.enter(0, conn.Front)
	body.send("POST /ping HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nc")
	st.later(reactor.TickLength)
	silent := st.enter(0, conn.CComet)
	st.later(reactor.TickLength)
	head := st.enter(0, conn.Front)
	head.send("GET /strea")
	st.later(2 * time.Second)
	young, idle := st.enter(0, conn.Front), st.enter(0, conn.Front)
	young.send("GET /strea")
	idle.send(reqGet(1, "/ping"))
	if n := st.srv.totals.Admitted.Load(); n != 6 {
		t.Fatalf("%d are open", n)
	}
	for n, gone := range []*player{idle, body, silent, head} {
		head.send("m") // single bytes do not help
		if err := s.web.Admit(conn.Front); err != nil {
			t.Fatalf("connection number %d: %v", n, err)
		}
		st.settle()
		if s.loop.Alive(gone.conn) {
			t.Fatalf("connection %d may be evicted, but is still open", n)
		}
		st.enter(0, conn.Front)
	}
	if err := s.web.Admit(conn.Front); err == nil {
		t.Error("a seventh connection was accepted")
	}
	for _, p := range []*player{admin, waiting, young} {
		if !s.loop.Alive(p.conn) {
			t.Error("a connection that must not be evicted was closed")
		}
	}
}

func TestMaxConnectionsPerAddress(t *testing.T) {
	srv := startWire(t, Config{Loops: 3, MaxConnectionsPerAddress: 2, TrustedProxies: []string{"127.0.0.9"}})
	first := srv.dialFrom("127.0.0.2", srv.FrontAddrs()[0])
	first.ask("/ping")
	srv.dialFrom("127.0.0.2", srv.FrontAddrs()[0]).ask("/ping")
	got := srv.dialFrom("127.0.0.2", srv.FrontAddrs()[0]).rest()
	if status, reason := told(t, got); status != "429" || reason != "too many connections from this address: max-connections-per-address is 2\n" || !strings.Contains(got, "\r\nRetry-After: 5\r\n") {
		t.Errorf("got %q", got)
	}
	for range 4 {
		srv.dialFrom("127.0.0.9", srv.FrontAddrs()[0]).ask("/ping") // connections of a trusted proxy belong to other clients
	}
	srv.dialFrom("127.0.0.3", srv.FrontAddrs()[0]).ask("/ping")
	first.Close()
	client := srv.homes.HashAddr(netip.MustParseAddr("127.0.0.2"))
	srv.until("the address has one left", func() bool {
		defer srv.site.AddrCounter.Remove(client)
		return srv.site.AddrCounter.Add(client) == 2 // including this one
	})
	srv.dialFrom("127.0.0.2", srv.FrontAddrs()[0]).ask("/ping")
}

// Lingering connections of an address that is refused again and again do not keep other
// clients out.
func TestRefusedMakeRoom(t *testing.T) {
	srv := startWire(t, Config{Loops: 1, MaxConnections: 3, MaxConnectionsPerAddress: 1})
	var waiting []*wireConn
	for _, from := range []string{"127.0.0.2", "127.0.0.3"} {
		c := srv.dialFrom(from, srv.FrontAddrs()[0])
		c.send(reqGet(1, "/stream?cname=a&seq=1"))
		c.expect(streamHead(1, asJSON))
		waiting = append(waiting, c)
	}
	for range 3 { // they do not close their side
		if status, _ := told(t, srv.dialFrom("127.0.0.3", srv.FrontAddrs()[0]).rest()); status != "429" {
			t.Errorf("got %s", status)
		}
	}
	srv.dialFrom("127.0.0.4", srv.FrontAddrs()[0]).ask("/ping")
	srv.ask("/push?cname=a&content=x")
	for _, c := range waiting {
		c.expect(piece(1, objectOf("a", "data", 1, "x")+"\n"))
	}
}

// All addresses of an IPv6 network count as one, however they are written.
func TestAddressesAreOne(t *testing.T) {
	srv := startWire(t, Config{Loops: 1})
	hash := func(s string) uint64 { return srv.homes.HashAddr(netip.MustParseAddr(s)) }
	if hash("2001:db8::1") != hash("2001:db8::ffff:2") || hash("2001:db8::1") == hash("2001:db8:0:1::1") {
		t.Error("the addresses of a /64 do not count as one")
	}
	if hash("::ffff:10.0.0.5") != hash("10.0.0.5") || hash("10.0.0.5") == hash("10.0.0.6") {
		t.Error("an IPv4 address does not count as one")
	}
}

// Addresses are spread over all buckets, by each bit of the hash that chooses one.
func TestAddressesAreSpread(t *testing.T) {
	srv := startWire(t, Config{Loops: 1, MaxConnectionsPerAddress: 1, PublishRatePerAddress: 1})
	var ones, zeros uint64
	for n := range 256 {
		h := srv.homes.HashAddr(netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}))
		ones, zeros = ones|h, zeros|^h
		srv.site.Publishers.Take(1, h, 1)
		srv.site.AddrCounter.Add(h)
	}
	if ones&zeros != ^uint64(0) {
		t.Errorf("bits that are always the same: %064b", ^(ones & zeros))
	}
	parts := [4]int{}
	for i := range srv.site.Publishers {
		if srv.site.Publishers[i].Load() != 0 {
			parts[i%len(parts)]++
		}
	}
	for row := range srv.site.AddrCounter {
		odd := 0
		for i := range srv.site.AddrCounter[row] {
			odd += i % 2 * int(srv.site.AddrCounter[row][i].Load())
		}
		if odd < 64 || odd > 192 {
			t.Errorf("row %d: %d of 256 are misplaced", row, odd)
		}
	}
	if slices.Min(parts[:]) < 24 {
		t.Errorf("buckets by their number modulo 4: %v", parts)
	}
}

// The history of all channels stays below the limit. First, messages beyond the
// minimum are dropped; in the worst case even those. A client that has missed some is
// told.
func TestMaxHistoryBytes(t *testing.T) {
	const each = 1000 // bytes of a message, approximately
	st := newStage(t, Config{Loops: 1, MaxHistoryBytes: 50 * each, HistoryMinimum: 2})
	s := st.srv.shards[0]
	content := strings.Repeat("x", each-msg.New(msg.Data, 1, make([]byte, each)).Size()+each) // so that the message has that size
	push := func(cname string, n int) {
		p := st.enter(0, conn.Admin)
		for range n {
			p.send(reqGet(1, "/push?cname="+cname+"&content="+content))
			if kept := s.broker.Figures().HistoryBytes; kept > 50*each {
				t.Fatalf("%d bytes are kept", kept)
			}
		}
		p.leave()
	}
	kept := func(cname string) int {
		return audited(t, s, cname).Kept
	}
	push("old", 40)
	push("new", 40)
	if kept("old") != 10 || kept("new") != 40 {
		t.Errorf("the old channel stores %d messages, the new one %d", kept("old"), kept("new"))
	}
	for n := range 60 {
		push(fmt.Sprint(n), 1)
	}
	if kept("old") != 2 || kept("new") > 4 {
		t.Errorf("with many other channels, the old channel stores %d messages, the new one %d", kept("old"), kept("new"))
	}
	p := st.enter(0, conn.Front)
	p.send(reqGet(0, "/sub?cname=new&seq=1&lost=1"))
	if got := p.body(); !strings.HasPrefix(got, `[{"type":"lost","cname":"new","seq":3`) {
		t.Errorf("a client that wants all messages got %.100q", got)
	}
	check(t, st.srv, false, "") // the counts match what is kept
	if st.srv.totals.Hits[limit.History].Times.Load() == 0 {
		t.Error("the limit was never hit")
	}
}

// The memory of a short message is counted completely, although most of it is not its text.
func TestShortMessagesCountAsTheyAre(t *testing.T) {
	const ceiling = 50_000
	st := newStage(t, Config{Loops: 1, MaxHistoryBytes: ceiling, ChannelBufferSize: 10_000})
	p := st.enter(0, conn.Admin)
	for range 6000 {
		p.send(reqGet(1, "/push?cname=a&content=x"))
		same(t, p.body(), done)
	}
	s := st.srv.shards[0]
	kept := audited(t, s, "a").Kept
	if least := int(unsafe.Sizeof(msg.Message{})) + len("x"); kept*least > ceiling || kept*3*least < ceiling {
		t.Errorf("%d messages of %d bytes are kept in %d", kept, least, ceiling)
	}
}

func TestPublishRates(t *testing.T) {
	for name, cfg := range map[string]Config{
		"channel": {PublishRatePerChannel: 4},
		"address": {PublishRatePerAddress: 4},
	} {
		t.Run(name, func(t *testing.T) {
			srv := startWire(t, cfg) // its clock stands still: a second's worth at once
			for range 4 {
				same(t, srv.ask("/push?cname=a&content=x"), done)
			}
			got := srv.talk(conn.Admin, reqGet(0, "/push?cname=a&content=x"))
			if status, reason := told(t, got); status != "429" || !strings.HasSuffix(reason, "publish-rate-per-"+name+" is 4 a second\n") || !strings.Contains(got, "\r\nRetry-After: 1\r\n") {
				t.Errorf("got %q", got)
			}
			other := srv.talk(conn.Admin, reqGet(0, "/push?cname=b&content=x"))
			if strings.HasPrefix(other, "HTTP/1.1 200 ") != (name == "channel") {
				t.Errorf("for another channel: %s", other)
			}
			same(t, srv.ask("/check?cname=a"), `{"a": 1}`+"\n")
		})
	}
	st := newStage(t, Config{Loops: 2, PublishRatePerChannel: 2})
	push := func() string { return st.admin(0, "/push?cname=a&content=x&ack=1") }
	for seq := 1; seq <= 2; seq++ {
		same(t, push(), fmt.Sprintf(`{"type":"ok","seq":%d}`+"\n", seq))
	}
	if got := push(); !strings.HasPrefix(got, "too many publishes to this channel") {
		t.Errorf("got %q", got)
	}
	st.later(500 * time.Millisecond)
	same(t, push(), `{"type":"ok","seq":3}`+"\n")
	if got := push(); !strings.HasPrefix(got, "too many publishes") {
		t.Errorf("got %q", got)
	}
}

// A clock that is set back does not refuse clients for that time, or keep the log
// silent.
func TestClockSetBack(t *testing.T) {
	for _, cfg := range []Config{{PublishRatePerChannel: 2}, {PublishRatePerAddress: 2}} {
		var log bytes.Buffer
		cfg.Loops, cfg.Log = 1, zerolog.New(&log)
		st := newStage(t, cfg)
		push := func() string { return st.admin(0, "/push?cname=a&content=x") }
		for range 3 {
			for range 2 {
				same(t, push(), done)
			}
			if got := push(); !strings.HasPrefix(got, "too many publishes") {
				t.Errorf("got %q", got)
			}
			st.now = st.now.Add(-time.Hour)
			st.srv.shards[0].loop.Wake()
			st.settle()
		}
		if n := strings.Count(log.String(), "limit reached"); n != 3 {
			t.Errorf("it was logged %d times: %s", n, log.String())
		}
	}
}

// A head that arrives in time leaves its body the full time.
func TestBodyTimeout(t *testing.T) {
	st := newStage(t, Config{Loops: 1, RequestTimeout: 4 * time.Second, BodyTimeout: 20 * time.Second})
	p := st.enter(0, conn.Admin)
	p.send("POST /push?cname=a HTTP/1.1\r\nHost: h\r\n")
	st.later(3 * time.Second)
	p.send("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n\r\n")
	st.later(19 * time.Second)
	p.send("content=x")
	same(t, p.body(), done)
	p.send("POST /push?cname=a HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nc")
	st.later(19 * time.Second)
	p.send("o")
	same(t, p.take(), "")
	st.later(2 * time.Second)
	if status, _ := told(t, p.take()); status != "408" {
		t.Errorf("got %s", status)
	}
}

// A connection is kept between requests for longer than by most proxies, 60 s, so that
// the proxy closes it.
func TestIdleTimeoutIsLongerThanProxies(t *testing.T) {
	st := newStage(t, Config{Loops: 1})
	for _, side := range []uint8{conn.Front, conn.Admin} {
		p := st.enter(0, side)
		path := [conn.NumSides]string{"/ping", "/info"}[side]
		p.send(reqGet(1, path))
		p.body()
		st.later(70 * time.Second)
		p.send(reqGet(1, path))
		if got := p.take(); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
			t.Errorf("side %d, after 70 s: %q", side, got)
		}
	}
}

// Browsers are told different times to come back, within bounds.
func TestRetryIsSpread(t *testing.T) {
	st := newStage(t, Config{Loops: 1, RetryTime: 4 * time.Second})
	seen := map[int]bool{}
	for minor := range 2 {
		for range 20 {
			p := st.enter(0, conn.Front)
			p.send(reqGet(minor, "/sse?cname=a&seq=1"))
			m := regexp.MustCompile(`(?:^|\r\n)retry: (\d+)\n(?:\r\n)?$`).FindStringSubmatch(p.body())
			if m == nil {
				t.Fatal("no retry time was sent")
			}
			ms, _ := strconv.Atoi(m[1])
			if ms < 2000 || ms > 6000 {
				t.Errorf("got a retry time of %d ms", ms)
			}
			seen[ms] = true
			p.leave()
		}
	}
	if len(seen) < 20 {
		t.Errorf("40 clients were told %d different times", len(seen))
	}
}

// A client that is still being answered is not evicted.
func TestNotIdleWhileAnswered(t *testing.T) {
	page := web.Page{Path: "/page", ContentType: frame.TypeText, Body: bytes.Repeat([]byte("x"), 100_000)}
	h := newHarness(t, Config{Loops: 1, MaxConnections: 1, Pages: []web.Page{page}})
	s := h.srv.shards[0]
	e := h.connect(s, conn.Front, 4608)
	e.get("/ping")
	h.settle()
	e.get(page.Path)
	h.settle()
	if err := s.web.Admit(conn.Front); err == nil || !s.loop.Blocked(e.conn) {
		t.Errorf("a connection was evicted: %v", err)
	}
	for e.read(); s.loop.Blocked(e.conn); e.read() {
		h.settle()
	}
	if err := s.web.Admit(conn.Front); err != nil || s.loop.Alive(e.conn) {
		t.Errorf("no connection was evicted: %v", err)
	}
}
