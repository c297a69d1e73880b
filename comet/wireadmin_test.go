package comet

import (
	"fmt"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"ccomet/comet/internal/conn"
)

// The admin side's responses, byte for byte, and how long channels live.

const (
	done  = `{"type":"ok"}` + "\n"
	gone  = "404 Not Found"
	ok200 = "200 OK"
)

// anyToken matches any token in a response, for T in the expected one.
var anyToken = regexp.MustCompile(`"token":"[0-9a-f]{32}"`)

// adminRow is a request to the admin side. form, if not empty, is a POST's body.
type adminRow struct {
	name         string
	before       []string
	target, form string
	status       string
	contentType  string
	body         string
}

var adminRows = []adminRow{
	{"push", nil, "/push?cname=a&content=x", "", ok200, asJSON, done},
	{"push with a callback", nil, "/push?cname=a&content=x&cb=f", "", ok200, asScript, `f({"type":"ok"});` + "\n"},
	{"push that is told its number", three, "/push?cname=a&content=x&ack=1", "", ok200, asJSON, `{"type":"ok","seq":4}` + "\n"},
	{"push with number and callback", nil, "/push?cb=f&ack=1&cname=a&content=x", "", ok200, asScript, `f({"type":"ok","seq":1});` + "\n"},
	{"ack=0 asks for nothing", nil, "/push?cname=a&content=x&ack=0", "", ok200, asJSON, done},
	{"push by a form", nil, "/push", "cname=a&content=x&ack=1", ok200, asJSON, `{"type":"ok","seq":1}` + "\n"},
	{"push with nothing in it", nil, "/push?cname=a&content=", "", ok200, asJSON, done},
	{"pub", nil, `/pub?cname=a&content=%22x%22`, "", "400 Bad Request", asText,
		"parameter content: not valid inside a JSON string, from byte 0 on\n"},
	{"pub of what is escaped", nil, `/pub?cname=a&content=%5C%22x%5C%22`, "", ok200, asJSON, done},
	{"pub by a form, with number and callback", three, "/pub?cb=f", "ack=1&cname=a&content=x", ok200, asScript, `f({"type":"ok","seq":4});` + "\n"},
	{"broadcast", three, "/broadcast?content=x", "", ok200, asText, "ok\n"},
	{"broadcast by a form", nil, "/broadcast", "content=x", ok200, asText, "ok\n"},
	{"sign", nil, "/sign?cname=a", "", ok200, asJSON, `{"type":"sign","cname":"a","seq":1,"token":T,"expires":30,"sub_timeout":30}` + "\n"},
	{"sign for a minute", nil, "/sign?cname=a&expires=60", "", ok200, asJSON,
		`{"type":"sign","cname":"a","seq":1,"token":T,"expires":60,"sub_timeout":30}` + "\n"},
	{"sign for no time is for the usual", nil, "/sign?cname=a&expires=-1", "", ok200, asJSON,
		`{"type":"sign","cname":"a","seq":1,"token":T,"expires":30,"sub_timeout":30}` + "\n"},
	{"sign with a callback tells the oldest number kept", append(cleared[:4:4], pushX4), "/sign?cname=a&cb=f", "", ok200, asScript,
		`f({"type":"sign","cname":"a","seq":4,"token":T,"expires":30,"sub_timeout":30});` + "\n"},
	{"sign where nothing is kept tells the next number", cleared, "/sign?cname=a", "", ok200, asJSON,
		`{"type":"sign","cname":"a","seq":4,"token":T,"expires":30,"sub_timeout":30}` + "\n"},
	{"close", three, "/close?cname=a", "", ok200, asText, "ok 4\n"},
	{"close what is not there", nil, "/close?cname=a", "", gone, asText, "channel[a] not connected\n"},
	{"close twice", append(three[:3:3], "/close?cname=a"), "/close?cname=a", "", gone, asText, "channel[a] not connected\n"},
	{"numbers restart after a close", append(three[:3:3], "/close?cname=a"), "/push?cname=a&content=x&ack=1", "", ok200, asJSON,
		`{"type":"ok","seq":1}` + "\n"},
	{"clear", three, "/clear?cname=a", "", ok200, asText, "ok 4\n"},
	{"numbers go on after a clear", cleared, "/push?cname=a&content=x&ack=1", "", ok200, asJSON, `{"type":"ok","seq":4}` + "\n"},
	{"clear what is not there", nil, "/clear?cname=b%22", "", gone, asText, "channel[b\"] not connected\n"},
	{"info", []string{"/push?cname=a&content=x", "/sign?cname=b"}, "/info", "", ok200, asJSON,
		`{"version": "1.2", "channels": 2, "subscribers": 0}` + "\n"},
	{"info of a channel", three, "/info?cname=a", "", ok200, asJSON, `{"cname": "a", "subscribers": 0}` + "\n"},
	{"info of no channel", nil, "/info?cname=a%22", "", ok200, asJSON, `{"cname": "a\"", "subscribers": 0}` + "\n"},
	{"check", three, "/check?cname=a", "", ok200, asJSON, `{"a": 1}` + "\n"},
	{"check what is not there", three, "/check?cname=b", "", ok200, asJSON, "{}\n"},
	{"health", nil, "/healthz", "", ok200, asText, "ok"},
	{"the front side is not here", nil, "/sub?cname=a", "", gone, asText, "no such path: /sub: the front side has it\n"},
}

func TestAdminRequests(t *testing.T) {
	everyWire(t, func(t *testing.T, loops, minor int) {
		for _, r := range adminRows {
			t.Run(r.name, func(t *testing.T) {
				srv := startWire(t, Config{Loops: loops, Version: "1.2"})
				srv.askAll(r.before)
				request, more := reqGet(minor, r.target, closing), []string{closing}
				if r.form != "" {
					request = reqForm(minor, r.target, r.form, closing)
				}
				if minor == 0 {
					more = nil
				}
				body := strings.Replace(r.body, ":T,", `:"`+strings.Repeat("0", 32)+`",`, 1)
				got := anyToken.ReplaceAllString(srv.talk(conn.Admin, request), `"token":"`+strings.Repeat("0", 32)+`"`)
				same(t, got, answer(r.status, r.contentType, body, more...))
			})
		}
	})
}

func TestAdminMethods(t *testing.T) {
	srv := startWire(t, Config{Loops: 1})
	for _, r := range []struct{ method, target, allow string }{
		{"PUT", "/push?cname=a&content=x", "GET, POST"},
		{"DELETE", "/pub?cname=a&content=x", "GET, POST"},
		{"PUT", "/check?cname=a", "GET, HEAD, POST"},
		{"DELETE", "/info", "GET, HEAD, POST"},
		{"PUT", "/psub", "GET, HEAD, POST"},
		{"DELETE", "/healthz", "GET, HEAD"},
		{"get", "/sign?cname=a", "GET, POST"},
	} {
		same(t, srv.talk(conn.Admin, r.method+" "+r.target+" HTTP/1.0\r\n\r\n"),
			answer("405 Method Not Allowed", asText, "method not allowed here: want "+r.allow+", OPTIONS\n", "Allow: "+r.allow+", OPTIONS\r\n"))
	}
	for _, target := range []string{"/", "*", "/healthz"} {
		same(t, srv.talk(conn.Admin, "OPTIONS "+target+" HTTP/1.0\r\n\r\n"), noContent("Allow: GET, HEAD, OPTIONS\r\n"))
	}
	same(t, srv.talk(conn.Admin, "HEAD /psub HTTP/1.0\r\n\r\n"), streamHead(0, asText))
	full := answer(ok200, asJSON, `{"a": 1}`+"\n", closing)
	srv.ask(three[0])
	same(t, srv.talk(conn.Admin, "HEAD /check?cname=a HTTP/1.1\r\nHost: h\r\n"+closing+"\r\n"), full[:strings.Index(full, `{"a"`)])
}

func TestFormWinsOverQuery(t *testing.T) {
	srv := startWire(t, Config{Loops: 1})
	srv.talk(conn.Admin, reqForm(0, "/push?content=query&cname=b", "cname=a&content=form"))
	srv.talk(conn.Admin, "POST /push?cname=a HTTP/1.1\r\nHost: h\r\nContent-Type: Application/X-WWW-Form-Urlencoded; charset=utf-8\r\n"+
		closing+"Transfer-Encoding: chunked\r\n\r\n8\r\ncontent=\r\n3\r\nc%2\r\n2\r\nBd\r\n0\r\n\r\n")
	got := srv.talk(conn.Front, reqGet(0, "/sub?cname=a&seq=1"))
	same(t, got, answer(ok200, asJSON, "["+object("data", 1, "form")+","+object("data", 2, "c+d")+"]\n"))
}

func TestSignedSubscribers(t *testing.T) {
	srv := startWire(t, Config{Loops: 3, Auth: AuthToken})
	first := anyToken.FindString(srv.ask("/sign?cname=a"))
	if again := anyToken.FindString(srv.ask("/sign?cname=a&expires=100")); again != first || first == "" {
		t.Fatalf("renewed, the token %s became %s", first, again)
	}
	if other := anyToken.FindString(srv.ask("/sign?cname=b")); other == first {
		t.Fatalf("two channels have token %s", other)
	}
	c := srv.dial(conn.Front)
	c.send(reqGet(0, "/sub?cname=a&seq=1&token="+first[len(`"token":"`):len(first)-1]))
	srv.subscribed(1)
	srv.ask("/push?cname=a&content=x")
	same(t, c.rest(), answer(ok200, asJSON, object("data", 1, "x")+"\n"))
}

func TestTooManyChannels(t *testing.T) {
	for _, loops := range []int{1, 3} {
		srv := startWire(t, Config{Loops: loops, MaxChannels: 2})
		srv.askAll([]string{"/sign?cname=a", "/push?cname=b&content=x"})
		for _, target := range []string{"/push?cname=c&content=x", "/pub?cname=c&content=x&cb=f&ack=1", "/sign?cname=c"} {
			same(t, srv.talk(conn.Admin, reqGet(0, target)), answer("429 Too Many Requests", asText, "too many channels: max-channels is 2\n", "Retry-After: 5\r\n"))
		}
		same(t, srv.ask("/push?cname=a&content=x"), done)
		srv.ask("/close?cname=b")
		same(t, srv.ask("/push?cname=c&content=x"), done)
	}
}

// Closing a channel ends waiting clients properly: polls with an answer,
// endless responses with the last chunk.
func TestCloseEndsAll(t *testing.T) {
	everyWire(t, func(t *testing.T, loops, minor int) {
		srv := startWire(t, Config{Loops: loops})
		message := object("close", 1, "")
		want := map[*wireConn]string{}
		join := func(path, transcript string) {
			c := srv.dial(conn.Front)
			c.send(reqGet(minor, path, closing))
			want[c] = transcript
		}
		last := []string{"", closing}[minor]
		for range 3 {
			join("/sub?cname=a&seq=1", answer(ok200, asJSON, message+"\n", last))
			join("/sub?cname=a&seq=1&cb=f", answer(ok200, asScript, "f("+message+");\n", last))
			for _, k := range endless {
				join(k.path+"?cname=a&seq=1", streamHead(minor, k.contentType, last)+piece(minor, k.preface)+
					piece(minor, k.frame(message, "closed"))+lastPiece(minor))
			}
		}
		srv.subscribed(int64(len(want)))
		same(t, srv.ask("/info?cname=a"), fmt.Sprintf(`{"cname": "a", "subscribers": %d}`+"\n", len(want)))
		same(t, srv.ask("/close?cname=a"), "ok 1\n")
		for c, transcript := range want {
			same(t, c.rest(), transcript)
		}
		srv.subscribed(0)
		same(t, srv.ask("/check?cname=a"), "{}\n")
		same(t, srv.ask("/info"), `{"version": "dev", "channels": 0, "subscribers": 0}`+"\n")
	})
}

// A broadcast reaches waiting clients without any other event.
func TestBroadcastAlone(t *testing.T) {
	for _, loops := range []int{1, 3} {
		srv := startWire(t, Config{Loops: loops, ChannelTimeout: time.Hour, PollingTimeout: time.Hour, IdleTimeout: time.Hour, RequestTimeout: time.Hour})
		var waiting []*wireConn
		for n := range 6 {
			c := srv.dial(conn.Front)
			c.send(reqGet(0, fmt.Sprintf("/sub?cname=a%d&seq=1", n)))
			waiting = append(waiting, c)
		}
		srv.subscribed(6)
		admin := srv.dial(conn.Admin) // not closed, because that would be another event
		admin.send(reqGet(1, "/broadcast?content=all"))
		admin.expect(answer(ok200, asText, "ok\n"))
		for n, c := range waiting {
			body := strings.ReplaceAll("["+object("broadcast", 1, "all")+","+object("next_seq", 2, "")+"]\n", `"a"`, fmt.Sprintf(`"a%d"`, n))
			same(t, c.rest(), answer(ok200, asJSON, body))
		}
	}
}

// Many requests on one connection are answered in their order, wherever the
// homes of their channels are, even for a client that has ended its side.
func TestPipelinedPublishes(t *testing.T) {
	for _, loops := range []int{1, 3} {
		srv := startWire(t, Config{Loops: loops})
		var requests, want strings.Builder
		var last [7]int
		for n := range 700 {
			to := n * n % 7
			request := fmt.Sprintf("/push?cname=c%d&content=x&ack=1&cb=f%d", to, n)
			response := answer(ok200, asScript, fmt.Sprintf(`f%d({"type":"ok","seq":%d});`+"\n", n, last[to]+1))
			switch n % 50 {
			case 11:
				request, response = "/push?cname=c", answer("400 Bad Request", asText, "parameter content is missing\n")
			case 17:
				request, response = "/close?cname=no", answer(gone, asText, "channel[no] not connected\n")
			case 23:
				request, response = "/healthz", answer(ok200, asText, "ok")
			default:
				last[to]++
			}
			requests.WriteString(reqGet(1, request))
			want.WriteString(response)
		}
		c := srv.dial(conn.Admin)
		c.send(requests.String())
		_ = c.Conn.(*net.TCPConn).CloseWrite()
		same(t, c.rest(), want.String())
	}
}

// A connection that always has an unanswered request works like any other.
func TestUnbrokenPipeline(t *testing.T) {
	st := newStage(t, Config{Loops: 2, RequestTimeout: 5 * time.Second})
	p := st.enter(0, conn.Admin)
	var got, want string
	for n := 1; n <= 40; n++ {
		p.write(reqGet(1, "/push?ack=1&content=x&cname="+st.homed(1)))
		st.turn(0) // handles this request, and the answer to the one before
		st.turn(1)
		st.now = st.now.Add(time.Second)
		got += p.take()
		want += fmt.Sprintf(`{"type":"ok","seq":%d}`+"\n", n)
	}
	st.settle()
	got = regexp.MustCompile(`(?s)HTTP.*?\r\n\r\n`).ReplaceAllString(got+p.take(), "")
	same(t, got, want)
}

func TestPresence(t *testing.T) {
	st := newStage(t, Config{Loops: 3, ChannelTimeout: 30 * time.Second})
	listeners := []*player{st.enter(0, conn.Admin), st.enter(2, conn.Admin)}
	for _, p := range listeners {
		p.send(reqGet(1, "/psub"))
		same(t, p.take(), streamHead(1, asText))
	}
	hear := func(what, want string) {
		t.Helper()
		for i, p := range listeners {
			if got := p.take(); got != want {
				t.Fatalf("%s: listener %d got %q, want %q", what, i, got, want)
			}
		}
	}
	a := st.homed(1)
	st.admin(0, "/push?cname="+a+"&content=x")
	hear("birth", piece(1, "1 "+a+"\n"))
	st.admin(2, "/push?cname="+a+"&content=x")
	hear("another message", "")
	st.admin(1, "/close?cname="+a)
	hear("close", piece(1, "0 "+a+"\n"))
	stream := st.enter(2, conn.Front)
	stream.send(reqGet(1, "/stream?cname="+a))
	hear("birth by a subscriber", piece(1, "1 "+a+"\n"))
	for round := range 4 {
		st.later(30 * time.Second)
		hear(fmt.Sprint("round ", round), piece(1, "1 "+a+"\n"))
	}
	stream.leave()
	st.settle()
	hear("its subscriber left", "")
	// Perhaps for the last time in its round, before its time is up.
	st.later(10 * time.Second)
	listeners[0].take()
	listeners[1].take()
	st.later(21 * time.Second)
	for _, p := range listeners {
		if got := p.take(); !strings.Contains(got, "0 "+a+"\n") || strings.Contains(got, "0 "+a+"\n1") {
			t.Fatalf("after the crash: got %q", got)
		}
		p.leave()
	}
	st.settle()
	if bits := st.srv.totals.Listening.Load(); bits != 0 {
		t.Errorf("without listeners, loops %b still have some", bits)
	}
}

// A line does not wait for another event on its listener's loop.
func TestPresenceAlone(t *testing.T) {
	for _, loops := range []int{1, 3} {
		srv := startWire(t, Config{Loops: loops})
		c := srv.dial(conn.Admin)
		c.send(reqGet(1, "/psub"))
		c.expect(streamHead(1, asText))
		for n := range 5 {
			srv.ask(fmt.Sprintf("/sign?cname=a%d", n))
			c.expect(piece(1, fmt.Sprintf("1 a%d\n", n)))
			srv.ask(fmt.Sprintf("/close?cname=a%d", n))
			c.expect(piece(1, fmt.Sprintf("0 a%d\n", n)))
		}
	}
}
