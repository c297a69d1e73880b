package jsontext

import (
	"encoding/json"
	"testing"
)

// pieces are parts of strings: plain and special characters, escapes, and what is no part of a
// JSON string or no UTF-8.
var pieces = []string{
	"a", "é", "\u2028", "\u2029", "\u2027", "\U0001F600", " ", "/", `\"`, `\\`, `\/`, `\n`, `\b`, `\u0041`, `\u00e9`, `\u2028`, `\uD83D`, `\uDE00`, `\ufffd`,
	`"`, `\`, `\x`, `\u12`, `\u12g4`, "\n", "\x00", "\x1f", "\xff", "\xe2", "\xe2\x80", "\xc0\x80",
}

// eachText calls test with every text of three pieces.
func eachText(test func(text string)) {
	for _, a := range pieces {
		for _, b := range pieces {
			for _, c := range pieces {
				test(a + b + c)
			}
		}
	}
}

// AppendChecked accepts exactly what the parser accepts as a string, and does not change its
// value.
func TestAppendChecked(t *testing.T) {
	eachText(func(text string) {
		r := Reader{In: []byte(`"` + text + `"`)}
		parsed, valid := r.ReadString()
		valid = valid && r.Pos == len(r.In)
		out, bad, ok := AppendChecked(nil, []byte(text))
		if ok != valid {
			t.Fatalf("%q is accepted: %t, want %t", text, ok, valid)
		}
		if !ok && bad >= len(text) {
			t.Errorf("%q: got an error at %d, after its end", text, bad)
		}
		if !ok {
			return
		}
		var value string
		if err := json.Unmarshal([]byte(`"`+string(out)+`"`), &value); err != nil || value != string(AppendDecoded(nil, parsed.Raw)) {
			t.Errorf("%q became %s (%v)", text, out, err)
		}
		for i := range out {
			if isLineSeparator(out[i:]) {
				t.Errorf("%q became %q, with a line separator", text, out)
			}
		}
	})
}

// AppendEscaped makes a JSON string of any text.
func TestAppendEscaped(t *testing.T) {
	eachText(func(text string) {
		var want string
		text = string([]rune(text)) // it must be UTF-8
		out := AppendEscaped(nil, []byte(text))
		if err := json.Unmarshal([]byte(`"`+string(out)+`"`), &want); err != nil || want != text {
			t.Errorf("%q became %s (%v)", text, out, err)
		}
		if _, _, ok := AppendChecked(nil, out); !ok {
			t.Errorf("%q became %s, which is no JSON string", text, out)
		}
	})
}
