package peer

import (
	"strings"
	"testing"

	"ccomet/httplite"
)

// asked parses a request with these header lines.
func asked(t testing.TB, lines ...string) *httplite.Request {
	t.Helper()
	req := new(httplite.Request)
	text := "GET / HTTP/1.1\r\nHost: h\r\n" + strings.Join(lines, "") + "\r\n"
	if n, err := req.Parse([]byte(text), nil); err != nil || n != len(text) {
		t.Fatalf("%q: %d, %v", text, n, err)
	}
	return req
}

// Results of ForwardedClient other than an address.
const none, bad = "none", "bad"

// forwarded are the headers of requests from a trusted proxy, and the clients in
// them.
var forwarded = []struct {
	lines []string
	want  string
}{
	{nil, none},
	{[]string{"X-Forwarded-Host: 1.2.3.4\r\n", "Forwarded: for=1.2.3.4\r\n"}, none},
	{[]string{"X-Forwarded-For: 1.2.3.4\r\n"}, "1.2.3.4"},
	{[]string{"x-forwarded-for:1.2.3.4 \r\n"}, "1.2.3.4"},
	{[]string{"X-Forwarded-For: 2001:db8::7\r\n"}, "2001:db8::7"},
	{[]string{"X-Forwarded-For: ::ffff:1.2.3.4\r\n"}, "1.2.3.4"},
	{[]string{"X-Forwarded-For: 1.2.3.4:56789\r\n"}, "1.2.3.4"},
	{[]string{"X-Forwarded-For: [2001:db8::7]:443\r\n"}, "2001:db8::7"},
	{[]string{"X-Forwarded-For: [2001:db8::7]\r\n"}, "2001:db8::7"},
	// The rightmost that is not trusted; anybody may have written what is to the
	// left of it.
	{[]string{"X-Forwarded-For: 6.6.6.6, 1.2.3.4\r\n"}, "1.2.3.4"},
	{[]string{"X-Forwarded-For: 6.6.6.6,1.2.3.4 ,\t10.0.0.1, fd00::1\r\n"}, "1.2.3.4"},
	{[]string{"X-Forwarded-For: nonsense, 1.2.3.4\r\n"}, "1.2.3.4"},
	{[]string{"X-Forwarded-For: , 1.2.3.4, ::ffff:10.0.0.1\r\n"}, "1.2.3.4"},
	{[]string{"X-Forwarded-For: 1.2.3.4, unix:\r\n"}, "1.2.3.4"},
	// All trusted: the leftmost.
	{[]string{"X-Forwarded-For: 127.0.0.1\r\n"}, "127.0.0.1"},
	{[]string{"X-Forwarded-For: 10.0.0.9, 10.0.0.1, 127.0.0.1\r\n"}, "10.0.0.9"},
	{[]string{"X-Forwarded-For: unix:\r\n"}, "unix"},
	// Several headers are one list.
	{[]string{"X-Forwarded-For: 6.6.6.6\r\n", "X-Forwarded-For: 1.2.3.4\r\n"}, "1.2.3.4"},
	{[]string{"X-Forwarded-For: 6.6.6.6, 1.2.3.4\r\n", "Via: 1.1 x\r\n", "X-FORWARDED-FOR: 10.0.0.1\r\n"}, "1.2.3.4"},
	{[]string{"X-Forwarded-For: 10.0.0.2\r\n", "X-Forwarded-For: 10.0.0.1\r\n"}, "10.0.0.2"},
	// Empty text is no address, and no error.
	{[]string{"X-Forwarded-For:\r\n"}, none},
	{[]string{"X-Forwarded-For: ,\r\n"}, none},
	{[]string{"X-Forwarded-For: 1.2.3.4,\r\n"}, "1.2.3.4"},
	{[]string{"X-Forwarded-For: 6.6.6.6, 1.2.3.4, , 10.0.0.1\r\n"}, "1.2.3.4"},
	{[]string{"X-Forwarded-For: 1.2.3.4\r\n", "X-Forwarded-For:\r\n"}, "1.2.3.4"},
	// Malformed at a place that counts.
	{[]string{"X-Forwarded-For: 1.2.3.4, nonsense\r\n"}, bad},
	{[]string{"X-Forwarded-For: nonsense, 10.0.0.1\r\n"}, bad},
	{[]string{"X-Forwarded-For: 1.2.3.4\r\n", "X-Forwarded-For: 10.0.0.1, x\r\n"}, bad},
	{[]string{"X-Forwarded-For: x\r\n", "X-Forwarded-For: 10.0.0.1\r\n"}, bad},
	{[]string{"X-Forwarded-For: 1.2.3\r\n"}, bad},
	{[]string{"X-Forwarded-For: 01.2.3.4\r\n"}, bad},
	{[]string{"X-Forwarded-For: 1.2.3.4:\r\n"}, bad},
	{[]string{"X-Forwarded-For: 1.2.3.4:65536\r\n"}, bad},
	{[]string{"X-Forwarded-For: 1.2.3.4:x\r\n"}, bad},
	{[]string{"X-Forwarded-For: [1.2.3.4]:80\r\n"}, bad},
	{[]string{"X-Forwarded-For: [2001:db8::7\r\n"}, bad},
	{[]string{"X-Forwarded-For: [2001:db8::7]x\r\n"}, bad},
	{[]string{"X-Forwarded-For: [2001:db8::7]:\r\n"}, bad},
	{[]string{"X-Forwarded-For: []\r\n"}, bad},
	{[]string{"X-Forwarded-For: fe80::1%eth0\r\n"}, bad},
	{[]string{"X-Forwarded-For: unknown\r\n"}, bad},
	{[]string{"X-Forwarded-For: \"1.2.3.4\"\r\n"}, bad},
	{[]string{"X-Forwarded-For: 1.2.3.4 5.6.7.8\r\n"}, bad},
}

func TestForwardedClient(t *testing.T) {
	trusted := addresses(t, "127.0.0.1 10. fd00::/8 unix")
	for _, test := range forwarded {
		client, told, ok := ForwardedClient(asked(t, test.lines...), &trusted)
		got := client.String()
		switch {
		case !ok:
			got = bad
		case !told:
			got = none
		case !client.IsValid():
			got = "unix"
		}
		if got != test.want {
			t.Errorf("%q: %s, want %s", test.lines, got, test.want)
		}
	}
}

// FuzzForwardedFor: for any header, the client is one of its elements, and
// everything to the right of it is trusted proxies.
func FuzzForwardedFor(f *testing.F) {
	for _, list := range []string{"1.2.3.4", "6.6.6.6, 10.0.0.1", "[::1]:1, 10.0.0.1,10.0.0.2", "x,,1.2.3.4:80", "unix:", "fd00::1, ::ffff:10.1.1.1"} {
		f.Add(list)
	}
	trusted := addresses(f, "10. fd00::/8")
	f.Fuzz(func(t *testing.T, list string) {
		req := new(httplite.Request)
		text := "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: " + list + "\r\n\r\n"
		if n, err := req.Parse([]byte(text), nil); err != nil || n != len(text) || req.NumHeaders() != 2 {
			return // not exactly one header
		}
		client, told, ok := ForwardedClient(req, &trusted)
		var elements []string
		for _, element := range strings.Split(list, ",") {
			if element = strings.Trim(element, " \t"); element != "" {
				elements = append(elements, element)
			}
		}
		if told != (len(elements) > 0) {
			t.Fatalf("%q: got %v", list, told)
		}
		if !told {
			return
		}
		at := len(elements) - 1
		for at > 0 {
			hop, good := parseHop([]byte(elements[at]))
			if !good || !trusted.Has(hop) {
				break
			}
			at--
		}
		hop, good := parseHop([]byte(elements[at]))
		if good != ok || ok && hop != client {
			t.Errorf("%q: %v, %v; element %d is %v, %v", list, client, ok, at, hop, good)
		}
	})
}
