package comet

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/peer"
	"ccomet/httplite"
)

// Text arrives unchanged with every transport.

// deliveries are the ways of a message's text: the request of each, and the
// part of an HTTP/1.0 body that is the JSON.
var deliveries = []struct {
	name, path string
	unwrap     func(t testing.TB, body string) string
}{
	{"poll", "/sub?", func(t testing.TB, body string) string { return cut(t, body, "[", "]\n") }},
	{"jsonp", "/sub?cb=f&", func(t testing.TB, body string) string { return cut(t, body, "f([", "]);\n") }},
	{"stream", "/stream?", func(t testing.TB, body string) string { return cut(t, body, "", "\n") }},
	{"iframe", "/iframe?", func(t testing.TB, body string) string {
		script := cut(t, strings.TrimPrefix(body, string(frame.NewIframeHead(new(peer.Origins)))), "<script>parent.icomet_cb(", ");</script>\n")
		if strings.ContainsAny(script, "<") {
			t.Fatalf("%q may end a script element early", script)
		}
		return script
	}},
	{"sse", "/sse?", func(t testing.TB, body string) string {
		_, body, _ = strings.Cut(body, "\n")
		return cut(t, body, "data: ", "\n\n")
	}},
}

func cut(t testing.TB, s, before, after string) string {
	t.Helper()
	inner, ok := strings.CutPrefix(s, before)
	if ok {
		inner, ok = strings.CutSuffix(inner, after)
	}
	if !ok {
		t.Fatalf("%q is not %q…%q", s, before, after)
	}
	return inner
}

// decode decodes one message. It may be read as a script, and by lines, so it
// must not contain either kind of line break.
func decode(t testing.TB, text string) (m struct {
	Type, Cname, Content string
	Seq                  int32
}) {
	t.Helper()
	if i := strings.IndexFunc(text, func(r rune) bool { return r < ' ' || r == '\u2028' || r == '\u2029' }); i >= 0 {
		t.Fatalf("a raw %q in %q", text[i:i+1], text)
	}
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatalf("%v: %q", err, text)
	}
	return m
}

// escapeForm escapes everything that may be escaped.
func escapeForm(s string) string { return string(httplite.AppendEscape(nil, []byte(s))) }

var texts = []struct{ name, text string }{
	{"plain", "hello"},
	{"empty", ""},
	{"quotes", `say "hi", it's`},
	{"backslashes", `C:\new\"x\`},
	{"JSON", `{"a":[1,"\u0041",null]}`},
	{"control characters", "\x00\x01\b\t\n\v\f\r\x1b\x1f\x7f"},
	{"line separators", "a\u2028b\u2029c"},
	{"their neighbours", "\u2027\u202a\u20a8\u00e2"},
	{"the end of a script", "</script><script>alert(1)</script>"},
	{"a comment in a script", "<!--<script>"},
	{"CDATA", "]]><![CDATA["},
	{"emoji", "👍🏽 \U0001F468\u200d\U0001F469\u200d\U0001F467"},
	{"the ends of planes", "\ud7ff\ue000\uffff\U00010000\U0010ffff"},
	{"replacement and BOM", "\ufffd\ufeff"},
	{"form signs", "a=b&c+d%20e;f#g"},
	{"event stream fields", "data: x\n\nid: 7\nretry: 1"},
	{"chunk ends", "\r\n0\r\n\r\n"},
}

func TestTextSurvives(t *testing.T) {
	for _, r := range texts {
		t.Run(r.name, func(t *testing.T) {
			st := newStage(t, Config{Loops: 2})
			quoted, _ := json.Marshal(r.text) // it chooses its own escapes
			inner := string(quoted[1 : len(quoted)-1])
			for n, target := range []string{
				"/push?cname=a&content=" + escapeForm(r.text),
				"/push?cname=a&content=" + url.QueryEscape(r.text),
				"/pub?cname=a&content=" + url.QueryEscape(inner),
				"/broadcast?content=" + url.QueryEscape(r.text),
			} {
				live := map[int]*player{}
				for i, d := range deliveries {
					live[i] = st.enter(i%2, conn.Front)
					live[i].send(reqGet(0, fmt.Sprintf("%scname=a&seq=%d", d.path, n+1)))
				}
				if got := st.admin(n%2, target); got != done && got != "ok\n" {
					t.Fatalf("%s: %q", target, got)
				}
				if strings.HasPrefix(target, "/broadcast") {
					break // wire_test.go tests its form, and its escaping is that of push
				}
				for i, d := range deliveries {
					kept := st.enter((i+1)%2, conn.Front)
					kept.send(reqGet(0, fmt.Sprintf("%scname=a&seq=%d", d.path, n+1)))
					if got := decode(t, d.unwrap(t, kept.body())); got.Content != r.text || int(got.Seq) != n+1 {
						t.Errorf("%s, backlog, %s: %q", target, d.name, got.Content)
					}
					body := live[i].body()
					if i < 2 { // one live message is no array in a poll
						body = strings.NewReplacer(`{"type"`, `[{"type"`, `"}`+"\n", `"}]`+"\n", `"})`, `"}])`).Replace(body)
					}
					if got := decode(t, d.unwrap(t, body)); got.Content != r.text {
						t.Errorf("%s, live, %s: %q", target, d.name, got.Content)
					}
					kept.leave()
					live[i].leave()
				}
			}
		})
	}
}

// A channel's name is text, too.
func TestNameSurvives(t *testing.T) {
	for _, r := range texts {
		if r.text == "" || strings.ContainsFunc(r.text, func(c rune) bool { return c < ' ' || c == 0x7f }) {
			continue // refused: badinput_test.go
		}
		t.Run(r.name, func(t *testing.T) {
			st := newStage(t, Config{Loops: 2})
			cname := "cname=" + url.QueryEscape(r.text)
			var signed map[string]any
			if err := json.Unmarshal([]byte(st.admin(0, "/sign?"+cname)), &signed); err != nil || signed["cname"] != r.text {
				t.Errorf("sign: %v, %v", signed, err)
			}
			same(t, st.admin(1, "/push?content=x&"+cname), done)
			for i, d := range deliveries {
				p := st.enter(i%2, conn.Front)
				p.send(reqGet(0, d.path+"seq=1&"+cname))
				if got := decode(t, d.unwrap(t, p.body())); got.Cname != r.text {
					t.Errorf("%s: %q", d.name, got.Cname)
				}
			}
			var alive map[string]int
			if err := json.Unmarshal([]byte(st.admin(0, "/check?"+cname)), &alive); err != nil || alive[r.text] != 1 {
				t.Errorf("check: %v, %v", alive, err)
			}
		})
	}
}
