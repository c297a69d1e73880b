package comet

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// How CComet's dialect behaves, turn by turn.

func (st *stage) homeOfC() int { return int(st.srv.home([]byte("\x01c"))) }

// ccWait has a client of a loop wait.
func (st *stage) ccWait(loop int, sname string, seqid int) *player {
	p := st.enter(loop, sideCComet)
	p.send(reqGet(1, ccSubscribe(sname, seqid)))
	return p
}

// ccDo has something done on a loop, and everything that comes of it.
func (st *stage) ccDo(loop int, target string) string {
	p := st.enter(loop, sideCComet)
	p.send(reqGet(0, target))
	defer p.leave()
	return p.body()
}

// Whoever comes under a name takes the place of who had come under it before,
// whose connection is closed without a word, on whichever loops they are.
func TestCCometReplacement(t *testing.T) {
	st := newStage(t, Config{Loops: 3})
	for a := range 3 {
		for b := range 3 {
			first, other := st.ccWait(a, "v", 0), st.ccWait(b, "w", 0)
			second := st.ccWait(b, "v", 0)
			if got := first.take(); got != "" || !first.ended {
				t.Fatalf("from loop %d to %d: the first got %q, ended %v", a, b, got, first.ended)
			}
			if got := second.take() + other.take(); got != "" || second.ended || other.ended {
				t.Fatalf("from loop %d to %d: the others got %q", a, b, got)
			}
			check(t, st.srv, true, "")
			st.ccDo(a, ccSign)
			want := answer(ok200, asScript, "f('["+ccMessage("SIGN", "SIGN", "u", 0)+"]')")
			same(t, second.take()+other.take(), want+want)
			check(t, st.srv, true, "")
		}
	}
	if n := st.srv.subscribers.Load(); n != 0 {
		t.Errorf("%d subscribers of nobody", n)
	}
}

// The same name on another channel is somebody else.
func TestCCometNamesAreOfTheirChannel(t *testing.T) {
	st := newStage(t, Config{Loops: 2})
	first := st.ccWait(0, "v", 0)
	second := st.enter(1, sideCComet)
	second.send(reqGet(1, "/subscribe?channel=d&sname=v&seqid=0&callback=f"))
	if first.take(); first.ended {
		t.Error("a subscriber of another channel was closed")
	}
	check(t, st.srv, true, "")
}

// Who is answered at once takes the place, too: nobody waits twice.
func TestCCometReplacementThatIsAnsweredAtOnce(t *testing.T) {
	st := newStage(t, Config{Loops: 2})
	st.ccDo(0, ccPublish("x0"))
	first := st.ccWait(0, "v", 1)
	second := st.ccWait(1, "v", 0)
	same(t, second.body(), "f('["+ccMessage("MSG", "x0", "u", 0)+"]')")
	if got := first.take(); got != "" || !first.ended {
		t.Errorf("the first got %q, ended %v", got, first.ended)
	}
	check(t, st.srv, true, "")
}

// A client whose poll was answered while another took its name, and that asks
// again on its connection before it could be told, is the last to come.
func TestCCometReplacementOfWhoAsksAgain(t *testing.T) {
	st := newStage(t, Config{Loops: 3})
	home := st.homeOfC()
	mine, others := (home+1)%3, (home+2)%3
	first := st.ccWait(mine, "v", 0)
	publisher, second := st.enter(home, sideCComet), st.enter(others, sideCComet)
	publisher.write(reqGet(0, ccPublish("x0")))
	st.turn(home) // mails the message
	second.write(reqGet(1, ccSubscribe("v", 1)))
	st.turn(others)
	st.turn(mine) // answers the first
	st.turn(home) // gives the second the place, of which the first has just gone
	first.write(reqGet(1, ccSubscribe("v", 1)))
	st.turn(mine) // takes this request, and the word that it lost its place
	st.settle()
	same(t, first.body(), "f('["+ccMessage("MSG", "x0", "u", 0)+"]')")
	if got := first.take() + second.take(); got != "" || first.ended || !second.ended {
		t.Fatalf("got %q; the first has ended: %v, the second: %v", got, first.ended, second.ended)
	}
	check(t, st.srv, true, "")
}

// A SIGN comes alone to all who wait, on all loops, even with a message in the
// same turn: that is had with the next poll.
func TestCCometSignIsAlone(t *testing.T) {
	sign, publish := reqGet(1, ccSign), reqGet(1, ccPublish("x0"))
	for name, requests := range map[string]string{"sign first": sign + publish, "message first": publish + sign} {
		for loops := 1; loops <= 3; loops++ {
			t.Run(fmt.Sprint(name, loops), func(t *testing.T) {
				st := newStage(t, Config{Loops: loops})
				var waiting []*player
				for n := range 3 * loops {
					waiting = append(waiting, st.ccWait(n%loops, fmt.Sprint("v", n), 0))
				}
				// All of it is mail of one turn, from loops that are not the home if there are any.
				away := st.enter((st.homeOfC()+loops-1)%loops, sideCComet)
				second := st.enter((st.homeOfC()+loops-1)%loops, sideCComet)
				one, two, _ := strings.Cut(requests, "\r\n\r\n")
				away.write(one + "\r\n\r\n")
				second.write(two)
				st.settle()
				next := map[string]int{"sign first": 0, "message first": 1}[name]
				for n, p := range waiting {
					same(t, p.body(), "f('["+ccMessage("SIGN", "SIGN", "u", next)+"]')")
					p.send(reqGet(1, ccSubscribe(fmt.Sprint("v", n), 0)))
					same(t, p.body(), "f('["+ccMessage("MSG", "x0", "u", 0)+"]')")
				}
				check(t, st.srv, true, "")
			})
		}
	}
}

// Two who sign in at once: those who waited hear of one, and who came in between
// of the other.
func TestCCometSignsInOneTurn(t *testing.T) {
	st := newStage(t, Config{Loops: 2})
	home := st.homeOfC()
	old, other := st.ccWait(home, "old", 0), st.ccWait(1-home, "other", 0)
	// A turn of the home takes these in the order of their connections' events.
	a, between, b := st.enter(home, sideCComet), st.enter(home, sideCComet), st.enter(home, sideCComet)
	a.write(reqGet(1, strings.Replace(ccSign, "=u", "=a", 1)))
	between.write(reqGet(1, ccSubscribe("between", 0)))
	b.write(reqGet(1, strings.Replace(ccSign, "=u", "=b", 1)))
	st.settle()
	same(t, old.body(), "f('["+ccMessage("SIGN", "SIGN", "a", 0)+"]')")
	same(t, other.body(), "f('["+ccMessage("SIGN", "SIGN", "a", 0)+"]')")
	same(t, between.body(), "f('["+ccMessage("SIGN", "SIGN", "b", 0)+"]')")
	check(t, st.srv, true, "")
}

// A long delivery of a SIGN does not keep anybody else waiting, and reaches
// everybody, and whoever comes meanwhile is not told.
func TestCCometLongSign(t *testing.T) {
	h := newHarness(t, Config{Loops: 1})
	s := h.srv.shards[0]
	var ends []*end
	for n := range pumpBudget + 50 {
		e := h.connect(s, sideCComet, 0)
		e.get(ccSubscribe(fmt.Sprint("v", n), 0))
		ends = append(ends, e)
	}
	h.settle()
	before := s.delivered
	h.connect(s, sideCComet, 0).get(ccSign)
	h.turn(s)
	if got := s.delivered - before; got != pumpBudget {
		t.Fatalf("%d deliveries in a turn, want the budget's %d", got, pumpBudget)
	}
	late := h.connect(s, sideCComet, 0)
	late.get(ccSubscribe("late", 0))
	h.connect(s, sideCComet, 0).get(ccPublish("x0"))
	h.settle()
	for n, e := range ends {
		e.read()
		if !strings.HasSuffix(string(e.in), "f('["+ccMessage("SIGN", "SIGN", "u", 0)+"]')") {
			t.Fatalf("client %d got %q", n, e.in)
		}
	}
	late.read()
	if !strings.HasSuffix(string(late.in), "f('["+ccMessage("MSG", "x0", "u", 0)+"]')") {
		t.Errorf("who came meanwhile got %q", late.in)
	}
	check(t, h.srv, true, "")
}

// Clients that come back after a restart, or when their channel's time was up,
// bring numbers that the new channel has not given. None of them is sent away, and
// none misses what comes.
func TestCCometNumbersAfterARestart(t *testing.T) {
	for name, again := range map[string]func(t *testing.T, st *stage) *stage{
		"restart": func(t *testing.T, _ *stage) *stage { return newStage(t, Config{Loops: 2}) },
		"expiry":  func(_ *testing.T, st *stage) *stage { st.later(31 * time.Second); return st },
	} {
		for _, seqids := range [][]int{{5, 7, 6}, {7, 5, 0}, {0, 6, 7}} {
			for _, signed := range []bool{false, true} { // which makes no difference
				t.Run(fmt.Sprint(name, seqids, signed), func(t *testing.T) {
					st := newStage(t, Config{Loops: 2})
					for n := range 7 {
						st.ccDo(0, ccPublish(fmt.Sprint("x", n)))
					}
					comeBack(again(t, st), seqids, signed)
				})
			}
		}
	}
}

// comeBack has clients wait on a channel that has no numbers yet.
func comeBack(st *stage, seqids []int, signed bool) {
	st.t.Helper()
	var waiting []*player
	for n, seqid := range seqids {
		waiting = append(waiting, st.ccWait(n%2, fmt.Sprint("v", n), seqid))
	}
	check(st.t.(*testing.T), st.srv, true, "")
	if signed {
		st.ccDo(1, ccSign)
		for n, p := range waiting {
			same(st.t, p.body(), "f('["+ccMessage("SIGN", "SIGN", "u", 7)+"]')")
			p.send(reqGet(1, ccSubscribe(fmt.Sprint("v", n), seqids[n])))
		}
	}
	st.ccDo(1, ccPublish("y"))
	for _, p := range waiting {
		same(st.t, p.body(), "f('["+ccMessage("MSG", "y", "u", 7)+"]')")
	}
	// Who was not there is given it, too.
	same(st.t, st.ccWait(0, "w", 7).body(), "f('["+ccMessage("MSG", "y", "u", 7)+"]')")
	check(st.t.(*testing.T), st.srv, true, "")
}

// Messages that come in one turn are one array.
func TestCCometBurst(t *testing.T) {
	st := newStage(t, Config{Loops: 2})
	p := st.ccWait(0, "v", 0)
	a, b := st.enter(1, sideCComet), st.enter(1, sideCComet)
	a.write(reqGet(1, ccPublish("x0")))
	b.write(reqGet(1, ccPublish("x1")))
	st.settle()
	same(t, p.body(), "f('["+ccMessage("MSG", "x0", "u", 0)+","+ccMessage("MSG", "x1", "u", 1)+"]')")
}

// The message is what stands between "msg=" and the last "&time=".
func TestCCometMessageIsRaw(t *testing.T) {
	st := newStage(t, Config{Loops: 1})
	n := 0
	for _, r := range []struct{ name, query, msg string }{
		{"plain", "channel=c&sname=u&msg=hello&time=1&callback=f&_=2", "hello"},
		{"signs of a query", "channel=c&sname=u&msg=a=1&b=2&&c?d=&time=1&callback=f", "a=1&b=2&&c?d="},
		{"a plus is a plus", "channel=c&sname=u&msg=1+1=2&time=1&callback=f", "1+1=2"},
		{"escapes of characters", "channel=c&sname=u&msg=a%20b%C3%A9%F0%9F%91%8D%26%25%3D&time=1&callback=f", "a bé👍&%="},
		{"what only looks like escapes", "channel=c&sname=u&msg=100%&%zz%4%&time=1&callback=f", "100%&%zz%4%"},
		{"an escape that is no character", "channel=c&sname=u&msg=%FF%C3(%ED%A0%80%C3&time=1&callback=f", "%FF%C3(%ED%A0%80%C3"},
		{"the replacement character itself", "channel=c&sname=u&msg=%EF%BF%BD&time=1&callback=f", "\ufffd"},
		{"raw bytes of UTF-8", "channel=c&sname=u&msg=h\u00e9&time=1&callback=f", "hé"},
		{"raw bytes of nothing", "channel=c&sname=u&msg=a\xff\xc3b&time=1&callback=f", "a\ufffd\ufffdb"},
		{"time in it", "channel=c&sname=u&msg=a&time=b&time=1&callback=f", "a&time=b"},
		{"a callback in it", "channel=c&sname=u&msg=a&callback=b&time=1&callback=f", "a&callback=b"},
		{"parameters in it", "channel=c&sname=u&msg=a&channel=d&sname=e&msg=g&time=1&callback=f", "a&channel=d&sname=e&msg=g"},
		{"no time", "channel=c&sname=u&msg=a&b&callback=f", "a&b"},
		{"no time, and the callback first", "callback=f&channel=c&sname=u&msg=a&b", "a&b"},
		{"time behind the callback", "channel=c&sname=u&msg=a&b&callback=f&time=1", "a&b"},
		{"first of all", "msg=a&b&time=1&channel=c&sname=u&callback=f", "a&b"},
		{"nothing", "channel=c&sname=u&msg=&time=1&callback=f", ""},
		{"the client's own escapes", "channel=c&sname=u&msg=&lt;b&gt;&amp;&quot;&time=1&callback=f", "&lt;b&gt;&amp;&quot;"},
		{"NUL", "channel=c&sname=u&msg=%00&time=1&callback=f", "\x00"},
	} {
		t.Run(r.name, func(t *testing.T) {
			st.t = t
			same(t, st.ccDo(0, "/publish?"+r.query), ccPublished)
			messages := ccDecode(t, st.ccDo(0, ccSubscribe("v", n)))
			if n++; len(messages) != 1 || messages[0].Msg != r.msg {
				t.Errorf("got %+v, want %q", messages, r.msg)
			}
		})
	}
}

// A name may have what the client has made of "<" and ">".
func TestCCometEscapesInNames(t *testing.T) {
	st := newStage(t, Config{Loops: 1})
	p := st.enter(0, sideCComet)
	p.send(reqGet(1, "/subscribe?channel=&lt;c&gt;&sname=&lt;v&gt;&seqid=0&time=1&callback=f"))
	st.ccDo(0, "/publish?channel=&lt;c&gt;&sname=&lt;u&gt;+100%&msg=x&time=1&callback=f")
	messages := ccDecode(t, p.body())
	if len(messages) != 1 || messages[0].Channel != "&lt;c&gt;" || messages[0].Sname != "&lt;u&gt; 100%" {
		t.Errorf("got %+v", messages)
	}
}

type ccEvent struct{ Type, Msg, Sname, Seqid, Channel, Reason string }

// ccDecode reads f('[…]') as a browser does: as JavaScript, then as JSON.
func ccDecode(t testing.TB, body string) (list []ccEvent) {
	t.Helper()
	text := readScriptString(t, cut(t, body, "f(", ")"))
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		t.Fatalf("%v: %q", err, text)
	}
	if len(list) == 0 {
		t.Fatalf("nothing in %q", body)
	}
	return list
}

// readScriptString evaluates a JavaScript string literal in single quotes
// (ECMAScript 5.1 section 7.8.4, which has no raw U+2028 and U+2029), octal escapes
// being left out, as strict mode does.
func readScriptString(t testing.TB, literal string) string {
	t.Helper()
	inner := cut(t, literal, "'", "'")
	if !utf8.ValidString(inner) {
		t.Fatalf("not UTF-8: %q", inner)
	}
	var b strings.Builder
	runes := []rune(inner)
	for i := 0; i < len(runes); i++ {
		r := runes[i]
		switch {
		case r == '\'' || r == '\n' || r == '\r' || r == '\u2028' || r == '\u2029':
			t.Fatalf("a raw %q ends the string: %q", r, inner)
		case r != '\\':
			b.WriteRune(r)
		case i+1 == len(runes):
			t.Fatalf("the last quote is escaped: %q", literal)
		default:
			i++
			switch r := runes[i]; {
			case strings.ContainsRune("nrtbfv", r):
				b.WriteByte("\n\r\t\b\f\v"[strings.IndexRune("nrtbfv", r)])
			case r >= '0' && r <= '9' || r == 'x' || r == 'u':
				t.Fatalf("an escape that is not expected here: %q", inner)
			default:
				b.WriteRune(r)
			}
		}
	}
	return b.String()
}

// Text comes out of both layers of quoting as it went in, in messages and names.
func TestCCometTextSurvives(t *testing.T) {
	for _, r := range texts {
		t.Run(r.name, func(t *testing.T) {
			st := newStage(t, Config{Loops: 2})
			name := strings.Map(func(c rune) rune {
				if c < ' ' || c == 0x7f {
					return -1
				}
				return c
			}, r.text)
			if name == "" {
				name = "u"
			}
			names := "channel=" + escapeForm(name) + "&sname=" + escapeForm(name) + "&callback=f"
			live := st.enter(0, sideCComet)
			live.send(reqGet(1, "/subscribe?seqid=0&"+names))
			same(t, st.ccDo(1, "/publish?"+names+"&msg="+escapeForm(r.text)+"&time=1"), ccPublished)
			kept := st.ccDo(1, "/subscribe?seqid=0&"+names)
			same(t, live.body(), kept)
			if got, want := ccDecode(t, kept)[0], (ccEvent{Type: "MSG", Msg: r.text, Sname: name, Seqid: "0", Channel: name}); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			live.send(reqGet(1, "/subscribe?seqid=1&"+names))
			same(t, st.ccDo(1, "/sign?"+names), ccSigned)
			if got, want := ccDecode(t, live.body())[0], (ccEvent{Type: "SIGN", Msg: "SIGN", Sname: name, Seqid: "1", Channel: name}); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

// Whatever is sent, the answer is a script that calls the callback with a string
// that is JSON; and a message that is escaped comes out as it went in.
func FuzzCComet(f *testing.F) {
	for _, r := range texts {
		f.Add(r.text, r.text)
	}
	for _, s := range []string{"\xff", "%", "%4", "%E2%80%A8", "&time=", "&msg=", "\xe2\x80", "\xed\xa0\x80", `\'`, `\\'`, `'); alert(1); ('`} {
		f.Add(s, s)
	}
	st := newStage(f, Config{Loops: 1, MaxHead: 64 << 10})
	n := 0
	f.Fuzz(func(t *testing.T, msg, raw string) {
		if len(msg)+len(raw) > maxFuzz {
			return
		}
		st.t = t
		p := st.enter(0, sideCComet)
		defer st.settle()
		defer p.leave()
		// Escaped as it should be.
		same(t, strings.TrimSpace(p.ask("/publish?channel=c&sname=u&msg="+escapeForm(msg)+"&time=1&callback=f")), ccPublished)
		got := ccDecode(t, p.ask(ccSubscribe("v", n)))
		n++
		if want := msg; utf8.ValidString(msg) && (len(got) != 1 || got[0].Msg != want) {
			t.Fatalf("%q became %+v", want, got)
		}
		// As it should not be: it is taken or refused, and what comes back can be read.
		raw = (&url.URL{RawQuery: raw}).RawQuery
		p.write("GET /publish?channel=c&sname=" + raw + "&msg=" + raw + "&time=1&callback=f HTTP/1.1\r\nHost: h\r\n\r\n")
		st.settle()
		head, body, _ := strings.Cut(p.take(), "\r\n\r\n")
		if !strings.HasPrefix(head, "HTTP/1.1 200 ") {
			return // no HTTP, or no callback
		}
		if ccDecode(t, body)[0].Type == "publish" {
			if c := st.srv.shards[0]; c.channels.At(c.find([]byte("\x01c"))).next == int32(n+2) {
				ccDecode(t, p.ask(ccSubscribe("v", n)))
				n++
			}
		}
	})
}

// ask sends a request and returns the body of its answer.
func (p *player) ask(target string) string {
	p.st.t.Helper()
	p.send(reqGet(1, target))
	return p.body()
}
