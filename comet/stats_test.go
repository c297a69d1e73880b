package comet

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"testing"
	"time"

	"ccomet/comet/internal/broker"
	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/mail"
	"ccomet/httplite"
	"ccomet/reactor"
)

func TestStats(t *testing.T) {
	srv := startWire(t, Config{Loops: 2, Public: map[string]string{"/figures": "/stats"}})
	srv.askAll(three)
	c := srv.dial(conn.Front)
	c.send(reqGet(0, "/stream?cname=a&seq=4&cname=b&seq=1"))
	srv.subscribed(2)
	srv.ask(pushX4)
	c.expect(streamHead(0, asJSON) + object("data", 4, "x4") + "\n")
	srv.until("a message is counted as delivered", func() bool { return srv.Stats().Delivered == 1 })
	got := srv.Stats()
	if got.Connections != 2 || got.Channels != 2 || got.Subscribers != 2 || got.Published != 4 || got.ResidentBytes < 1<<20 || got.BaseBytes < 1<<20 {
		t.Errorf("%+v", got)
	}
	front := srv.dial(conn.Front)
	front.send(reqGet(1, "/figures", closing))
	_, body, _ := strings.Cut(front.rest(), "\r\n\r\n")
	for _, text := range []string{body, srv.ask("/stats")} {
		var told map[string]int64
		if err := json.Unmarshal([]byte(text), &told); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if told["channels"] != 2 || told["subscribers"] != 2 || told["published"] != 4 || told["delivered"] != 1 || told["resident_bytes"] < 1<<20 || len(told) != 10 {
			t.Errorf("got %s", text)
		}
	}
}

// Paths that the front side opens to every client: those that change something only
// accept POST.
func TestPublicPaths(t *testing.T) {
	srv := startWire(t, Config{Loops: 1, Public: map[string]string{"/p": "/push", "/i": "/info"}})
	same(t, srv.talk(conn.Front, reqGet(1, "/p?cname=a&content=x", closing)),
		answer("405 Method Not Allowed", asText, "method not allowed here: want POST, OPTIONS\n", closing, "Allow: POST, OPTIONS\r\n"))
	same(t, srv.talk(conn.Front, reqForm(1, "/p", "cname=a&content=x", closing)), answer("200 OK", asJSON, `{"type":"ok"}`+"\n", closing))
	same(t, srv.talk(conn.Front, reqGet(1, "/i?cname=a", closing)), answer("200 OK", asJSON, `{"cname": "a", "subscribers": 0}`+"\n", closing))
	if _, err := newServer(Config{Public: map[string]string{"/x": "/nothing"}}); err == nil || !strings.Contains(err.Error(), "/nothing") {
		t.Errorf("a missing path: %v", err)
	}
}

// A listener may ask for the live channels, and then gets changes. Other listeners
// get only changes.
func TestRollCall(t *testing.T) {
	for minor := range 2 {
		st := newStage(t, Config{Loops: 3, Public: map[string]string{"/who": "/psub"}})
		var want []string
		for n := range 3 * broker.ScanBudget {
			cname := fmt.Sprintf("c%d", n)
			home := st.srv.home(cname)
			if c := home.Make(cname); c != mail.CodeOK {
				t.Fatal(c)
			} else if n%3 == 0 {
				home.Close(cname)
			} else {
				want = append(want, "1 "+cname)
			}
		}
		other, p := st.enter(0, conn.Admin), st.enter(2, conn.Front)
		other.send(reqGet(minor, "/psub"))
		same(t, other.body(), "")
		p.send(reqGet(minor, "/who?now=1"))
		for range 10 {
			st.settle()
		}
		var got []string
		for _, line := range strings.Fields(strings.ReplaceAll(strings.ReplaceAll(p.body(), "\r\n", " "), "1 c", "1_c")) {
			if strings.HasPrefix(line, "1_") {
				got = append(got, "1 "+line[2:])
			}
		}
		sort.Strings(want)
		sort.Strings(got)
		same(t, strings.Join(got, "\n"), strings.Join(want, "\n"))
		same(t, other.take(), "")
		st.admin(1, "/sign?cname=new")
		same(t, p.take(), piece(minor, "1 new\n"))
		if n := st.srv.totals.Broadcasts.Load(); n != 0 {
			t.Errorf("%d walks are still under way", n)
		}
		p.leave()
		other.leave()
		st.settle()
	}
}

// A slow listener gets everything, and one that has disconnected causes no more work.
func TestRollCallOfASlowListener(t *testing.T) {
	st := newStage(t, Config{Loops: 2})
	const many = 30000 // with names that make megabytes
	long := strings.Repeat("n", 200)
	for n := range many {
		cname := fmt.Sprint(long, n)
		if c := st.srv.home(cname).Make(cname); c != mail.CodeOK {
			t.Fatal(c)
		}
	}
	p, gone := st.enter(0, conn.Admin), st.enter(1, conn.Admin)
	p.send(reqGet(0, "/psub?now=1"))
	gone.send(reqGet(0, "/psub?now=1"))
	gone.leave()
	for range 200 { // it does not read
		st.settle()
	}
	if n := len(st.srv.shards[1].web.Presence.Listings); n != 0 {
		t.Errorf("%d listings are under way for a listener that has gone", n)
	}
	var got strings.Builder
	for range 2 * many {
		got.WriteString(p.take())
		st.settle()
		if len(st.srv.shards[0].web.Presence.Listings) == 0 {
			break
		}
	}
	for more := p.take(); more != ""; more = p.take() { // what was held last
		got.WriteString(more)
		st.settle()
	}
	if lines := strings.Count(got.String(), "\n1 "+long); lines != many || p.ended {
		t.Errorf("%d of %d channels were told; cut: %v", lines, many, p.ended)
	}
	if n := st.srv.totals.SlowClosed.Load(); n != 0 {
		t.Errorf("%d clients were cut", n)
	}
}

// Many listen to /psub. One that does not read is cut when too much is held for it,
// and the others miss nothing.
func TestSlowListenerIsCut(t *testing.T) {
	st := newStage(t, Config{Loops: 2, MaxMessage: 1}) // little is held for one connection
	slow := st.enter(0, conn.Admin)
	slow.send(reqGet(0, "/psub"))
	var others []*player
	for n := range 20 {
		p := st.enter(n%2, conn.Admin)
		p.send(reqGet(0, "/psub"))
		same(t, p.body(), "")
		others = append(others, p)
	}
	heard := make([]int, len(others))
	long := strings.Repeat("n", 240)
	made := 0
	for ; made < 60000 && st.srv.totals.SlowClosed.Load() == 0; made++ {
		cname := fmt.Sprint(long, made)
		if c := st.srv.home(cname).Make(cname); c != mail.CodeOK {
			t.Fatal(c)
		}
		if made%100 == 0 {
			st.settle()
			for n, p := range others {
				heard[n] += strings.Count(p.take(), "1 "+long)
			}
		}
	}
	st.settle()
	for n, p := range others {
		if heard[n] += strings.Count(p.take(), "1 "+long); heard[n] != made || p.ended {
			t.Errorf("listener %d heard of %d channels of %d; cut: %v", n, heard[n], made, p.ended)
		}
	}
	slow.take()
	if slow.take(); !slow.ended || st.srv.totals.SlowClosed.Load() != 1 {
		t.Errorf("after %d channels the slow client is still connected; %d clients were cut", made, st.srv.totals.SlowClosed.Load())
	}
}

// A listener to /psub that has stopped reading is cut after the write timeout,
// however much changes meanwhile. One that reads now and then is not.
func TestStuckListenerIsCutInTime(t *testing.T) {
	const timeout = 8 * time.Second
	st := newStage(t, Config{Loops: 2, WriteTimeout: timeout})
	stuck, slow := st.enter(0, conn.Admin), st.enter(0, conn.Admin)
	stuck.send(reqGet(0, "/psub"))
	slow.send(reqGet(1, "/psub"))
	s, made := st.srv.shards[0], 0
	change := func() {
		made++
		cname := fmt.Sprintf("%0240d", made)
		if c := st.srv.home(cname).Make(cname); c != mail.CodeOK {
			t.Fatal(c)
		}
		st.settle()
	}
	for !s.loop.Blocked(stuck.conn) || !s.loop.Blocked(slow.conn) {
		change()
	}
	slow.take()
	for range 2*timeout/time.Second - 1 {
		if st.later(time.Second / 2); !s.loop.Alive(stuck.conn) {
			t.Fatal("it was cut too early")
		}
		change()
		if !s.loop.Blocked(stuck.conn) {
			t.Fatal("it reads")
		}
		slow.take()
	}
	st.later(time.Second/2 + reactor.TickLength)
	if s.loop.Alive(stuck.conn) || !s.loop.Alive(slow.conn) || st.srv.totals.SlowClosed.Load() != 1 {
		t.Errorf("the stuck client is connected: %v; the slow one: %v; %d were cut",
			s.loop.Alive(stuck.conn), s.loop.Alive(slow.conn), st.srv.totals.SlowClosed.Load())
	}
	stuck.take()
}

// Figures, and the Date, are current even if the loop has slept for long.
func TestStatsAfterSleep(t *testing.T) {
	st := newStage(t, Config{Loops: 2})
	p := st.enter(0, conn.Admin)
	p.send(reqGet(1, "/stats"))
	p.take()
	st.enter(1, conn.Front).send(reqGet(1, "/stream?cname=a&seq=1"))
	st.now = st.now.Add(time.Minute) // without a turn
	p.send(reqGet(1, "/stats"))
	date := string(httplite.AppendDate(nil, st.now))
	if got := p.take(); !strings.Contains(got, `"subscribers":1,`) || !strings.Contains(got, date) {
		t.Errorf("a minute later: %s", got)
	}
}
