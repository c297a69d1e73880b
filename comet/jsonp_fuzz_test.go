package comet

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/web"
)

// fuzzed is a channel on a stage with a listener for every transport.
type fuzzed struct {
	st        *stage
	admin     *player
	listeners []*player // by deliveries; nil for a poll, which must ask each time
	next      int
}

func newFuzzed(t testing.TB) *fuzzed {
	z := &fuzzed{st: newStage(t, Config{Loops: 1}), next: 1}
	z.admin = z.st.enter(0, conn.Admin)
	for _, d := range deliveries {
		p := z.st.enter(0, conn.Front)
		if strings.HasPrefix(d.path, "/sub") {
			p.leave()
			p = nil
		} else {
			p.send(reqGet(0, d.path+"cname=a&seq=1"))
			p.body()
		}
		z.listeners = append(z.listeners, p)
	}
	return z
}

// publish reports whether content was accepted. If so, it returns what each
// transport has made of it.
func (z *fuzzed) publish(t *testing.T, path, content string) (texts []string, taken bool) {
	z.st.t = t
	z.admin.send(reqForm(1, path, "cname=a&ack=1&content="+url.QueryEscape(content)))
	response := z.admin.take()
	if strings.HasPrefix(response, "HTTP/1.1 400 ") {
		return nil, false
	}
	if want := fmt.Sprintf(`{"type":"ok","seq":%d}`+"\n", z.next); !strings.HasSuffix(response, "\r\n\r\n"+want) {
		t.Fatalf("got %q, want %q", response, want)
	}
	for i, d := range deliveries {
		body := ""
		if p := z.listeners[i]; p != nil {
			body = p.take()
		} else {
			p = z.st.enter(0, conn.Front)
			p.send(reqGet(0, fmt.Sprintf("%scname=a&seq=%d", d.path, z.next)))
			body = p.body()
			p.leave()
			z.st.settle()
		}
		m := decode(t, d.unwrap(t, body))
		if m.Type != "data" || m.Cname != "a" || int(m.Seq) != z.next {
			t.Fatalf("%s: %+v", d.name, m)
		}
		texts = append(texts, m.Content)
	}
	z.next++
	return texts, true
}

// maxFuzz limits what is sent to what a socket pair takes at once.
const maxFuzz = 4096

// Pushed text comes out the same everywhere, or is not UTF-8 and refused.
func FuzzPushRoundTrip(f *testing.F) {
	for _, r := range texts {
		f.Add(r.text)
	}
	for _, s := range []string{"\xff", "a\xe2\x80", "\xe2\x80\xa8\xe2\x80", "\xed\xa0\x80", "\xc0\x80", "\xf4\x90\x80\x80"} {
		f.Add(s)
	}
	z := newFuzzed(f)
	f.Fuzz(func(t *testing.T, content string) {
		if len(content) > maxFuzz {
			return
		}
		texts, taken := z.publish(t, "/push", content)
		if taken != utf8.ValidString(content) {
			t.Fatalf("%q: taken %v", content, taken)
		}
		for i, text := range texts {
			if text != content {
				t.Fatalf("%s: %q became %q", deliveries[i].name, content, text)
			}
		}
	})
}

// Content that is published escaped means the same everywhere, or is no valid
// inside of a JSON string and refused.
func FuzzPub(f *testing.F) {
	for _, r := range texts {
		quoted, _ := json.Marshal(r.text)
		f.Add(string(quoted[1 : len(quoted)-1]))
		f.Add(r.text)
	}
	for _, s := range []string{`\u00e9\/`, `\ud83d\ude00`, `\ud83d`, `\ude00`, `\uD83D\uD83D\uDE00`, `\ud83dx`, `\u12g4`, `\`, `\\\`, `","seq":9,"x":"`, `\x`} {
		f.Add(s)
	}
	z := newFuzzed(f)
	f.Fuzz(func(t *testing.T, content string) {
		if len(content) > maxFuzz {
			return
		}
		texts, taken := z.publish(t, "/pub", content)
		quoted := `"` + content + `"`
		if want := utf8.ValidString(content) && json.Valid([]byte(quoted)) && paired(content); taken != want {
			t.Fatalf("%q: taken %v, want %v", content, taken, want)
		}
		for i, text := range texts {
			var want string
			if err := json.Unmarshal([]byte(quoted), &want); err != nil || text != want {
				t.Fatalf("%s: %q became %q, want %q (%v)", deliveries[i].name, content, text, want, err)
			}
		}
	})
}

var jsonEscape = regexp.MustCompile(`\\u[0-9a-fA-F]{4}|\\[^u]|(?s:.)`)

// paired reports whether all escaped surrogates come in pairs, if s is otherwise
// the inside of a JSON string.
func paired(s string) bool {
	high := rune(0)
	for _, piece := range jsonEscape.FindAllString(s, -1) {
		unit := rune(0)
		if len(piece) == 6 {
			_, _ = fmt.Sscanf(piece[2:], "%x", &unit)
		}
		switch {
		case high != 0:
			if utf16.DecodeRune(high, unit) == utf8.RuneError {
				return false
			}
			high = 0
		case utf16.IsSurrogate(unit):
			high = unit
		}
	}
	return high == 0
}

var callback = regexp.MustCompile(`^[A-Za-z_$][\w$.]*(\[[0-9]+\](\.[\w$.]*)?)*$`)

func callable(cb string) bool {
	return callback.MatchString(cb) && !strings.Contains(cb, ".[") && !strings.HasSuffix(cb, "\n") && len(cb) <= web.MaxCallback
}

// A callback is a name, and comes back as it was sent. Anything else is refused,
// and does not come back at all.
func FuzzCallback(f *testing.F) {
	for _, cb := range []string{"f", "$", "_", "jQuery.cb_1", "a..b", "1f", ".f", "f()", "f\n", "f\x00", "alert(1)//", "é", "a b", "a+b", "<", "",
		"handlers[3]", "a.b[0][12].c", "a[", "a[]", "a[b]", "a[1]b", "a[1]2", "a.[1]", "[1]", "a]", "a[-1]", "a['b']", "a[1].", strings.Repeat("f", 128), strings.Repeat("f", 129)} {
		f.Add(cb)
	}
	st := newStage(f, Config{Loops: 1})
	st.admin(0, "/push?cname=a&content=x")
	backlog := "([" + object("data", 1, "x") + "]);\n"
	f.Fuzz(func(t *testing.T, cb string) {
		if len(cb) > 1024 {
			return
		}
		st.t = t
		p, admin := st.enter(0, conn.Front), st.enter(0, conn.Admin)
		p.send(reqGet(0, "/sub?cname=a&seq=1&cb="+url.QueryEscape(cb)))
		admin.send(reqGet(0, "/sign?cname=a&cb="+url.QueryEscape(cb)))
		got, signed := p.take(), admin.take()
		p.leave()
		admin.leave()
		st.settle()
		switch {
		case cb == "":
			same(t, got, answer(ok200, asJSON, strings.TrimSuffix(backlog, ");\n")[1:]+"\n"))
		case callable(cb):
			same(t, got, answer(ok200, asScript, cb+backlog))
			if !strings.Contains(signed, "\r\n\r\n"+cb+`({"type":"sign",`) {
				t.Fatalf("sign: %q", signed)
			}
		default:
			if !strings.HasPrefix(got, "HTTP/1.1 400 ") || !strings.HasPrefix(signed, "HTTP/1.1 400 ") || len(cb) > 20 && strings.Contains(got, cb) {
				t.Fatalf("%q: %q, %q", cb, got, signed)
			}
		}
	})
}
