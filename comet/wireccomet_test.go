package comet

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/record"
)

// The responses of CComet's dialect, byte for byte.

// ccMessage is a message as it stands in the string argument of the callback.
func ccMessage(kind, msg, sname string, seqid int) string {
	return fmt.Sprintf(`{ "type":"%s","msg":"%s","sname":"%s","seqid":"%d","channel":"c"}`, kind, msg, sname, seqid)
}

// ccAnswer is the answer to a request that ends its connection.
func ccAnswer(minor int, body string) string {
	if minor == 0 {
		return answer(ok200, asScript, body)
	}
	return answer(ok200, asScript, body, closing)
}

// talkCC sends requests of the dialect, each on its own connection, and returns the last
// answer.
func (w *wireServer) talkCC(targets ...string) (got string) {
	w.t.Helper()
	for _, target := range targets {
		got = w.talk(conn.CComet, reqGet(0, target))
	}
	return got
}

const (
	ccSigned    = `f('[{"type" : "sign in"}]')`
	ccPublished = `f('[{"type" : "publish"}]')`
	ccBeyond    = `f('[{"type" : "403"}]')`
	ccError     = `f('[{"type" : "400", "reason" : "error params"}]')`
)

func ccReason(reason string) string {
	return `f('[{"type" : "400", "reason" : "` + reason + `"}]')`
}

func ccPublish(msg string) string {
	return "/publish?channel=c&sname=u&msg=" + msg + "&time=1700000000000&callback=f&_=1700000000001"
}

func ccSubscribe(sname string, seqid int) string {
	return fmt.Sprintf("/subscribe?channel=c&sname=%s&seqid=%d&time=1700000000000&callback=f&_=1700000000001", sname, seqid)
}

const ccSign = "/sign?channel=c&sname=u&time=1700000000000&callback=f&_=1700000000001"

var ccThree = []string{ccPublish("x0"), ccPublish("x1"), ccPublish("x2")}

// ccAll is what is kept after ccThree, from a number on.
func ccAll(from int) string {
	var all []string
	for n := from; n < 3; n++ {
		all = append(all, ccMessage("MSG", fmt.Sprint("x", n), "u", n))
	}
	return "f('[" + strings.Join(all, ",") + "]')"
}

var ccRows = []struct {
	name   string
	cfg    Config
	before []string
	target string
	body   string
}{
	{"signing in", Config{}, nil, ccSign, ccSigned},
	{"signing in where there are messages", Config{}, ccThree, ccSign, ccSigned},
	{"publishing", Config{}, nil, ccPublish("hi"), ccPublished},
	{"publishing without time", Config{}, nil, "/publish?channel=c&sname=u&msg=hi&callback=f", ccPublished},
	{"publishing nothing", Config{}, nil, ccPublish(""), ccPublished},
	{"what is there is sent from the number wanted on, in one array", Config{}, ccThree, ccSubscribe("v", 1), ccAll(1)},
	{"the first number is 0", Config{}, ccThree, ccSubscribe("v", 0), ccAll(0)},
	{"one message is an array", Config{}, ccThree, ccSubscribe("v", 2), ccAll(2)},
	{"a number older than what is kept begins with the oldest", Config{ChannelBufferSize: 2}, ccThree, ccSubscribe("v", 0), ccAll(1)},
	{"a negative number is an old one", Config{}, ccThree, ccSubscribe("v", -7), ccAll(0)},
	{"beyond what any channel may be at", Config{}, ccThree, ccSubscribe("v", record.MaxSeqid+1), ccBeyond},
	{"far beyond the next", Config{}, ccThree, ccSubscribe("v", 2147483647), ccBeyond},
	{"signs are not kept, and have no number", Config{}, []string{ccSign, ccPublish("x0"), ccSign, ccSign, ccPublish("x1"), ccPublish("x2"), ccSign},
		ccSubscribe("v", 0), ccAll(0)},
	{"the first of two counts", Config{}, ccThree, "/subscribe?channel=c&channel=d&sname=v&seqid=2&seqid=0&callback=f&callback=g", ccAll(2)},
	{"other parameters, any order", Config{}, ccThree, "/subscribe?callback=f&x&&seqid=%32&=&sname=v&a=b&channel=%63", ccAll(2)},

	{"signing in without channel", Config{}, nil, "/sign?sname=u&callback=f", ccError},
	{"signing in without name", Config{}, nil, "/sign?channel=c&callback=f", ccError},
	{"signing in to an empty channel", Config{}, nil, "/sign?channel=&sname=u&callback=f", ccError},
	{"signing in with an empty name", Config{}, nil, "/sign?channel=c&sname=&callback=f", ccError},
	{"publishing without channel", Config{}, nil, "/publish?sname=u&callback=f&msg=x", ccError},
	{"publishing without name", Config{}, nil, "/publish?channel=c&callback=f&msg=x", ccError},
	{"publishing without message", Config{}, nil, "/publish?channel=c&sname=u&callback=f", ccError},
	{"subscribing without channel", Config{}, nil, "/subscribe?sname=u&seqid=0&callback=f", ccError},
	{"subscribing without name", Config{}, nil, "/subscribe?channel=c&seqid=0&callback=f", ccError},
	{"subscribing without number", Config{}, nil, "/subscribe?channel=c&sname=u&callback=f", ccError},
	{"an empty number", Config{}, nil, "/subscribe?channel=c&sname=u&seqid=&callback=f", ccError},
	{"a number that is none", Config{}, nil, "/subscribe?channel=c&sname=u&seqid=NaN&callback=f", ccError},
	{"a number with more behind it", Config{}, nil, "/subscribe?channel=c&sname=u&seqid=1x&callback=f", ccError},
	{"a number of more than 32 bits", Config{}, nil, "/subscribe?channel=c&sname=u&seqid=2147483648&callback=f", ccError},
	{"too long a channel", Config{}, nil, "/sign?callback=f&sname=u&channel=" + strings.Repeat("c", 255), ccReason("channel is 255 bytes: at most 254")},
	{"too long a name", Config{}, nil, "/subscribe?callback=f&channel=c&seqid=0&sname=" + strings.Repeat("u", 256), ccReason("sname is 256 bytes: at most 255")},
	{"a control character in a channel", Config{}, nil, "/sign?callback=f&channel=c%01&sname=u", ccReason("channel: control characters are not allowed")},
	{"a line end in a name", Config{}, nil, "/sign?callback=f&channel=c&sname=%0A", ccReason("sname: control characters are not allowed")},
	{"too long a message", Config{MaxMessage: 5}, nil, ccPublish("abcdef"), ccReason("msg is 6 bytes: max-message is 5")},
	{"the longest message", Config{MaxMessage: 5}, nil, ccPublish("abcd%20"), ccPublished},

	{"without a free channel a publish fails", Config{MaxChannels: 1}, ccThree, "/publish?channel=d&sname=u&callback=f&msg=x",
		`f('[{"type" : "402", "reason" : "too many channels: max-channels is 1"}]')`},
	{"without a free channel a client that signs in goes on to ask", Config{MaxChannels: 1}, ccThree, "/sign?channel=d&sname=u&callback=f",
		`f('[{"type" : "429", "reason" : "too many channels: max-channels is 1"}]')`},
}

func TestCCometAnswers(t *testing.T) {
	everyWire(t, func(t *testing.T, loops, minor int) {
		for _, r := range ccRows {
			t.Run(r.name, func(t *testing.T) {
				r.cfg.Loops = loops
				srv := startWire(t, r.cfg)
				srv.talkCC(r.before...)
				same(t, srv.talk(conn.CComet, reqGet(minor, r.target, closing)), ccAnswer(minor, r.body))
			})
		}
	})
}

// A request that is no JSONP request of the dialect is answered as HTTP requires.
func TestCCometRefusals(t *testing.T) {
	srv := startWire(t, Config{Loops: 1})
	for _, r := range []struct{ name, request, status, reason string }{
		{"another path", reqGet(0, "/sub?channel=c&sname=u&seqid=0&callback=f"), "404", "no such path"},
		{"no path", reqGet(0, "/"), "404", "no such path"},
		{"no callback", reqGet(0, "/sign?channel=c&sname=u"), "400", "parameter callback: want a JavaScript name"},
		{"an empty callback", reqGet(0, "/publish?channel=c&sname=u&callback=&msg=x"), "400", "parameter callback: want"},
		{"a script for a callback", reqGet(0, "/subscribe?channel=c&sname=u&seqid=0&callback=alert(1)//"), "400", "parameter callback: want"},
		{"a callback that begins with a digit", reqGet(0, "/sign?channel=c&sname=u&callback=1f"), "400", "parameter callback: want"},
		{"too long a callback", reqGet(0, "/sign?channel=c&sname=u&callback="+strings.Repeat("f", 129)), "400", "at most 128 long"},
		{"a bad callback and nothing else", reqGet(0, "/sign?callback=f%0A"), "400", "parameter callback: want"},
		{"POST", reqForm(0, "/publish", "channel=c&sname=u&callback=f&msg=x"), "405", "method not allowed here"},
		{"HEAD", "HEAD " + ccSign + " HTTP/1.0\r\n\r\n", "405", ""},
		{"broken HTTP", "GET /sign\r\n\r\n", "400", "malformed request line"},
	} {
		t.Run(r.name, func(t *testing.T) {
			srv.t = t
			got := srv.talk(conn.CComet, r.request)
			if !strings.HasPrefix(got, "HTTP/1.1 "+r.status+" ") || !strings.Contains(got, r.reason) || !strings.Contains(got, "Content-Type: "+asText) {
				t.Errorf("got %q, want %s and %q", got, r.status, r.reason)
			}
			if r.status == "405" && !strings.Contains(got, "Allow: GET, OPTIONS\r\n") {
				t.Errorf("the response does not list what is allowed: %q", got)
			}
		})
	}
}

// A waiting client is answered by the next message, and by nothing else.
func TestCCometWaiting(t *testing.T) {
	for _, r := range []struct {
		name   string
		before []string
		seqid  int
		live   string
		body   string
	}{
		{"the next number", ccThree, 3, ccPublish("x3"), "f('[" + ccMessage("MSG", "x3", "u", 3) + "]')"},
		{"the first number of a new channel", nil, 0, ccPublish("x0"), "f('[" + ccMessage("MSG", "x0", "u", 0) + "]')"},
		{"a new channel takes up the number that is waited for", nil, 41, ccPublish("x"), "f('[" + ccMessage("MSG", "x", "u", 41) + "]')"},
		{"signing in makes no number", []string{ccSign}, 41, ccPublish("x"), "f('[" + ccMessage("MSG", "x", "u", 41) + "]')"},
		{"somebody signs in", ccThree, 3, ccSign, "f('[" + ccMessage("SIGN", "SIGN", "u", 3) + "]')"},
		{"somebody signs in to a new channel", nil, 0, ccSign, "f('[" + ccMessage("SIGN", "SIGN", "u", 0) + "]')"},
		{"old, but nothing is kept", nil, -3, ccPublish("x0"), "f('[" + ccMessage("MSG", "x0", "u", 0) + "]')"},
	} {
		t.Run(r.name, func(t *testing.T) {
			everyWire(t, func(t *testing.T, loops, minor int) {
				srv := startWire(t, Config{Loops: loops})
				srv.talkCC(r.before...)
				c := srv.dial(conn.CComet)
				c.send(reqGet(minor, ccSubscribe("v", r.seqid), closing))
				srv.subscribed(1)
				srv.talkCC(r.live)
				same(t, c.rest(), ccAnswer(minor, r.body))
			})
		})
	}
}

// A connection is used again: a request after a poll is answered after it.
func TestCCometConnectionGoesOn(t *testing.T) {
	for _, loops := range []int{1, 3} {
		srv := startWire(t, Config{Loops: loops})
		c := srv.dial(conn.CComet)
		c.send(reqGet(1, ccSign) + reqGet(1, ccSubscribe("v", 0)) + reqGet(1, ccSubscribe("v", record.MaxSeqid+1)) + reqGet(1, "/nowhere") + reqGet(1, ccPublish("y")))
		c.expect(answer(ok200, asScript, ccSigned))
		srv.subscribed(1)
		srv.talkCC(ccPublish("x0"))
		c.expect(answer(ok200, asScript, "f('["+ccMessage("MSG", "x0", "u", 0)+"]')"))
		c.expect(answer(ok200, asScript, ccBeyond))
		c.expect(answer(gone, asText, "no such path: /nowhere\n"))
		c.expect(answer(ok200, asScript, ccPublished))
		old := srv.dial(conn.CComet)
		old.send(reqGet(0, ccSign, keeping))
		old.expect(answer(ok200, asScript, ccSigned, keeping))
		c.Close()
		old.Close()
	}
}

// All listeners of the dialect share the same channels.
func TestCCometListenersShareChannels(t *testing.T) {
	srv, err := New(Config{Front: []string{"127.0.0.1:0"}, Admin: []string{"127.0.0.1:0"}, CComet: []string{"127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"}})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	defer func() { srv.Stop(); _ = srv.Wait() }()
	addresses := srv.CCometAddrs()
	if len(addresses) != 3 || addresses[0] == addresses[1] {
		t.Fatalf("listening on %v", addresses)
	}
	w := &wireServer{Server: srv, root: t, t: t}
	for n, address := range addresses {
		w.ccomet = []string{address}
		got := w.talkCC(ccPublish(fmt.Sprint("x", n)), ccSubscribe(fmt.Sprint("v", n), n))
		if want := "f('[" + ccMessage("MSG", fmt.Sprint("x", n), "u", n) + "]')"; !strings.HasSuffix(got, want) {
			t.Errorf("listener %d: got %q, want %q", n, got, want)
		}
	}
}

// A channel of the dialect is separate from all others: in its name, its numbers, and its
// broadcasts.
func TestCCometChannelsAreApart(t *testing.T) {
	for _, loops := range []int{1, 3} {
		srv := startWire(t, Config{Loops: loops})
		presence := srv.dial(conn.Admin)
		presence.send(reqGet(1, "/psub"))
		presence.expect(streamHead(1, asText))
		c := srv.dial(conn.CComet)
		c.send(reqGet(0, ccSubscribe("v", 0)))
		srv.subscribed(1)
		srv.askAll([]string{"/push?cname=c&content=no", "/broadcast?content=no"})
		presence.expect(piece(1, "1 c\n")) // of the other; together they would be one piece
		srv.askAll([]string{"/close?cname=c"})
		presence.expect(piece(1, "0 c\n"))
		same(t, srv.ask("/check?cname=c"), "{}\n")
		same(t, srv.ask("/info"), `{"version": "dev", "channels": 1, "subscribers": 1}`+"\n")
		same(t, srv.talk(conn.Admin, reqGet(0, "/check?cname=%01c"))[:12], "HTTP/1.1 400")
		srv.talkCC(ccPublish("x0"))
		same(t, c.rest(), ccAnswer(0, "f('["+ccMessage("MSG", "x0", "u", 0)+"]')"))
		presence.Close()
	}
}

// Waiting itself has no result: no noop, no timeout, nothing empty.
func TestCCometWaitsForEver(t *testing.T) {
	st := newStage(t, Config{Loops: 2})
	for loop := range 2 {
		p := st.enter(loop, conn.CComet)
		p.send(reqGet(1, ccSubscribe(fmt.Sprint("v", loop), 0)))
		for range 100 {
			st.later(time.Minute)
		}
		if got := p.take(); got != "" || p.ended {
			t.Fatalf("got %q, ended %v", got, p.ended)
		}
	}
	check(t, st.srv, true, "")
}

// A refused client gets nothing for a while, so that it does not ask in a loop, and then
// the reason; its callback is not called.
func TestCCometTurnsAwayLate(t *testing.T) {
	for name, r := range map[string]struct {
		cfg    Config
		before string
		reason string
	}{
		"too many channels":    {Config{MaxChannels: 1}, "/sign?channel=d&sname=u&callback=f", "too many channels: max-channels is 1"},
		"too many subscribers": {Config{MaxSubscribersPerChannel: 1}, ccSubscribe("u", 0), "too many subscribers of this channel: max-subscribers-per-channel is 1"},
	} {
		t.Run(name, func(t *testing.T) {
			r.cfg.Loops, r.cfg.RequestTimeout, r.cfg.ChannelTimeout = 2, 10*time.Second, time.Hour
			st := newStage(t, r.cfg)
			st.enter(0, conn.CComet).send(reqGet(1, r.before))
			p, gone := st.enter(1, conn.CComet), st.enter(1, conn.CComet)
			p.send(reqGet(1, ccSubscribe("v", 0)))
			gone.send(reqGet(1, ccSubscribe("w", 0)))
			gone.leave()
			st.later(9 * time.Second)
			same(t, p.take(), "")
			st.later(2 * time.Second)
			if status, reason := told(t, p.take()); status != "429" || reason != r.reason+"\n" || !p.ended {
				t.Errorf("got %s %q, ended %v", status, reason, p.ended)
			}
			check(t, st.srv, true, "")
			if open := st.srv.shards[1].loop.Stats().Open; open > 1 {
				t.Errorf("%d connections are left", open)
			}
		})
	}
}

// A client that takes its own place does not count against itself.
func TestCCometFullChannelLetsItsOwnBack(t *testing.T) {
	st := newStage(t, Config{Loops: 2, MaxSubscribersPerChannel: 1})
	first, second := st.enter(0, conn.CComet), st.enter(1, conn.CComet)
	first.send(reqGet(1, ccSubscribe("v", 0)))
	second.send(reqGet(1, ccSubscribe("v", 0)))
	st.later(2 * time.Second)
	if got := first.take(); got != "" || !first.ended {
		t.Errorf("the first got %q, ended %v", got, first.ended)
	}
	st.enter(0, conn.CComet).send(reqGet(1, ccPublish("x0")))
	same(t, second.body(), "f('["+ccMessage("MSG", "x0", "u", 0)+"]')")
}

// A client that is denied on the front side is denied here.
func TestCCometAccess(t *testing.T) {
	srv := startWire(t, Config{Loops: 1, FrontAllow: []string{"10."}})
	same(t, srv.talkCC(ccSign), answer("403 Forbidden", asText, "127.0.0.1 is not allowed here\n"))
	srv = startWire(t, Config{Loops: 1, AdminAllow: []string{"10."}, FrontAllow: []string{"127."}})
	same(t, srv.talkCC(ccSign), answer(ok200, asScript, ccSigned))
}
