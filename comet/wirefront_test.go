package comet

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"ccomet/comet/internal/conn"
)

func TestRefusedSubscribers(t *testing.T) {
	one := Config{MaxSubscribersPerChannel: 1}
	for _, r := range []struct {
		name   string
		cfg    Config
		before string
		holder bool // a client is already there
		query  string
		want   string
	}{
		{"401: wrong token", tokened, "/sign?cname=a", false, "cname=a&token=0123456789abcdef0123456789abcdef", object("401", 0, "Token error")},
		{"401: no token", tokened, "/sign?cname=a", false, "cname=a", object("401", 0, "Token error")},
		{"401: half a token", tokened, "/sign?cname=a", false, "cname=a&token=01234567", object("401", 0, "Token error")},
		{"401: channel not signed", tokened, "/check?cname=b", false, "cname=a&token=" + tokenOf("a", 1), object("401", 0, "Token error")},
		{"401: the token of another", tokened, "/sign?cname=a", false, "cname=a&token=" + tokenOf("b", 1), object("401", 0, "Token error")},
		{"429: channels", Config{MaxChannels: 1}, "/push?cname=b&content=x", false, "cname=a&seq=1", object("429", 0, "Too many channels")},
		{"429: subscribers", one, "/check?cname=b", true, "cname=a&seq=1", object("429", 0, "Too many subscribers")},
	} {
		t.Run(r.name, func(t *testing.T) {
			everyWire(t, func(t *testing.T, loops, minor int) {
				r.cfg.Loops, r.cfg.Secret = loops, []byte("secret")
				srv := startWire(t, r.cfg)
				srv.ask(r.before)
				if r.holder {
					srv.dial(conn.Front).send(reqGet(1, "/stream?cname=a&seq=1"))
					srv.subscribed(1)
				}
				last := closing
				if minor == 0 {
					last = ""
				}
				same(t, srv.talk(conn.Front, reqGet(minor, "/sub?"+r.query, closing)), answer("200 OK", asJSON, r.want+"\n", last))
				same(t, srv.talk(conn.Front, reqGet(minor, "/poll?cb=f&"+r.query, closing)), answer("200 OK", asScript, "f("+r.want+");\n", last))
				for _, k := range endless {
					id := ""
					if strings.Contains(r.want, "401") {
						id = "denied"
					}
					got, event := srv.talk(conn.Front, reqGet(minor, k.path+"?"+r.query, closing)), k.frame(r.want, id)
					if retry := regexp.MustCompile(`retry: \d+\n`).FindString(got); retry != "" {
						if k.path != "/sse" || id != "" {
							t.Errorf("%s is told %q", k.path, retry)
						}
						event = retry + event
					} else if k.path == "/sse" && id == "" {
						t.Error("a browser is not told when to come back")
					}
					same(t, got, streamHead(minor, k.contentType, last)+piece(minor, k.preface)+piece(minor, event)+lastPiece(minor))
				}
			})
		})
	}
}

func TestKeepAlive(t *testing.T) {
	for _, loops := range []int{1, 3} {
		for minor, headers := range [][]string{{keeping}, nil} {
			t.Run(fmt.Sprintf("loops=%d/http1.%d", loops, minor), func(t *testing.T) {
				srv := startWire(t, Config{Loops: loops})
				c := srv.dial(conn.Front)
				for n := 1; n <= 5; n++ {
					c.send(reqGet(minor, fmt.Sprintf("/sub?cname=a&seq=%d", n), headers...))
					srv.subscribed(1)
					srv.ask("/push?cname=a&content=x")
					c.expect(answer("200 OK", asJSON, object("data", n, "x")+"\n", headers...))
					c.send(reqGet(minor, "/sub?cname=a", headers...))
					c.expect(answer("200 OK", asJSON, object("next_seq", n+1, "")+"\n", headers...))
				}
				c.send(reqGet(minor, "/sub?cname=a&seq=1", closing))
				if got := c.rest(); !strings.HasSuffix(got, `"seq":5,"content":"x"}]`+"\n") {
					t.Fatalf("the last poll got %q", got)
				}
			})
		}
	}
}

// Requests after a poll are answered after it, one by one.
func TestPipelinedBehindPolls(t *testing.T) {
	for _, loops := range []int{1, 3} {
		h := newHarness(t, Config{Loops: loops})
		e, admin := h.connect(h.srv.shards[0], conn.Front, 0), h.connect(h.srv.shards[loops-1], conn.Admin, 0)
		e.write(reqGet(1, "/sub?cname=a&seq=1") + reqGet(1, "/sub?cname=a&seq=2&cb=f") + reqGet(1, "/nothing") + reqGet(1, ping, closing))
		for n := 1; n <= 2; n++ {
			h.settle() // the poll waits
			admin.get(fmt.Sprintf("/push?cname=a&content=x%d", n))
		}
		h.settle()
		e.read()
		same(t, string(e.in), answer("200 OK", asJSON, object("data", 1, "x1")+"\n")+
			answer("200 OK", asScript, "f("+object("data", 2, "x2")+");\n")+
			answer("404 Not Found", asText, "no such path: /nothing\n")+pong)
	}
}

func TestFrontRequests(t *testing.T) {
	const wrong, badName = "method not allowed here: want GET, HEAD, OPTIONS\n", "parameter cname: control characters are not allowed\n"
	icomet := `icomet_cb({"type":"ping","sub_timeout":30});` + "\n"
	for _, r := range []struct{ name, request, want string }{
		{"ping names its callback", reqGet(1, "/ping", closing), answer("200 OK", asScript, icomet, closing)},
		{"ping in HTTP/1.0", reqGet(0, "/ping"), answer("200 OK", asScript, icomet)},
		{"ping with HEAD", "HEAD /ping HTTP/1.1\r\nHost: h\r\n" + closing + "\r\n",
			strings.TrimSuffix(answer("200 OK", asScript, icomet, closing), icomet)},
		{"POST to a poll", "POST /sub?cname=a HTTP/1.1\r\nHost: h\r\n" + closing + "\r\n",
			answer("405 Method Not Allowed", asText, wrong, closing, "Allow: GET, HEAD, OPTIONS\r\n")},
		{"POST to ping, HTTP/1.0", "POST /ping HTTP/1.0\r\n\r\n", answer("405 Method Not Allowed", asText, wrong, "Allow: GET, HEAD, OPTIONS\r\n")},
		{"HEAD of an endless response", "HEAD /stream?cname=a HTTP/1.1\r\nHost: h\r\n\r\n" + reqGet(1, "/ping?cb=f", closing),
			streamHead(1, asJSON) + answer("200 OK", asScript, `f({"type":"ping","sub_timeout":30});`+"\n", closing)},
		{"HEAD of an endless response, HTTP/1.0", "HEAD /sse?cname=a HTTP/1.0\r\n\r\n", streamHead(0, asEvents)},
		{"HEAD of a poll", "HEAD /poll?cname=a&seq=1 HTTP/1.1\r\nHost: h\r\n" + closing + "\r\n",
			"HTTP/1.1 200 OK\r\n" + dateLine + "Content-Type: " + asJSON + "\r\n" + fixed + closing + "\r\n"},
		{"HEAD of a poll with a callback", "HEAD /sub?cname=a&cb=f HTTP/1.0\r\n\r\n",
			"HTTP/1.1 200 OK\r\n" + dateLine + "Content-Type: " + asScript + "\r\n" + fixed + "\r\n"},
		{"HEAD is checked as GET is", "HEAD /sse?cname=%01 HTTP/1.1\r\nHost: h\r\n" + closing + "\r\n",
			strings.TrimSuffix(answer("400 Bad Request", asText, badName, closing), badName)},
		{"OPTIONS of a path", "OPTIONS /sse HTTP/1.1\r\nHost: h\r\n" + closing + "\r\n", noContent(closing, "Allow: GET, HEAD, OPTIONS\r\n")},
		{"OPTIONS of /, as HAProxy asks", "OPTIONS / HTTP/1.0\r\n\r\n", noContent("Allow: GET, HEAD, OPTIONS\r\n")},
		{"OPTIONS of the server", "OPTIONS * HTTP/1.1\r\nHost: h\r\n" + closing + "\r\n", noContent(closing, "Allow: GET, HEAD, OPTIONS\r\n")},
		{"OPTIONS of nothing", "OPTIONS /x HTTP/1.1\r\nHost: h\r\n" + closing + "\r\n", answer("404 Not Found", asText, "no such path: /x\n", closing)},
		{"a path that a proxy has joined", reqGet(1, "//ping", closing), answer("404 Not Found", asText, "no such path: //ping\n", closing)},
		{"a long path", reqGet(1, "/"+strings.Repeat("p", 300), closing), answer("404 Not Found", asText, "no such path: /"+strings.Repeat("p", 199)+"...\n", closing)},
		{"the admin side is not here", reqGet(1, "/push?cname=a&content=x", closing), answer("404 Not Found", asText, "no such path: /push: the admin side has it\n", closing)},
		{"HEAD of nothing", "HEAD /x HTTP/1.1\r\nHost: h\r\n" + closing + "\r\n",
			strings.TrimSuffix(answer("404 Not Found", asText, "no such path: /x\n", closing), "no such path: /x\n")},
		{"a space is no number", reqGet(1, "/sub?seq=+&cname=a", closing),
			answer("400 Bad Request", asText, "parameter seq: want a whole number of 32 bits\n", closing)},
		{"+ and %XX decode", reqGet(1, "/sub?cname=a+b%2B%C3%A9%26c", closing),
			answer("200 OK", asJSON, `{"type":"next_seq","cname":"a b+é&c","seq":1,"content":""}`+"\n", closing)},
	} {
		t.Run(r.name, func(t *testing.T) { same(t, startWire(t, Config{Loops: 2}).talk(conn.Front, r.request), r.want) })
	}
}

// A browser comes back with its original URL, and sends by itself what it has
// seen last.
func TestLastEventID(t *testing.T) {
	for _, r := range []struct{ name, path, id, want string }{
		{"overrides seq", "/sse", "2", "data: " + object("data", 3, "x3")},
		{"0 is before the first", "/sse", "0", "data: " + object("data", 1, "x1")},
		{"what is no number is passed over", "/sse", "x", "data: " + object("data", 2, "x2")},
		{"too large a number is passed over", "/sse", "2147483648", "data: " + object("data", 2, "x2")},
		{"after the largest comes the smallest, which is of another life", "/sse", "2147483647", "data: " + object("data", 1, "x1")},
		{"only for events", "/stream", "2", object("data", 2, "x2")},
	} {
		t.Run(r.name, func(t *testing.T) {
			srv := startWire(t, Config{Loops: 1})
			srv.askAll(three)
			c := srv.dial(conn.Front)
			c.send(reqGet(0, r.path+"?cname=a&seq=2", "Last-Event-ID: "+r.id+"\r\n"))
			srv.subscribed(1)
			srv.ask("/close?cname=a")
			_, body, _ := strings.Cut(c.rest(), "\r\n\r\n")
			if strings.HasPrefix(body, "id: ") {
				_, body, _ = strings.Cut(body, "\n")
			}
			if !strings.HasPrefix(body, r.want) {
				t.Fatalf("got %q, want it to begin with %q", body, r.want)
			}
		})
	}
}
