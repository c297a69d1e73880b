package comet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/record"
)

// past is an answer of /history as its clients read it.
type past struct {
	Cname       string
	First, Next int32
	Lost        bool
	Epoch       *string
	Messages    []event
}

func parsePast(t testing.TB, body string) (p past) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		t.Fatalf("%.200q: %v", body, err)
	}
	for n, m := range p.Messages {
		if m.Seq != p.First+int32(n) || m.Cname != p.Cname {
			t.Fatalf("message %d of %.200q", n, body)
		}
	}
	if len(p.Messages) == 0 && p.First != p.Next {
		t.Fatalf("it has no messages, but begins with %d of %d", p.First, p.Next)
	}
	return p
}

var noLife = string(record.AppendEpoch(nil, record.EpochNone))

// historyRows are requests for the history of a channel.
var historyRows = []struct {
	name   string
	cfg    Config
	before []string
	query  string
	first  int
	next   int
	lost   bool
	more   string // the answer after "lost"
	want   string
}{
	{name: "the latest", before: three, query: "cname=a", first: 1, next: 4, want: seq("data", 1, "x1") + seq("data", 2, "x2") + seq("data", 3, "x3")},
	{name: "the last two", before: three, query: "cname=a&limit=2", first: 2, next: 4, want: seq("data", 2, "x2") + seq("data", 3, "x3")},
	{name: "more than there are", before: three, query: "cname=a&limit=1000&seq=0", first: 1, next: 4,
		want: seq("data", 1, "x1") + seq("data", 2, "x2") + seq("data", 3, "x3")},
	{name: "none, to know the next number", before: three, query: "cname=a&limit=0", first: 4, next: 4},
	{name: "from a number on", before: three, query: "cname=a&seq=2", first: 2, next: 4, want: seq("data", 2, "x2") + seq("data", 3, "x3")},
	{name: "from a number on, the first of them", before: three, query: "cname=a&seq=2&limit=1", first: 2, next: 4, want: seq("data", 2, "x2")},
	{name: "from the next on", before: three, query: "cname=a&seq=4", first: 4, next: 4},
	{name: "beyond the next", before: three, query: "cname=a&seq=9", first: 4, next: 4},
	{name: "before what is kept", cfg: keepsTwo, before: three, query: "cname=a&seq=1", first: 2, next: 4, lost: true,
		want: seq("data", 2, "x2") + seq("data", 3, "x3")},
	{name: "nothing is kept any more", before: cleared, query: "cname=a&seq=2", first: 4, next: 4, lost: true},
	{name: "no history", cfg: Config{ChannelBufferSize: -1}, before: three, query: "cname=a", first: 4, next: 4},
	{name: "broadcasts are messages like others", before: mixed, query: "cname=a&seq=2", first: 2, next: 4,
		want: seq("broadcast", 2, "b2") + seq("data", 3, "x3")},
	{name: "a channel that does not exist", query: "cname=a", first: 1, next: 1},
	{name: "whose epoch is nothing", query: "cname=a&epoch=", first: 1, next: 1, more: `,"epoch":""`},
	{name: "with the epoch", before: three, query: "cname=a&seq=3&epoch=" + life(1), first: 3, next: 4, more: `,"epoch":"` + life(1) + `"`,
		want: seq("data", 3, "x3")},
	{name: "of another life all is news", before: three, query: "cname=a&seq=3&limit=2&epoch=zzzz", first: 1, next: 4, lost: true,
		more: `,"epoch":"` + life(1) + `"`, want: seq("data", 1, "x1") + seq("data", 2, "x2")},
	{name: "of this life, and beyond it", before: three, query: "cname=a&seq=5&epoch=" + life(1), first: 1, next: 4, lost: true,
		more: `,"epoch":"` + life(1) + `"`, want: seq("data", 1, "x1") + seq("data", 2, "x2") + seq("data", 3, "x3")},
	{name: "of a life that is over", query: "cname=a&seq=5&epoch=" + life(1), first: 1, next: 1, lost: true, more: `,"epoch":""`},
}

func TestHistory(t *testing.T) {
	everyWire(t, func(t *testing.T, loops, minor int) {
		for _, r := range historyRows {
			t.Run(r.name, func(t *testing.T) {
				r.cfg.Loops = loops
				srv := startWire(t, r.cfg)
				srv.askAll(r.before)
				body := fmt.Sprintf(`{"cname":"a","first":%d,"next":%d,"lost":%t%s,"messages":[%s]}`,
					r.first, r.next, r.lost, r.more, strings.Join(strings.Fields(r.want), ","))
				parsePast(t, body)
				epoch := life(1)
				if r.before == nil {
					epoch = noLife
				}
				tag := fmt.Sprintf("ETag: \"%s-%d\"\r\n", epoch, r.next)
				last := []string{tag}
				if minor == 1 {
					last = []string{closing, tag}
				}
				whole := answer(ok200, asJSON, body+"\n", last...)
				same(t, srv.talk(conn.Front, reqGet(minor, "/history?"+r.query, closing)), whole)
				same(t, srv.talk(conn.Front, reqGet(minor, "/history?cb=f&"+r.query, closing)), answer(ok200, asScript, "f("+body+");\n", last...))
				head := strings.Replace(reqGet(minor, "/history?"+r.query, closing), "GET", "HEAD", 1)
				same(t, srv.talk(conn.Front, head), whole[:strings.Index(whole, "\r\n\r\n")+4])
				tag = strings.Replace(tag, "ETag", "If-None-Match", 1)
				same(t, srv.talk(conn.Front, reqGet(minor, "/history?"+r.query, closing, tag)), "HTTP/1.1 304 Not Modified\r\n"+dateLine+fixed+strings.Join(last, "")+"\r\n")
			})
		}
	})
}

// A client is told that there is nothing new if one of its tags says so, even if a proxy has
// made it weak.
func TestHistoryTags(t *testing.T) {
	srv := startWire(t, Config{Loops: 1})
	srv.askAll(three)
	for _, same := range []bool{true, false} {
		tags := []string{`"L-4"`, ` "L-4" `, `W/"L-4"`, `"x", W/"L-4"`, `W/"a,b" , "L-4"`, `"-", "L-4"`, `"", "L-4"`, "*",
			`"L-3", "L-4"`, `"L-4", W/"L-3"`, `"O-1", "L-4", "x"`, `"L-4` + "\r\nIf-None-Match: " + `"L-4"`, `"x"` + "\r\nif-none-match: " + `W/"L-4"`,
			`"L-3"` + "\r\nIf-None-Match: *", `"L-4"` + "\r\nIf-None-Match: " + `"L-2"`}
		if !same {
			tags = []string{`"L-3"`, `"L-5"`, `"L-4`, `L-4`, `"-4"`, `"L-"`, `"L-4.0"`, `"l-04x"`, `""`, "x", `"zzzzzzz-4"`, `"` + life(2) + `-4"`, `"` + noLife + `-4"`, `"L--4"`,
				`"L-3", "L-2"`, `"L-4", "L-5"`, `"x", *`, `"L-3"` + "\r\nIf-None-Match: " + `"L-5"`}
		}
		for _, tag := range tags {
			tag = strings.NewReplacer("L", life(1), "O", life(2)).Replace(tag)
			got := srv.talk(conn.Front, reqGet(0, "/history?cname=a", "If-None-Match: "+tag+"\r\n"))
			if strings.HasPrefix(got, "HTTP/1.1 304 ") != same || !strings.Contains(got, "ETag: \""+life(1)+"-4\"\r\n") {
				t.Errorf("%s: %q", tag, got)
			}
		}
	}
}

func TestHistoryRefuses(t *testing.T) {
	srv := startWire(t, Config{Loops: 1})
	for query, why := range map[string]string{
		"":                        "parameter cname is missing\n",
		"cname=a&limit=-1":        "parameter limit: want 0 to 1000\n",
		"cname=a&limit=1001":      "parameter limit: want 0 to 1000\n",
		"cname=a&limit=x":         "parameter limit: want 0 to 1000\n",
		"cname=a&seq=4294967296":  "parameter seq: want a whole number of 32 bits\n",
		"cname=a&epoch=abcdefghi": record.EpochMalformed + "\n",
		"cname=a&cname=b":         "parameter cname is given twice: send a request for each\n",
		"cname=a&cb=alert(1)":     "parameter cb: want a JavaScript name of letters, digits, _ $, dots and [NUMBER], at most 128 long\n",
	} {
		same(t, srv.talk(conn.Front, reqGet(0, "/history?"+query)), answer("400 Bad Request", asText, why))
	}
	same(t, srv.talk(conn.Front, "POST /history?cname=a HTTP/1.0\r\n\r\n"),
		answer("405 Method Not Allowed", asText, "method not allowed here: want GET, HEAD, OPTIONS\n", "Allow: GET, HEAD, OPTIONS\r\n"))
	same(t, srv.talk(conn.Admin, reqGet(0, "/history?cname=a")), answer(gone, asText, "no such path: /history: the front side has it\n"))
	same(t, srv.ask("/check?cname=a"), "{}\n")
}

// If a channel needs tokens, /history needs one, too.
func TestHistoryTokens(t *testing.T) {
	for _, loops := range []int{1, 3} {
		srv := startWire(t, Config{Loops: loops, Auth: AuthToken, Secret: []byte("secret")})
		srv.askAll([]string{"/sign?cname=a", three[0]})
		denied := object("401", 0, "Token error")
		for _, query := range []string{"", "&token=" + tokenOf("b", 1), "&token=" + tokenOf("a", 2), "&token=" + tokenOf("a", 1)[:31]} {
			same(t, srv.talk(conn.Front, reqGet(0, "/history?cname=a"+query)), answer(ok200, asJSON, denied+"\n"))
			same(t, srv.talk(conn.Front, reqGet(0, "/history?cb=f&cname=a"+query, `If-None-Match: "`+life(1)+"-2\"\r\n")), answer(ok200, asScript, "f("+denied+");\n"))
		}
		got := srv.talk(conn.Front, reqGet(0, "/history?cname=a&token="+tokenOf("a", 1)))
		_, body, _ := strings.Cut(got, "\r\n\r\n")
		if p := parsePast(t, body); len(p.Messages) != 1 {
			t.Errorf("got %q", got)
		}
		same(t, srv.talk(conn.Front, reqGet(0, "/history?cname=b&token="+tokenOf("b", 1))),
			answer(ok200, asJSON, strings.Replace(denied, `"a"`, `"b"`, 1)+"\n"))
	}
}

// A channel lives as long as a client asks for its history.
func TestHistoryKeepsItsChannel(t *testing.T) {
	st := newStage(t, Config{Loops: 2, IdleTimeout: time.Hour})
	st.admin(0, three[0])
	for n := range 5 {
		tag := ""
		if n > 1 {
			tag = `If-None-Match: "` + life(1) + "-2\"\r\n"
		}
		st.later(25 * time.Second)
		p := st.enter(1, conn.Front)
		p.send(reqGet(1, "/history?cname=a&seq=2&epoch="+life(1), tag))
		if got := p.take(); !strings.Contains(got, ` 200 OK`) && n <= 1 || !strings.Contains(got, "304") && n > 1 {
			t.Fatalf("answer %d: %q", n, got)
		}
	}
	st.later(31 * time.Second)
	p := st.enter(0, conn.Front)
	p.send(reqGet(1, "/history?cname=a&seq=2&epoch="+life(1)))
	if got := p.body(); !strings.Contains(got, `"next":1,"lost":true,"epoch":""`) {
		t.Fatalf("when it has ended: %q", got)
	}
}

// The answer that there is nothing new allocates nothing.
func TestUnchangedHistoryDoesNotAllocate(t *testing.T) {
	skipUnderRace(t)
	h, _ := longHistory(t, Config{Loops: 1, CORSOrigins: []string{"https://a.example"}}, 3)
	s := h.srv.shards[0]
	e := h.connect(s, conn.Front, 0)
	for _, cname := range []string{"a", "none"} {
		tag := life(1) + "-4"
		if cname == "none" {
			tag = noLife + "-1"
		}
		request := []byte(reqGet(1, "/history?seq=4&limit=50&epoch="+life(1)+"&cname="+cname, "If-None-Match: \""+tag+"\"\r\n", fromPage))
		buf := make([]byte, 64<<10)
		cycle := func() {
			if _, err := unix.Write(e.fd, request); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if err := s.loop.Turn(0); err != nil {
					t.Fatal(err)
				}
			}
			if n, err := unix.Read(e.fd, buf); err != nil || !bytes.HasPrefix(buf[:n], []byte("HTTP/1.1 304 ")) {
				t.Fatalf("answer %q, %v", buf[:max(n, 0)], err)
			}
		}
		cycle()
		if allocs := testing.AllocsPerRun(100, cycle); allocs > 0 {
			t.Errorf("%v allocations for an answer that there is nothing new", allocs)
		}
	}
}

// net/http can read it.
func TestHistoryThroughNetHTTP(t *testing.T) {
	srv := startWire(t, Config{Loops: 3, ChannelBufferSize: 1000})
	for n := range 200 {
		srv.ask(fmt.Sprintf("/push?cname=a&content=%d.%s", n, strings.Repeat("%22", 500)))
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport}
	url := "http://" + srv.front[0] + "/history?cname=a&limit=1000"
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		req, _ := http.NewRequest(method, url, nil)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var p past
		if err := json.NewDecoder(resp.Body).Decode(&p); method == http.MethodGet && (err != nil || len(p.Messages) != 200) {
			t.Errorf("%d messages, %v", len(p.Messages), err)
		}
		resp.Body.Close()
		req.Header.Set("If-None-Match", resp.Header.Get("ETag"))
		if resp, err = client.Do(req); err != nil || resp.StatusCode != 304 {
			t.Errorf("%v, %v", resp, err)
		}
		resp.Body.Close()
	}
}

// A client that may not have a channel is told why, as in a poll: if a shared log
// keeps messages, the request creates the channel here, and there may be too many.
func TestHistoryRefused(t *testing.T) {
	h, log := newLate(t, Config{MaxChannels: 1})
	h.connect(h.srv.shards[0], conn.Front, 0).get("/history?cname=a")
	h.settle()
	log.attach()()
	h.settle()
	for target, want := range map[string]string{
		"/history?cname=b":      `{"type":"429","cname":"b","seq":0,"content":"Too many channels"}` + "\n",
		"/history?cname=b&cb=f": `f({"type":"429","cname":"b","seq":0,"content":"Too many channels"});` + "\n",
		"/poll?cname=b&seq=0":   `{"type":"429","cname":"b","seq":0,"content":"Too many channels"}` + "\n",
	} {
		before := h.srv.Stats().Refused
		same(t, h.ask(conn.Front, target), want)
		if n := h.srv.Stats().Refused - before; n != 1 {
			t.Errorf("%s: %d refusals are counted", target, n)
		}
	}
	check(t, h.srv, true, "")
}
