package comet

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"ccomet/comet/internal/conn"
)

// Text in CComet's dialect: how it is parsed, and that it arrives unchanged.

// The message is the text between "msg=" and the last "&time=".
func TestCCometMessageIsRaw(t *testing.T) {
	st := newStage(t, Config{Loops: 1})
	n := 0
	for _, r := range []struct{ name, query, msg string }{
		{"plain", "channel=c&sname=u&msg=hello&time=1&callback=f&_=2", "hello"},
		{"signs of a query", "channel=c&sname=u&msg=a=1&b=2&&c?d=&time=1&callback=f", "a=1&b=2&&c?d="},
		{"a plus is a space", "channel=c&sname=u&msg=a+b%2B1&time=1&callback=f", "a b+1"},
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

// A name may contain what the client writes for "<" and ">".
func TestCCometEscapesInNames(t *testing.T) {
	st := newStage(t, Config{Loops: 1})
	p := st.enter(0, conn.CComet)
	p.send(reqGet(1, "/subscribe?channel=&lt;c&gt;&sname=&lt;v&gt;&seqid=0&time=1&callback=f"))
	st.ccDo(0, "/publish?channel=&lt;c&gt;&sname=&lt;u&gt;+100%&msg=x&time=1&callback=f")
	messages := ccDecode(t, p.body())
	if len(messages) != 1 || messages[0].Channel != "&lt;c&gt;" || messages[0].Sname != "&lt;u&gt; 100%" {
		t.Errorf("got %+v", messages)
	}
}

type ccEvent struct{ Type, Msg, Sname, Seqid, Channel, Reason string }

// ccDecode decodes f('[…]') as a browser does: as JavaScript, then as JSON.
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
// (ECMAScript 5.1 section 7.8.4, which allows no raw U+2028 and U+2029). As in
// strict mode, there are no octal escapes.
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

// Text in messages and names is unchanged after both layers of quoting.
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
			live := st.enter(0, conn.CComet)
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

// For any input, the answer is a script that calls the callback with a string that
// is JSON. A message that is escaped arrives unchanged.
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
		p := st.enter(0, conn.CComet)
		defer st.settle()
		defer p.leave()
		// Escaped as it should be.
		same(t, strings.TrimSpace(p.ask("/publish?channel=c&sname=u&msg="+escapeForm(msg)+"&time=1&callback=f")), ccPublished)
		got := ccDecode(t, p.ask(ccSubscribe("v", n)))
		n++
		if want := msg; utf8.ValidString(msg) && (len(got) != 1 || got[0].Msg != want) {
			t.Fatalf("%q became %+v", want, got)
		}
		// Wrongly escaped: it is accepted or refused, and the response can be
		// parsed.
		raw = (&url.URL{RawQuery: raw}).RawQuery
		p.write("GET /publish?channel=c&sname=" + raw + "&msg=" + raw + "&time=1&callback=f HTTP/1.1\r\nHost: h\r\n\r\n")
		st.settle()
		head, body, _ := strings.Cut(p.take(), "\r\n\r\n")
		if !strings.HasPrefix(head, "HTTP/1.1 200 ") {
			return // no HTTP, or no callback
		}
		if ccDecode(t, body)[0].Type == "publish" {
			if st.srv.home("\x01c").Channel("\x01c").Next == int32(n+2) {
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
