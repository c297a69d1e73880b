package comet

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"ccomet/comet/internal/conn"
)

// Every bad input is answered with a status and one line that says why, and the
// server goes on.

// told splits a refusal into its status and its one line.
func told(t *testing.T, got string) (status, reason string) {
	t.Helper()
	head, body, ok := strings.Cut(got, "\r\n\r\n")
	if !ok || !strings.HasPrefix(head, "HTTP/1.1 ") {
		t.Fatalf("no response in %q", got)
	}
	if strings.Count(body, "\n") != 1 || !strings.HasSuffix(body, "\n") || len(body) < 5 {
		t.Errorf("the reason is not one line: %q", body)
	}
	if !strings.Contains(head, "Content-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff") &&
		!strings.Contains(head, "Content-Type: text/plain; charset=utf-8\r\n"+strings.TrimSuffix(fixed, "\r\n")) {
		t.Errorf("a browser may interpret this as a page: %q", head)
	}
	return head[len("HTTP/1.1 "):][:3], body
}

// still checks that a client can subscribe and get a message.
func (w *wireServer) still(t *testing.T) {
	t.Helper()
	before := w.totals.Channels.Load()
	c := w.dial(conn.Front)
	c.send(reqGet(0, "/sub?cname=a&seq=1"))
	w.subscribed(1)
	w.ask("/push?cname=a&content=still")
	same(t, c.rest(), answer(ok200, asJSON, object("data", 1, "still")+"\n"))
	w.ask("/close?cname=a")
	if now := w.totals.Channels.Load(); now != before || before != 0 {
		t.Errorf("channels: %d before, %d after", before, now)
	}
}

// broken requests violate HTTP, so that the connection must close.
var broken = []struct{ name, request, status, reason string }{
	{"nonsense", "\x16\x03\x01\x02\x00\x01", "400", "malformed request line"},
	{"half a request line", "GET /sub\r\n\r\n", "400", "malformed request line"},
	{"two spaces", "GET  /sub HTTP/1.1\r\nHost: h\r\n\r\n", "400", "malformed"},
	{"a later HTTP", "GET /sub HTTP/2.0\r\nHost: h\r\n\r\n", "505", "only HTTP/1.x is spoken here"},
	{"no host", "GET /sub HTTP/1.1\r\n\r\n", "400", "Host header is missing"},
	{"two hosts", "GET /sub HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "400", "more than one Host"},
	{"LF without CR", "GET /sub HTTP/1.1\nHost: h\n\n", "400", "LF without CR"},
	{"CR without LF", "GET /sub HTTP/1.1\r\nHost: h\rX: y\r\n\r\n", "400", "CR without LF"},
	{"NUL in the target", "GET /sub?cname=\x00 HTTP/1.1\r\nHost: h\r\n\r\n", "400", "malformed request target"},
	{"NUL in a header", "GET /sub HTTP/1.1\r\nHost: h\r\nX: \x00\r\n\r\n", "400", "control character"},
	{"a folded header", "GET /sub HTTP/1.1\r\nHost: h\r\n more\r\n\r\n", "400", "begins with white space"},
	{"a space before the colon", "GET /sub HTTP/1.1\r\nHost : h\r\n\r\n", "400", "before the colon"},
	{"two lengths", "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", "400", "more than one Content-Length"},
	{"length and chunks", "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx", "400", "both"},
	{"a negative length", "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n", "400", "malformed Content-Length"},
	{"a coding that is not spoken", "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "501", "chunked"},
	{"a malformed chunk", "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", "400", "malformed chunk"},
	{"an expectation", "POST /x HTTP/1.1\r\nHost: h\r\nExpect: the best\r\n\r\n", "417", "100-continue"},
	{"a first line without end", "GET /" + strings.Repeat("x", 2100), "414", "first line too long: the limit is 1024 bytes (max-head is 2048"},
	{"a head without end", "GET /sub HTTP/1.1\r\nHost: h\r\n" + strings.Repeat("X: "+strings.Repeat("0", 57)+"\r\n", 40), "431", "header too large: the limit is 2048 bytes (max-head is 2048"},
	{"too many headers", "GET /sub HTTP/1.1\r\nHost: h\r\n" + strings.Repeat("X: 0\r\n", 128) + "\r\n", "431", "too many header fields: the limit is 128 fields"},
	{"a body over the limit is refused before it comes", "POST /push HTTP/1.1\r\nHost: h\r\nContent-Length: 4400\r\n\r\n", "413",
		"body too large: the limit is 4396 bytes (max-message is 100)"},
	{"chunks over the limit", "POST /push HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1130\r\n" + strings.Repeat("x", 4400), "413",
		"body too large: the limit is 4396 bytes (max-message is 100)"},
}

func TestBrokenRequests(t *testing.T) {
	for _, loops := range []int{1, 3} {
		srv := startWire(t, Config{Loops: loops, MaxHead: 2048, MaxMessage: 100})
		for _, side := range []uint8{conn.Front, conn.Admin} {
			for _, r := range broken {
				t.Run(fmt.Sprintf("loops=%d/side=%d/%s", loops, side, r.name), func(t *testing.T) {
					srv.t = t
					got := srv.talk(side, r.request)
					want := r.reason
					if side == conn.Admin { // its request line has room for a message of 100 bytes, escaped
						want = strings.NewReplacer("line too long: the limit is 1024", "line too long: the limit is 1324", "header too large: the limit is 2048", "header too large: the limit is 2348").Replace(want)
					}
					if status, reason := told(t, got); status != r.status || !strings.Contains(reason, want) {
						t.Errorf("got %s %q, want %s %q", status, reason, r.status, want)
					}
					if !strings.Contains(got, "\r\n"+closing) {
						t.Errorf("the end is not announced: %q", got)
					}
					srv.still(t)
				})
			}
		}
	}
}

// Requests before a broken one are answered first.
func TestBrokenBehindOthers(t *testing.T) {
	for _, loops := range []int{1, 3} {
		srv := startWire(t, Config{Loops: loops})
		want := answer(ok200, asJSON, `{"type":"ok","seq":1}`+"\n") + answer(ok200, asText, "ok")
		got := srv.talk(conn.Admin, reqGet(1, "/push?cname=a&content=x&ack=1")+reqGet(1, "/healthz")+"GET /\r\n\r\n"+reqGet(1, "/healthz"))
		if !strings.HasPrefix(got, want) {
			t.Fatalf("got %q, want it to begin with %q", got, want)
		}
		if status, _ := told(t, got[len(want):]); status != "400" {
			t.Errorf("after the valid requests: %q", got[len(want):])
		}
		srv.ask("/close?cname=a")
		srv.still(t)
	}
}

// unfit requests are valid HTTP that cannot be served: they are refused, and the
// connection stays open.
var unfit = []struct {
	name   string
	side   uint8
	target string
	status string
	reason string
}{
	{"no cname", conn.Front, "/sub?seq=1", "400", "parameter cname is missing"},
	{"an empty cname", conn.Front, "/stream?cname=", "400", "parameter cname is missing"},
	{"a cname without value", conn.Front, "/sse?cname", "400", "parameter cname is missing"},
	{"too long a cname", conn.Front, "/iframe?cname=" + strings.Repeat("x", 256), "400", "parameter cname: 256 bytes, at most 255"},
	{"a control character in cname", conn.Front, "/sub?cname=a%0D%0Ab", "400", "parameter cname: control characters"},
	{"DEL in cname", conn.Front, "/sub?cname=%7F", "400", "parameter cname: control characters"},
	{"cname that is not UTF-8", conn.Front, "/sub?cname=%C3%28", "400", "parameter cname: not UTF-8"},
	{"cname with half a surrogate pair", conn.Front, "/sub?cname=%ED%A0%80", "400", "parameter cname: not UTF-8"},
	{"a bad escape in seq", conn.Front, "/sub?cname=a&seq=%zz", "400", "parameter seq: want a whole number"},
	{"seq that is no number", conn.Front, "/sub?cname=a&seq=1x", "400", "parameter seq: want a whole number of 32 bits"},
	{"seq of more than 32 bits", conn.Front, "/stream?cname=a&seq=2147483648", "400", "parameter seq: want"},
	{"noop that is no number", conn.Front, "/sub?cname=a&noop=1.5", "400", "parameter noop: want"},
	{"noop of more than 32 bits", conn.Front, "/sse?cname=a&noop=-2147483649", "400", "parameter noop: want"},
	{"a script for a callback", conn.Front, "/sub?cname=a&cb=alert(1)//", "400", "parameter cb: want a JavaScript name"},
	{"a callback that begins with a digit", conn.Front, "/ping?cb=1a", "400", "parameter cb: want"},
	{"too long a callback", conn.Front, "/ping?cb=" + strings.Repeat("f", 129), "400", "parameter cb: want"},
	{"a line break in a callback", conn.Admin, "/push?cname=a&content=x&cb=a%0A", "400", "parameter cb: want"},
	{"a callback with a bad escape", conn.Admin, "/sign?cname=a&cb=%", "400", "parameter cb: want"},
	{"no content", conn.Admin, "/push?cname=a", "400", "parameter content is missing"},
	{"no content for all", conn.Admin, "/broadcast", "400", "parameter content is missing"},
	{"no channel to push to", conn.Admin, "/push?content=x", "400", "parameter cname is missing"},
	{"no channel to close", conn.Admin, "/close", "400", "parameter cname is missing"},
	{"content that is not UTF-8", conn.Admin, "/push?cname=a&content=%FF", "400", "parameter content: not UTF-8"},
	{"content for all that is not UTF-8", conn.Admin, "/broadcast?content=%C0%80", "400", "parameter content: not UTF-8"},
	{"content over the limit", conn.Admin, "/push?cname=a&content=" + strings.Repeat("x", 101), "413",
		"parameter content is 101 bytes: max-message is 100"},
	{"content over the limit for all", conn.Admin, "/broadcast?content=" + strings.Repeat("%20", 101), "413", "max-message is 100"},
	{"pub of a bare quote", conn.Admin, "/pub?cname=a&content=%22", "400", "parameter content: not valid inside a JSON string, from byte 0"},
	{"pub of a bare line break", conn.Admin, "/pub?cname=a&content=ab%0A", "400", "from byte 2"},
	{"pub of an unknown escape", conn.Admin, `/pub?cname=a&content=a%5Cx41`, "400", "from byte 1"},
	{"pub of a short escape", conn.Admin, `/pub?cname=a&content=%5Cu12`, "400", "from byte 0"},
	{"pub of a signed escape", conn.Admin, `/pub?cname=a&content=%5Cu%2B123`, "400", "from byte 0"},
	{"pub of half an escape", conn.Admin, `/pub?cname=a&content=abc%5C`, "400", "from byte 3"},
	{"pub of a high surrogate alone", conn.Admin, `/pub?cname=a&content=%5CuD83D`, "400", "from byte 0"},
	{"pub of a low surrogate alone", conn.Admin, `/pub?cname=a&content=x%5CuDE00`, "400", "from byte 1"},
	{"pub of two high surrogates", conn.Admin, `/pub?cname=a&content=%5CuD83D%5CuD83D`, "400", "from byte 0"},
	{"pub of what is not UTF-8", conn.Admin, "/pub?cname=a&content=%FF", "400", "parameter content: not valid inside a JSON string"},
	{"a lease that is no number", conn.Admin, "/sign?cname=a&expires=soon", "400", "parameter expires: want"},
}

func TestUnfitRequests(t *testing.T) {
	for _, loops := range []int{1, 3} {
		srv := startWire(t, Config{Loops: loops, MaxMessage: 100})
		for _, r := range unfit {
			t.Run(fmt.Sprintf("loops=%d/%s", loops, r.name), func(t *testing.T) {
				srv.t = t
				follow, after := reqGet(1, "/healthz", closing), answer(ok200, asText, "ok", closing)
				if r.side == conn.Front {
					follow, after = reqGet(1, ping, closing), pong
				}
				got, ended := strings.CutSuffix(srv.talk(r.side, reqGet(1, r.target)+follow), after)
				if !ended {
					t.Fatalf("the next request was not served: %q", got)
				}
				if status, reason := told(t, got); status != r.status || !strings.Contains(reason, r.reason) {
					t.Errorf("got %s %q, want %s %q", status, reason, r.status, r.reason)
				}
				srv.still(t)
			})
		}
	}
}

// A client that asks for a tunnel without waiting for the answer sends bytes of
// somebody else, which must not be served as its own requests.
func TestNoTunnel(t *testing.T) {
	srv := startWire(t, Config{Loops: 1})
	for side, through := range []string{reqGet(1, ping), reqGet(1, "/push?cname=a&content=smuggled")} {
		got := srv.talk(uint8(side), "CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n"+through)
		status, reason := told(t, got)
		if status != "501" || reason != "there are no tunnels here: this is not a proxy\n" || !strings.Contains(got, "\r\n"+closing) {
			t.Errorf("%q", got)
		}
	}
	srv.still(t)
}

// The longest allowed input is accepted.
func TestAtTheLimits(t *testing.T) {
	srv := startWire(t, Config{Loops: 1, MaxMessage: 100})
	cname, content, cb := strings.Repeat("n", 255), strings.Repeat("x", 100), strings.Repeat("f", 128)
	same(t, srv.ask("/push?cname="+cname+"&content="+content+"&cb="+cb), cb+`({"type":"ok"});`+"\n")
	want := `[{"type":"data","cname":"` + cname + `","seq":1,"content":"` + content + `"}]`
	same(t, srv.talk(conn.Front, reqGet(0, "/sub?seq=1&cb="+cb+"&cname="+cname)), answer(ok200, asScript, cb+"("+want+");\n"))
	escaped := strings.Repeat("%78", 100) // encoded as in a form, three times as long
	same(t, srv.talk(conn.Admin, reqForm(0, "/push?cname=a", "content="+escaped)), answer(ok200, asJSON, done))
}

// A request that never ends is cut when its time is up, even if bytes keep
// arriving.
func TestRequestTimeout(t *testing.T) {
	st := newStage(t, Config{Loops: 1, RequestTimeout: 10 * time.Second, IdleTimeout: 30 * time.Second})
	for _, side := range []uint8{conn.Front, conn.Admin} {
		for _, text := range []string{"GET /sub?cname=aaaaaaaaa", "POST /push HTTP/1.1\r\nHost: h\r\nContent-Length: 50\r\n\r\ncname=aaaaaa"} {
			p := st.enter(0, side)
			p.send(text[:len(text)-9])
			for n := range 9 {
				st.later(time.Second)
				p.send(text[len(text)-9+n:][:1])
			}
			same(t, p.take(), "")
			st.later(1100 * time.Millisecond)
			if status, _ := told(t, p.take()); status != "408" || !p.ended {
				t.Errorf("%q: got %s, ended %v", text, status, p.ended)
			}
			p.leave()
		}
	}
	silent, idle := st.enter(0, conn.Front), st.enter(0, conn.Front)
	idle.send(reqGet(1, ping))
	idle.take()
	st.later(9 * time.Second)
	same(t, silent.take()+idle.take(), "")
	if st.later(2 * time.Second); silent.take() != "" || !silent.ended {
		t.Error("a client that never asked is still connected")
	}
	if st.later(18 * time.Second); idle.take() != "" || idle.ended {
		t.Error("a client that may ask again was closed")
	}
	if st.later(2 * time.Second); idle.take() != "" || !idle.ended {
		t.Error("a client that never asked again is still connected")
	}
	st.settle()
	if open := st.srv.shards[0].loop.Stats().Open; open != 0 {
		t.Errorf("%d connections are left", open)
	}
	if n := st.srv.shards[0].web.Figures().Partial; n != 0 {
		t.Errorf("%d incomplete requests are kept", n)
	}
}

// The answers do not depend on how requests are cut.
func TestCutAnywhere(t *testing.T) {
	for side, text := range []string{
		reqGet(1, "/sub?cname=a") + reqGet(1, "/sub?cname=a&seq=0&cb=f") + reqGet(1, ping, closing),
		reqForm(1, "/push?cname=a&ack=1", "content=a%26b") + reqGet(1, "/check?cname=a") + reqForm(1, "/clear", "cname=a", closing),
	} {
		want := ""
		for at := range text {
			st := newStage(t, Config{Loops: 2})
			p := st.enter(at%2, uint8(side))
			p.send(text[:at])
			p.write(text[at:])
			st.turn(at % 2)
			st.settle()
			got := p.take()
			if at == 0 {
				want = got
			}
			if got != want || !p.ended || strings.Count(got, " 200 OK") != 3 {
				t.Fatalf("cut at %d: got %q, want %q", at, got, want)
			}
			for _, s := range st.srv.shards {
				if n := s.web.Figures().Partial; n != 0 {
					t.Fatalf("cut at %d: %d halves of requests are kept", at, n)
				}
			}
			p.leave()
		}
	}
}

// 100 Continue is sent once, when the server wants the body.
func TestExpectContinue(t *testing.T) {
	srv := startWire(t, Config{Loops: 1})
	c := srv.dial(conn.Admin)
	c.send("POST /push?cname=a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Type: application/x-www-form-urlencoded\r\n" +
		closing + "Content-Length: 9\r\n\r\n")
	c.expect("HTTP/1.1 100 Continue\r\n\r\n")
	c.send("content")
	c.send("=x")
	same(t, c.rest(), answer(ok200, asJSON, done, closing))
}

// A client that vanishes is forgotten at once: the clock stands still here.
func TestVanishing(t *testing.T) {
	vanish := map[string]func(*wireConn){
		"FIN":        func(c *wireConn) { c.Close() },
		"half close": func(c *wireConn) { _ = c.Conn.(*net.TCPConn).CloseWrite() },
		"RST":        func(c *wireConn) { _ = c.Conn.(*net.TCPConn).SetLinger(0); c.Close() },
	}
	for name, gone := range vanish {
		for _, path := range []string{"/sub", "/stream", "/iframe", "/sse"} {
			t.Run(name+path, func(t *testing.T) {
				srv := startWire(t, Config{Loops: 3})
				var conns [8]*wireConn
				for i := range conns {
					conns[i] = srv.dial(conn.Front)
					conns[i].send(reqGet(i%2, fmt.Sprintf("%s?cname=a%d&seq=1", path, i%3)))
				}
				srv.subscribed(int64(len(conns)))
				for _, c := range conns {
					gone(c)
				}
				srv.subscribed(0)
				srv.until("no connection is left", func() bool { return srv.open() == 0 })
			})
		}
	}
}
