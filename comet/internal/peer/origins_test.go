package peer

import (
	"strings"
	"testing"
)

func TestParseOrigins(t *testing.T) {
	o, err := ParseOrigins([]string{"https://example.com, HTTPS://B.example:443", "https://*.example.org:8443", "", "http://[::1]:3000", "capacitor://localhost", "http://c.example:80"})
	if err != nil {
		t.Fatal(err)
	}
	for origin, want := range map[string]bool{
		"https://example.com": true, "https://b.example": true, "http://[::1]:3000": true, "capacitor://localhost": true, "http://c.example": true,
		"https://a.example.org:8443": true, "https://a.b.example.org:8443": true,
		"http://example.com": false, "https://example.com:8443": false, "https://www.example.com": false, "https://example.com.evil.example": false,
		"https://example.org:8443": false, "https://.example.org:8443": false, "https://a.example.org": false, "http://a.example.org:8443": false,
		"https://evil.example/.example.org:8443": false, "https://evil.example?.example.org:8443": false, "https://aexample.org:8443": false,
		"null": false, "": false, "*": false, "https://*.example.org:8443": false,
	} {
		if o.Names([]byte(origin)) != want {
			t.Errorf("%q: want %v", origin, want)
		}
	}
	if o.Any || !o.Named() || o.Empty() {
		t.Errorf("%+v", o)
	}
	for _, text := range []string{
		"https://example.com/", "https://example.com/a", "example.com", "https://", "null", "https://user@example.com", "https://*", "https://a.*.example.com",
		"https://example.com:", "https://example.com:x", "https://example.com:123456", "https://example.com:65536", "https://example.com:0", "https://example.com:08443", "https://ex ample.com", "https://exämple.com", "https://[::1", "://a", "https://..a", "https://a?b",
	} {
		if _, err := ParseOrigins([]string{text}); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzOrigins(f *testing.F) {
	for _, text := range []string{"https://example.com", "https://*.example.com:8443", "*", "null", "http://[::1]:80", "https://a,b://c"} {
		f.Add(text, "https://www.example.com")
	}
	f.Fuzz(func(t *testing.T, text, origin string) {
		o, err := ParseOrigins([]string{text})
		if err != nil {
			return
		}
		for named := range o.exact {
			if !o.Names([]byte(named)) || strings.ContainsAny(named, " \t\r\n\"<>\\'") {
				t.Errorf("%q names %q", text, named)
			}
		}
		if o.Names([]byte(origin)) && strings.ContainsAny(origin, "\r\n") {
			t.Errorf("%q names %q", text, origin)
		}
	})
}
