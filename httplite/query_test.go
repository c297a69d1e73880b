package httplite

import (
	"bytes"
	"fmt"
	"testing"
)

func TestArgs(t *testing.T) {
	for raw, want := range map[string]string{
		"":                 "",
		"a":                "a;",
		"a=":               "a=;",
		"=":                "=;",
		"=b":               "=b;",
		"a=1&b=2":          "a=1;b=2;",
		"&&a=1&&&b&":       "a=1;b;",
		"a=b=c&d==":        "a=b=c;d==;",
		"a+b=%20&%zz=\xff": "a+b=%20;%zz=\xff;",
		"a;b=c":            "a;b=c;",
	} {
		got := ""
		args := ParseArgs([]byte(raw))
		for {
			key, value, ok := args.Next()
			if !ok {
				break
			}
			got += string(key)
			if value != nil {
				got += "=" + string(value)
			}
			got += ";"
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", raw, got, want)
		}
		if _, _, ok := args.Next(); ok {
			t.Errorf("%q: goes on after its end", raw)
		}
	}
}

func TestGetArg(t *testing.T) {
	const raw = "x=0&na%6de=1&name=2&a+b=3&k&%zz=4&%6=5&caf%C3%A9=%36&long%"
	for name, want := range map[string]string{
		"x": "0 true", "name": "1 true", "a b": "3 true", "k": " true", "café": "%36 true",
		"%zz": "4 true", "%6": "5 true", "nam": " false", "names": " false", "": " false", "long%": " true", "long": " false", "a+b": " false",
	} {
		value, ok := GetArg([]byte(raw), name)
		if got := fmt.Sprintf("%s %v", value, ok); got != want {
			t.Errorf("GetArg(%q) = %q, want %q", name, got, want)
		}
	}
	if value, ok := GetArgFold([]byte("x=0&CN%61%4De=1"), "cname"); !ok || string(value) != "1" {
		t.Errorf("GetArgFold: %q, %v", value, ok)
	}
	if value, ok := GetArg([]byte("a&="), ""); !ok || value == nil {
		t.Error("the empty key is a key")
	}
}

func TestUnescape(t *testing.T) {
	for _, c := range []struct {
		in, out string
	}{
		{"", ""},
		{"plain", "plain"},
		{"a+b", "a b"},
		{"%41%2b%2B%00", "A++\x00"},
		{"%e4%bd%a0+x", "你 x"},
		{"\xff&=", "\xff&="},
		{"%", "%"},
		{"100%", "100%"},
		{"a%4", "a%4"},
		{"+%4g", " %4g"},
		{"%g4", "%g4"},
		{"%%41", "%A"},
		{"%4%41", "%4A"},
		{"%%%25%2", "%%%%2"},
	} {
		src := []byte(c.in)
		if dst := AppendUnescape([]byte("dst:"), src); string(dst) != "dst:"+c.out || string(src) != c.in {
			t.Errorf("AppendUnescape(%q) = %q; source now %q", c.in, dst, src)
		}
		got := Unescape(src)
		if string(got) != c.out {
			t.Errorf("Unescape(%q) = %q", c.in, got)
		}
		if len(got) > 0 && &got[0] != &src[0] {
			t.Errorf("Unescape(%q) is not in place", c.in)
		}
	}
}

func TestEscapeAndBack(t *testing.T) {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	sent := AppendEscape([]byte("q="), every)
	if !all(sent, isQuery) || bytes.ContainsAny(sent[2:], "&=+#? \xff") {
		t.Errorf("%q holds what must be escaped", sent)
	}
	value, ok := GetArg(sent, "q")
	if back := Unescape(value); !ok || !bytes.Equal(back, every) {
		t.Errorf("came back as %q", back)
	}
	if got := AppendEscape(nil, []byte("aZ0-._~ é/")); string(got) != "aZ0-._~%20%C3%A9%2F" {
		t.Errorf("%q", got)
	}
}

func TestIsForm(t *testing.T) {
	for value, want := range map[string]bool{
		"application/x-www-form-urlencoded":                  true,
		" Application/X-WWW-Form-Urlencoded ; charset=utf-8": true,
		"application/x-www-form-urlencoded;":                 true,
		"application/x-www-form-urlencoded2":                 false,
		"application/x-www-form-urlencode":                   false,
		"multipart/form-data; boundary=x":                    false,
		"text/plain; application/x-www-form-urlencoded":      false,
		"": false,
	} {
		if IsForm([]byte(value)) != want {
			t.Errorf("IsForm(%q) = %v", value, !want)
		}
	}
}
