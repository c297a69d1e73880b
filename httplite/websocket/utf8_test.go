package websocket

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// viable reports whether more bytes could make p UTF-8, by trying all that could.
func viable(p string) bool {
	for len(p) > 0 {
		r, n := utf8.DecodeRuneInString(p)
		if r == utf8.RuneError && n == 1 {
			break
		}
		p = p[n:]
	}
	if p == "" {
		return true
	}
	if len(p) > 3 || p[0] < 0xC0 {
		return false
	}
	for _, tail := range []string{"\x80", "\x90", "\xA0"} {
		for _, rest := range []string{"", "\x80", "\x80\x80"} {
			if utf8.ValidString(p+tail+rest) || utf8.ValidString(p+rest) {
				return true
			}
		}
	}
	return false
}

// TestUTF8 checks every sequence of up to three of the bytes at which a rule begins or ends, cut at every place, alone
// and within ASCII. A sequence must be refused exactly when no further byte can make it valid.
func TestUTF8(t *testing.T) {
	edges := "\x00a\x7f\x80\x8f\x90\x9f\xa0\xbf\xc0\xc1\xc2\xdf\xe0\xe1\xec\xed\xee\xef\xf0\xf1\xf3\xf4\xf5\xff"
	var sequences []string
	for _, a := range []byte(edges) {
		for _, b := range []byte(edges) {
			for _, c := range []byte(edges) {
				sequences = append(sequences, string([]byte{a}), string([]byte{a, b}), string([]byte{a, b, c}),
					string([]byte{a, b, c, 0x80}), string([]byte{a, b, c, 0xBF, 'x'}))
			}
		}
	}
	for _, s := range sequences {
		checkText(t, s)
	}
	for _, s := range []string{"", "é", "κόσμε", "\U0010FFFF", "𝄞", "\xF0\x9D\x84", "a\xED\xA0\x80", strings.Repeat("κ", 50) + "\xC1"} {
		for _, before := range []string{"", "0123456789abcdefghijklmnopqrstuvwxyz"} {
			checkText(t, before+s)
			checkText(t, before+s+"0123456789")
		}
	}
}

func checkText(t *testing.T, s string) {
	t.Helper()
	for cut := range len(s) + 1 {
		var u utf8Check
		first := u.write([]byte(s[:cut]))
		if first != viable(s[:cut]) {
			t.Fatalf("%q: %v", s[:cut], first)
		}
		if first && u.done() != utf8.ValidString(s[:cut]) {
			t.Fatalf("%q: done %v", s[:cut], u.done())
		}
		if second := first && u.write([]byte(s[cut:])); second != viable(s) {
			t.Fatalf("%q behind %q: %v", s[cut:], s[:cut], second)
		}
	}
}
