package httplite

import (
	"strings"
	"testing"
)

// get11 is a valid request up to the place where a test adds lines of its own.
const get11 = "GET / HTTP/1.1\r\nHost: h\r\n"

// accepted lists valid requests and their meaning. TestRequestGood sets n: the length of raw.
var accepted = []struct {
	name string
	raw  string
	want outcome
}{
	{"simple", get11 + "\r\n",
		outcome{method: GET, verb: "GET", target: "/", path: "/", host: "h", minor: 1, keepAlive: true, headers: "Host=h\n"}},
	{"query", "GET /a/b%20c?x=1&y=%zz?\xc3\xa9 HTTP/1.1\r\nHost: h:80\r\n\r\n",
		outcome{method: GET, verb: "GET", target: "/a/b%20c?x=1&y=%zz?\xc3\xa9", path: "/a/b%20c", query: "x=1&y=%zz?\xc3\xa9",
			host: "h:80", minor: 1, keepAlive: true, headers: "Host=h:80\n"}},
	{"empty query", "GET /? HTTP/1.0\r\n\r\n",
		outcome{method: GET, verb: "GET", target: "/?", path: "/"}},
	{"one empty line before", "\r\n" + get11 + "\r\n",
		outcome{method: GET, verb: "GET", target: "/", path: "/", host: "h", minor: 1, keepAlive: true, headers: "Host=h\n"}},
	{"1.0 closes", "HEAD / HTTP/1.0\r\n\r\n",
		outcome{method: HEAD, verb: "HEAD", target: "/", path: "/"}},
	{"1.0 kept alive", "GET / HTTP/1.0\r\nConnection: foo, Keep-Alive\r\n\r\n",
		outcome{method: GET, verb: "GET", target: "/", path: "/", keepAlive: true, headers: "Connection=foo, Keep-Alive\n"}},
	{"1.0 close wins", "GET / HTTP/1.0\r\nConnection: keep-alive\r\nConnection: x,close\r\n\r\n",
		outcome{method: GET, verb: "GET", target: "/", path: "/", headers: "Connection=keep-alive\nConnection=x,close\n"}},
	{"1.1 closes", get11 + "connection:\tCLOSE \r\n\r\n",
		outcome{method: GET, verb: "GET", target: "/", path: "/", host: "h", minor: 1, headers: "Host=h\nconnection=CLOSE\n"}},
	{"1.1 closer is no close", get11 + "Connection: closer\r\n\r\n",
		outcome{method: GET, verb: "GET", target: "/", path: "/", host: "h", minor: 1, keepAlive: true, headers: "Host=h\nConnection=closer\n"}},
	{"other method", "get / HTTP/1.0\r\n\r\n",
		outcome{method: Other, verb: "get", target: "/", path: "/"}},
	{"empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n",
		outcome{method: GET, verb: "GET", target: "/", path: "/", minor: 1, keepAlive: true, headers: "Host=\n"}},
	{"value with tab and obs-text", get11 + "X:  a\tb \xff\t \r\n\r\n",
		outcome{method: GET, verb: "GET", target: "/", path: "/", host: "h", minor: 1, keepAlive: true, headers: "Host=h\nX=a\tb \xff\n"}},
	{"absolute form", "GET HTTP://Example.com:8080/p?q HTTP/1.1\r\nHost: other\r\n\r\n",
		outcome{method: GET, verb: "GET", target: "HTTP://Example.com:8080/p?q", path: "/p", query: "q",
			host: "Example.com:8080", minor: 1, keepAlive: true, headers: "Host=other\n"}},
	{"absolute form without path", "GET https://[::1] HTTP/1.1\r\nHost: x\r\n\r\n",
		outcome{method: GET, verb: "GET", target: "https://[::1]", path: "/", host: "[::1]", minor: 1, keepAlive: true, headers: "Host=x\n"}},
	{"absolute form with query only", "GET http://h?q=/ HTTP/1.0\r\n\r\n",
		outcome{method: GET, verb: "GET", target: "http://h?q=/", path: "/", query: "q=/", host: "h"}},
	{"asterisk form", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
		outcome{method: OPTIONS, verb: "OPTIONS", target: "*", path: "*", host: "h", minor: 1, keepAlive: true, headers: "Host=h\n"}},
	{"authority form", "CONNECT h:443 HTTP/1.1\r\nHost: other\r\n\r\n",
		outcome{method: CONNECT, verb: "CONNECT", target: "h:443", host: "h:443", minor: 1, keepAlive: true, headers: "Host=other\n"}},
	{"double slash is a path", "GET //a//b HTTP/1.0\r\n\r\n",
		outcome{method: GET, verb: "GET", target: "//a//b", path: "//a//b"}},
	{"body", "POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 05\r\n\r\nhe\r\nl",
		outcome{method: POST, verb: "POST", target: "/p", path: "/p", host: "h", minor: 1, keepAlive: true,
			headers: "Host=h\nContent-Length=05\n", body: "he\r\nl"}},
	{"body of nothing", "PUT /p HTTP/1.0\r\nContent-Length: 0\r\n\r\n",
		outcome{method: PUT, verb: "PUT", target: "/p", path: "/p", headers: "Content-Length=0\n"}},
	{"expectation ignored in 1.0", "PUT /p HTTP/1.0\r\nExpect: coffee\r\n\r\n",
		outcome{method: PUT, verb: "PUT", target: "/p", path: "/p", headers: "Expect=coffee\n"}},
}

func TestRequestGood(t *testing.T) {
	for _, c := range accepted {
		t.Run(c.name, func(t *testing.T) {
			c.want.n = len(c.raw)
			if got := cutEverywhere(t, c.raw, nil); got != c.want {
				t.Errorf("%q:\n got %v\nwant %v", c.raw, got, c.want)
			}
			// What follows changes nothing.
			if got := cutEverywhere(t, c.raw+"GET /next", nil); got != c.want {
				t.Errorf("with more behind, %q:\n got %v\nwant %v", c.raw, got, c.want)
			}
			// And one byte less is not enough.
			if got := feed(t, c.raw[:len(c.raw)-1], nil); got != (outcome{}) {
				t.Errorf("without its last byte, %q: %v", c.raw, got)
			}
		})
	}
}

const postChunked = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n"

func TestRequestChunked(t *testing.T) {
	long := strings.Repeat("x", 300)
	for _, c := range []struct{ name, raw, body string }{
		{"empty", "0\r\n\r\n", ""},
		{"zeros", "000\r\n\r\n", ""},
		{"one", "5\r\nhello\r\n0\r\n\r\n", "hello"},
		{"three", "1\r\na\r\n2\r\nbc\r\n3\r\nd\r\n\r\n0\r\n\r\n", "abcd\r\n"},
		{"long", "12c\r\n" + long + "\r\n12C\r\n" + long + "\r\n0\r\n\r\n", long + long},
		{"padded size", "000000000000005\r\nhello\r\n0\r\n\r\n", "hello"},
		{"extensions", "5;a=b;c=\"d\t e\"\r\nhello\r\n0 \t;last\r\n\r\n", "hello"},
		{"extensions with all the grammar has", "5 ; a ;\tb = c;d\t=\t\"\" ; e=\"\\\"\\\\\xe9;=\"\r\nhello\r\n0\r\n\r\n", "hello"},
		{"trailers", "5\r\nhello\r\n0\r\nA: b\r\nDigest:\r\n\r\n", "hello"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := cutEverywhere(t, postChunked+c.raw+"GET / HTTP/1.0\r\n\r\n", nil)
			if want := len(postChunked) + len(c.raw); got.n != want || got.body != c.body || got.kind != 0 {
				t.Errorf("%q: got %v, want body %q of %d bytes", c.raw, got, c.body, want)
			}
		})
	}
}

// The bytes of an incomplete chunked request are unchanged, so that another Request can take over.
func TestIncompleteInputIsUntouched(t *testing.T) {
	raw := postChunked + "5;x\r\nhello\r\n6\r\n world\r\n0\r\nA: b\r\n\r\n"
	buf := []byte(raw)
	var r Request
	for i := range buf {
		if n, err := r.Parse(buf[:i], nil); n != 0 || err != nil {
			t.Fatal(n, err)
		}
		if string(buf) != raw {
			t.Fatalf("after %d bytes: %q", i, buf)
		}
	}
	var other Request
	if n, err := other.Parse(buf, nil); n != len(buf) || err != nil || string(other.Body()) != "hello world" {
		t.Errorf("%d, %v, %q", n, err, other.Body())
	}
}

// A request that arrives byte by byte costs O(its length): each Parse starts after what was already
// searched.
func TestNothingIsSearchedTwice(t *testing.T) {
	raw := []byte(postChunked + "5;x\r\nhello\r\n0\r\nA: b\r\n\r\n")
	var r Request
	for i := 1; i < len(raw); i++ {
		if n, err := r.Parse(raw[:i], nil); n != 0 || err != nil {
			t.Fatal(n, err)
		}
		if at := max(int(r.scan), r.in); at != i {
			t.Fatalf("of %d bytes, %d have been looked at", i, at)
		}
	}
	var resp Response
	raw = []byte("HTTP/1.1 200 OK\r\nA: b\r\n\r\n")
	for i := 1; i < len(raw); i++ {
		if _, err := resp.ParseHead(raw[:i], nil); err != nil || int(resp.scan) != i {
			t.Fatalf("of %d bytes, %d have been looked at; %v", i, resp.scan, err)
		}
	}
}

func TestPipelining(t *testing.T) {
	input := []byte("GET /1 HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n" +
		"\r\nPOST /2 HTTP/1.1\r\nHost: b\r\nContent-Length: 3\r\n\r\nabc" +
		"POST /3 HTTP/1.1\r\nHost: c\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ndef\r\n0\r\n\r\n" +
		"GET /4 HTTP/1.0\r\n\r\nGET /5")
	var r Request
	var got []string
	for {
		n, err := r.Parse(input, nil)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
		got = append(got, string(r.Path())+" "+string(r.Host())+" "+string(r.Body())+" "+string(r.Header("x")))
		input = input[n:]
	}
	if s := strings.Join(got, "; "); s != "/1 a  y; /2 b abc ; /3 c def ; /4   " {
		t.Errorf("got %q", s)
	}
	if string(input) != "GET /5" || !r.Started() {
		t.Errorf("left %q, started %v", input, r.Started())
	}
}

func TestStarted(t *testing.T) {
	for raw, want := range map[string]bool{
		"": false, "\r": false, "\r\n": false, "\r\nG": true, "G": true, get11: true,
		"\x16": true, "\r\n\r": true, // refused, so it has begun
	} {
		var r Request
		n, _ := r.Parse([]byte(raw), nil)
		if r.Started() != want || n != 0 {
			t.Errorf("after %q: %d, started %v", raw, n, r.Started())
		}
	}
	var r Request
	if r.Started() {
		t.Error("the zero Request has started")
	}
	if n, err := r.Parse([]byte(get11+"\r\n"), nil); n == 0 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := r.Parse([]byte("\r\n"), nil); n != 0 || err != nil || r.Started() {
		t.Error("an empty line after a request begins another", n, err)
	}
}

func TestHeaderLookup(t *testing.T) {
	raw := []byte(get11 + "X-A: 1\r\nx-a: 2\r\nX^B: 3\r\nEmpty:\r\nConnection: foo\r\nConnection: Upgrade , bar\r\n\r\n")
	var r Request
	if n, err := r.Parse(raw, nil); n != len(raw) || err != nil {
		t.Fatal(n, err)
	}
	if got := r.Header("x-A"); string(got) != "1" || cap(got) != 1 {
		t.Errorf("Header(x-A) = %q of capacity %d", got, cap(got))
	}
	if got := r.Header("x~b"); got != nil { // '^' and '~' differ by the bit that letters fold by
		t.Errorf("Header(x~b) = %q", got)
	}
	if got := r.Header("empty"); got == nil || len(got) != 0 {
		t.Errorf("Header(empty) = %#v", got)
	}
	if got := r.Header("absent"); got != nil {
		t.Errorf("Header(absent) = %q", got)
	}
	if !r.HeaderHas("connection", "upgrade") || !r.HeaderHas("Connection", "FOO") || r.HeaderHas("Connection", "ba") {
		t.Error("HeaderHas is wrong about Connection")
	}
}

func TestZeroRequestAnswers(t *testing.T) {
	var r Request
	if got := look(t, &r, 1, nil); got != (outcome{n: 1}) {
		t.Errorf("zero Request: %v", got)
	}
	if r.HeadDone() || r.WantsContinue() || r.Header("a") != nil {
		t.Error("zero Request claims to hold something")
	}
}

func TestWantsContinue(t *testing.T) {
	const head = "PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\n"
	for _, c := range []struct {
		name, raw string
		want      bool
	}{
		{"head incomplete", head + "Content-Length: 3\r\n", false},
		{"head complete", head + "Content-Length: 3\r\n\r\n", true},
		{"chunked", head + "Transfer-Encoding: chunked\r\n\r\n", true},
		{"body begun", head + "Content-Length: 3\r\n\r\na", false},
		{"body here", head + "Content-Length: 3\r\n\r\nabc", false},
		{"no body", head + "\r\n", false},
		{"1.0", "PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n", false},
		{"not asked", get11 + "Content-Length: 3\r\n\r\n", false},
	} {
		var r Request
		if _, err := r.Parse([]byte(c.raw), nil); err != nil {
			t.Fatal(c.name, err)
		}
		if got := r.WantsContinue(); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
		if r.WantsContinue() {
			t.Errorf("%s: asked twice", c.name)
		}
	}
}

// The head of a request can be read while its body is missing.
func TestHeadBeforeBody(t *testing.T) {
	var r Request
	n, err := r.Parse([]byte("POST /p?q HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nab"), nil)
	if n != 0 || err != nil || !r.HeadDone() {
		t.Fatal(n, err, r.HeadDone())
	}
	if string(r.Path()) != "/p" || string(r.Host()) != "h" || string(r.Body()) != "ab" {
		t.Errorf("path %q host %q body %q", r.Path(), r.Host(), r.Body())
	}
}

func TestMethods(t *testing.T) {
	for m := GET; m <= TRACE; m++ {
		if methodOf([]byte(m.String())) != m {
			t.Errorf("%v is not recognised", m)
		}
	}
	if methodOf([]byte("Get")) != Other || Method(99).String() != "Other" {
		t.Error("unknown methods are not Other")
	}
}
