package httplite

import (
	"bytes"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
)

// values decodes raw with Args and AppendUnescape, by net/url's rules. It skips pairs that contain
// a semicolon, which is an ordinary byte here, and pairs with a '%' that begins no escape, which
// stays as it is here.
func values(raw []byte) url.Values {
	out := url.Values{}
	args := ParseArgs(raw)
	for {
		key, value, ok := args.Next()
		if !ok {
			return out
		}
		if bytes.IndexByte(key, ';') >= 0 || bytes.IndexByte(value, ';') >= 0 || !wholeEscapes(key) || !wholeEscapes(value) {
			continue
		}
		out.Add(string(AppendUnescape(nil, key)), string(AppendUnescape(nil, value)))
	}
}

// wholeEscapes reports whether each '%' of src begins an escape, as net/url requires.
func wholeEscapes(src []byte) bool {
	_, err := url.QueryUnescape(string(src))
	return err == nil
}

// standardUnescape decodes as the URL standard does, with net/url for the valid escapes.
func standardUnescape(src string) string {
	parts := strings.Split(src, "%")
	out := strings.ReplaceAll(parts[0], "+", " ")
	for _, part := range parts[1:] {
		decoded, err := url.QueryUnescape("%" + part)
		if err != nil {
			decoded = "%" + strings.ReplaceAll(part, "+", " ")
		}
		out += decoded
	}
	return out
}

func FuzzQuery(f *testing.F) {
	for _, raw := range []string{"", "a=1&b=2", "&&a&b=&=c&=", "a+b=%20&a%20b=2", "%zz=1&x=%", "a;b=c&d", "\xff=%ff&%00=+", "%61=1&a=2", "A+B=1&%41%20b=2&a b"} {
		f.Add([]byte(raw), "a b")
	}
	f.Fuzz(func(t *testing.T, raw []byte, name string) {
		was := string(raw)
		theirs, _ := url.ParseQuery(was) // the pairs that it accepts, whatever the error
		if ours := values(raw); !reflect.DeepEqual(ours, theirs) && len(ours)+len(theirs) > 0 {
			t.Fatalf("Args: %q, net/url: %q", ours, theirs)
		}
		names := []string{name}
		for key := range theirs {
			names = append(names, key)
		}
		for _, name := range names {
			checkGetArg(t, raw, name, GetArg, func(a, b string) bool { return a == b })
			checkGetArg(t, raw, name, GetArgFold, func(a, b string) bool { return equalFold([]byte(a), b) })
		}
		if string(raw) != was {
			t.Fatalf("the input is changed: %q", raw)
		}
		decoded := standardUnescape(was)
		if ours := Unescape(bytes.Clone(raw)); string(ours) != decoded {
			t.Fatalf("Unescape: %q; the URL standard: %q", ours, decoded)
		}
		sent := string(AppendEscape(nil, raw))
		for _, unescape := range []func(string) (string, error){url.QueryUnescape, url.PathUnescape} {
			if back, err := unescape(sent); err != nil || back != was {
				t.Fatalf("AppendEscape: %q comes back as %q, %v", sent, back, err)
			}
		}
	})
}

// checkGetArg compares GetArg, or GetArgFold, with a slow implementation.
func checkGetArg(t *testing.T, raw []byte, name string, get func([]byte, string) ([]byte, bool), equal func(a, b string) bool) {
	got, found := get(raw, name)
	args := ParseArgs(raw)
	for {
		key, value, ok := args.Next()
		if !ok {
			break
		}
		if equal(string(AppendUnescape(nil, key)), name) {
			if !found || !bytes.Equal(got, value) {
				t.Fatalf("GetArg(%q) = %q, %v; want %q", name, got, found, value)
			}
			return
		}
	}
	if found {
		t.Fatalf("GetArg(%q) = %q, want nothing", name, got)
	}
}

// FuzzForm gives a form to net/http, and compares whether it is one and what it contains. If
// net/http does not accept the Content-Type, nothing is compared: parameters are not parsed here.
func FuzzForm(f *testing.F) {
	f.Add("application/x-www-form-urlencoded", []byte("a=1&b=%20"))
	f.Add("Application/X-WWW-Form-URLencoded ; charset=\"utf-8\"", []byte("a=1;2&&c"))
	f.Add("text/plain; a=application/x-www-form-urlencoded", []byte("a=1"))
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		if !validValue([]byte(contentType)) || strings.ContainsFunc(contentType, func(c rune) bool { return c >= 0x80 }) {
			return // no header value contains this; and net/http also trims Unicode's spaces
		}
		media, _, err := mime.ParseMediaType(contentType)
		if err != nil {
			return
		}
		if got := IsForm([]byte(contentType)); got != (media == "application/x-www-form-urlencoded") {
			t.Fatalf("IsForm(%q) = %v, but mime says %q", contentType, got, media)
		} else if !got {
			return
		}
		theirs, err := http.NewRequest("POST", "/", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		theirs.Header.Set("Content-Type", contentType)
		_ = theirs.ParseForm() // keeps the pairs that it accepts, whatever the error
		if ours := values(body); len(ours)+len(theirs.PostForm) > 0 && !reflect.DeepEqual(ours, theirs.PostForm) {
			t.Fatalf("Args: %q, net/http: %q", ours, theirs.PostForm)
		}
	})
}
