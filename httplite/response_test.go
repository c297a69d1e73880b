package httplite

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unsafe"
)

// reply is what a client learns from a response, in comparable form.
type reply struct {
	head, n   int // bytes of the head, and of the whole response
	kind      Kind
	status    int
	minor     int
	keepAlive bool
	until     bool
	done      bool
	body      string
}

// readReply reads one response to a request by method, from raw in pieces that end at the cuts. It
// passes the pieces to the body without keeping any, as a client would.
func readReply(raw []byte, method Method, lim *Limits, cuts ...int) (got reply) {
	var r Response
	var body Body
	at, reading := 0, false
	for _, cut := range append(cuts, len(raw)) {
		if !reading {
			n, err := r.ParseHead(bytes.Clone(raw[:cut]), lim)
			if err != nil {
				got.kind = err.(*Error).Kind
				return got
			}
			if n == 0 {
				continue
			}
			got.head, at, reading = n, n, true
			got.status, got.minor, got.keepAlive = r.Status(), r.Minor(), r.KeepAlive()
			body = r.Framing(method)
			got.until = body.UntilClose()
		}
		for {
			payload, n, done, err := body.Next(raw[at:cut:cut])
			at += n
			got.body += string(payload)
			got.n = at
			if err != nil {
				got.kind = err.(*Error).Kind
				got.n = 0 // its value after an error is not specified
				return got
			}
			if got.done = done; done {
				return got
			}
			if n == 0 {
				break
			}
		}
	}
	return got
}

func replyEverywhere(t testing.TB, raw string, method Method) reply {
	t.Helper()
	whole := readReply([]byte(raw), method, nil)
	var all []int
	for cut := range len(raw) {
		all = append(all, cut)
		if got := readReply([]byte(raw), method, nil, cut); got != whole {
			t.Fatalf("cut at %d of %q:\n got %+v\nwant %+v", cut, raw, got, whole)
		}
	}
	if got := readReply([]byte(raw), method, nil, all...); got != whole {
		t.Fatalf("a byte at a time of %q:\n got %+v\nwant %+v", raw, got, whole)
	}
	return whole
}

func TestResponseGood(t *testing.T) {
	const ok, length, chunked = "HTTP/1.1 200 OK\r\n", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"
	for _, c := range []struct {
		name   string
		method Method
		head   string
		body   string // as sent
		want   reply  // head and n are filled in
	}{
		{"length", GET, ok + length, "hello", reply{status: 200, minor: 1, keepAlive: true, done: true, body: "hello"}},
		{"length of zero", GET, ok + "Content-Length: 0\r\n", "", reply{status: 200, minor: 1, keepAlive: true, done: true}},
		{"chunked", GET, ok + chunked, "2\r\nhe\r\n3;x\r\nllo\r\n0\r\nA: b\r\n\r\n", reply{status: 200, minor: 1, keepAlive: true, done: true, body: "hello"}},
		{"until close", GET, ok, "hello", reply{status: 200, minor: 1, keepAlive: true, until: true, body: "hello"}},
		{"1.0", GET, "HTTP/1.0 404 Not\tFound \xff\r\n", "x", reply{status: 404, until: true, body: "x"}},
		{"1.0 kept", GET, "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + length, "hello", reply{status: 200, keepAlive: true, done: true, body: "hello"}},
		{"closing", GET, ok + "Connection: close\r\n" + length, "hello", reply{status: 200, minor: 1, done: true, body: "hello"}},
		{"no reason", GET, "HTTP/1.1 599 \r\n" + length, "hello", reply{status: 599, minor: 1, keepAlive: true, done: true, body: "hello"}},
		{"to HEAD", HEAD, ok + length, "", reply{status: 200, minor: 1, keepAlive: true, done: true}},
		{"to HEAD, chunked", HEAD, ok + chunked, "", reply{status: 200, minor: 1, keepAlive: true, done: true}},
		{"100", POST, "HTTP/1.1 100 Continue\r\n", "", reply{status: 100, minor: 1, keepAlive: true, done: true}},
		{"101", GET, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n", "", reply{status: 101, minor: 1, keepAlive: true, done: true}},
		{"204", GET, "HTTP/1.1 204 No Content\r\n" + length, "", reply{status: 204, minor: 1, keepAlive: true, done: true}},
		{"304", GET, "HTTP/1.1 304 Not Modified\r\n" + length, "", reply{status: 304, minor: 1, keepAlive: true, done: true}},
		{"tunnel", CONNECT, ok + length, "", reply{status: 200, minor: 1, keepAlive: true, done: true}},
		{"no tunnel", CONNECT, "HTTP/1.1 403 No\r\n" + length, "hello", reply{status: 403, minor: 1, keepAlive: true, done: true, body: "hello"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.want.head = len(c.head) + 2
			c.want.n = c.want.head + len(c.body)
			raw := c.head + "\r\n" + c.body
			if got := replyEverywhere(t, raw, c.method); got != c.want {
				t.Errorf("%q:\n got %+v\nwant %+v", raw, got, c.want)
			}
			if c.want.done { // what follows belongs to the next response
				if got := replyEverywhere(t, raw+"HTTP/1.1 ", c.method); got != c.want {
					t.Errorf("with more behind, %q:\n got %+v\nwant %+v", raw, got, c.want)
				}
			}
		})
	}
}

func TestResponseRefused(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	for _, c := range []struct {
		kind Kind
		raw  string
	}{
		{BadStatusLine, "\r\n"},
		{BadStatusLine, "HTTP/1.1 200\r\n"},
		{BadStatusLine, "HTTP/1.1  200 OK\r\n"},
		{BadStatusLine, "HTTP/1.1 20 OK\r\n"},
		{BadStatusLine, "HTTP/1.1 2000 OK\r\n"},
		{BadStatusLine, "HTTP/1.1 +20 OK\r\n"},
		{BadStatusLine, "HTTP/1.1 099 OK\r\n"},
		{BadStatusLine, "HTTP/1.1 200 O\x00K\r\n"},
		{BadVersion, "http/1.1 200 OK\r\n"},
		{BadVersion, "ICYX/1.1 200 OK\r\n"},
		{UnsupportedVersion, "HTTP/2.0 200 OK\r\n"},
		{BareLF, "HTTP/1.1 200 OK\n"},
		{BareCR, "HTTP/1.1 200 O\rK\r\n"},
		{BareCR, ok + "A: b\rc\r\n"},
		{ObsFold, ok + " A: b\r\n"},
		{SpaceBeforeColon, ok + "A : b\r\n"},
		{BadHeaderName, ok + "A\r\n"},
		{BadHeaderValue, ok + "A: \x01\r\n"},
		{BadContentLength, ok + "Content-Length: x\r\n"},
		{BadContentLength, ok + "Content-Length: 99999999999999999999\r\n"},
		{ConflictingContentLength, ok + "Content-Length: 5\r\nContent-Length: 5\r\n"},
		{LengthAndChunked, ok + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"},
		{BadTransferEncoding, "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n"},
		{UnsupportedTransferEncoding, ok + "Transfer-Encoding: gzip, chunked\r\n"},
		{BadTransferEncoding, ok + "Transfer-Encoding: gzip\r\n"},
		{TooManyHeaders, ok + strings.Repeat("a:\r\n", MaxHeaders+1)},
		{LineTooLong, strings.Repeat("x", 8194)},
		{HeadTooLarge, ok + strings.Repeat("a: "+strings.Repeat("x", 1000)+"\r\n", 17)},
		{BadChunk, ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloo"},
		{BadChunk, ok + "Transfer-Encoding: chunked\r\n\r\n1000000000000000"},
		{BareLF, ok + "Transfer-Encoding: chunked\r\n\r\n5\n"},
		{BadTrailer, ok + "Transfer-Encoding: chunked\r\n\r\n0\r\n:"},
	} {
		check := replyEverywhere
		if len(c.raw) > 2000 {
			check = func(_ testing.TB, raw string, m Method) reply {
				return readReply([]byte(raw), m, nil, len(raw)/2, len(raw)-1)
			}
		}
		if got := check(t, c.raw, GET); got.kind != c.kind {
			t.Errorf("%.80q: got %+v, want %v", c.raw, got, c.kind)
		}
	}
}

func TestResponseHeader(t *testing.T) {
	raw := "HTTP/1.1 200 Header: no\r\nContent-Type:\t text/plain \r\nset-cookie: a\r\nSet-Cookie: b\r\nEmpty:\r\n\r\nBody: x\r\n"
	var r Response
	if r.Header("Content-Type") != nil {
		t.Error("a header before the head")
	}
	n, err := r.ParseHead([]byte(raw), nil)
	if want := strings.Index(raw, "Body"); n != want || err != nil {
		t.Fatal(n, want, err)
	}
	var fields []string
	for name, value := range r.Headers {
		fields = append(fields, fmt.Sprintf("%s=%s", name, value))
	}
	if got := strings.Join(fields, " "); got != "Content-Type=text/plain set-cookie=a Set-Cookie=b Empty=" {
		t.Errorf("the fields are %s", got)
	}
	if !r.HeaderHas("set-cookie", "B") || r.HeaderHas("set-cookie", "c") || r.HeaderHas("absent", "a") {
		t.Error("HeaderHas does not look at each field of the name")
	}
	for name, want := range map[string]string{
		"content-type": `"text/plain"`, "SET-COOKIE": `"a"`, "Empty": `""`, "Body": "absent", "HTTP/1.1 200 Header": "absent", "Content": "absent",
	} {
		v := r.Header(name)
		got := fmt.Sprintf("%q", v)
		if v == nil {
			got = "absent"
		}
		if got != want {
			t.Errorf("Header(%s) = %s, want %s", name, got, want)
		}
	}
}

// An interim response, then the final one, by the same Response.
func TestInterimResponse(t *testing.T) {
	in := []byte(Continue + "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	var r Response
	var got []string
	for len(in) > 0 {
		n, err := r.ParseHead(in, nil)
		if n == 0 || err != nil {
			t.Fatal(n, err)
		}
		in = in[n:]
		body := r.Framing(POST)
		payload, n, done, err := body.Next(in)
		if !done || err != nil {
			t.Fatal(done, err)
		}
		in = in[n:]
		got = append(got, fmt.Sprint(r.Status(), string(payload)))
	}
	if fmt.Sprint(got) != "[100 200ok]" {
		t.Error(got)
	}
}

func TestResponseErrorsLast(t *testing.T) {
	var r Response
	for _, raw := range []string{"x\r\n", "HTTP/1.1 200 OK\r\n\r\n"} {
		if n, err := r.ParseHead([]byte(raw), nil); n != 0 || !errors.Is(err, &Error{Kind: BadStatusLine}) {
			t.Error(n, err)
		}
	}
	body := chunkedBody(unbounded, 10)
	if _, _, _, err := body.Next([]byte("x")); !errors.Is(err, &Error{Kind: BadChunk}) {
		t.Fatal(err)
	}
	if _, n, done, err := body.Next([]byte("0\r\n\r\n")); !errors.Is(err, &Error{Kind: BadChunk}) || n != 0 || done {
		t.Error(n, done, err)
	}
}

// A response may stream for ever, with an extension in each chunk; but a single extension is
// bounded.
func TestExtensionsOfAStream(t *testing.T) {
	body := chunkedBody(unbounded, DefaultLimits.Head)
	chunk := []byte("1;" + strings.Repeat("e", 1000) + "\r\nx\r\n")
	for range 100 {
		for in := chunk; len(in) > 0; {
			_, n, _, err := body.Next(in)
			if err != nil {
				t.Fatal(err)
			}
			in = in[n:]
		}
	}
	_, _, _, err := body.Next([]byte("1;" + strings.Repeat("e", 20000)))
	if !errors.Is(err, &Error{Kind: ChunkExtTooLarge}) {
		t.Error(err)
	}
}

func TestSizes(t *testing.T) {
	if n := unsafe.Sizeof(Body{}); n > 24 {
		t.Errorf("Body is %d bytes", n)
	}
	if n := unsafe.Sizeof(Response{}); n > 80 {
		t.Errorf("Response is %d bytes", n)
	}
	if n := unsafe.Sizeof(Request{}); n > 1280 {
		t.Errorf("Request is %d bytes", n)
	}
}
