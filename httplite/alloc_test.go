package httplite

import (
	"bytes"
	"testing"
	"time"
)

const browserGET = "GET /sub?cname=room-17&seq=42&token=8f14e45fceea167a5a36dedd4bea2543&cb=icomet_cb_1 HTTP/1.1\r\n" +
	"Host: push.example.com\r\n" +
	"Connection: keep-alive\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36\r\n" +
	"Accept: */*\r\n" +
	"Referer: http://push.example.com/room/17\r\n" +
	"Accept-Encoding: gzip, deflate\r\n" +
	"Accept-Language: en-US,en;q=0.9,zh-CN;q=0.8\r\n" +
	"Cookie: session=0123456789abcdef0123456789abcdef\r\n\r\n"

const formPOST = "POST /pub HTTP/1.1\r\nHost: push.example.com\r\nContent-Type: application/x-www-form-urlencoded\r\n" +
	"Content-Length: 35\r\n\r\ncname=room-17&content=hello%2C+world"

// noAllocs fails if f allocates.
func noAllocs(t *testing.T, name string, f func()) {
	t.Helper()
	if n := testing.AllocsPerRun(200, f); n != 0 {
		t.Errorf("%s: %v allocations", name, n)
	}
}

func TestNoAllocations(t *testing.T) {
	var r Request
	var resp Response
	parse := func(raw []byte) {
		if n, err := r.Parse(raw, nil); n == 0 || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
	}
	get, post := []byte(browserGET), []byte(formPOST)
	noAllocs(t, "GET and accessors", func() {
		parse(get)
		if r.Method() != GET || len(r.Path()) == 0 || len(r.Host()) == 0 || !r.KeepAlive() ||
			r.Header("cookie") == nil || r.Header("absent") != nil || !r.HeaderHas("Accept-Encoding", "gzip") {
			t.Fatal("wrong")
		}
		name, _ := r.HeaderAt(r.NumHeaders() - 1)
		seq, ok := GetArg(r.Query(), "seq")
		if string(name) != "Cookie" || string(seq) != "42" || !ok {
			t.Fatal("wrong")
		}
	})
	noAllocs(t, "POST a byte at a time", func() {
		for i := range len(post) - 1 {
			if n, err := r.Parse(post[:i], nil); n != 0 || err != nil {
				t.Fatal(n, err)
			}
		}
		parse(post)
		if !IsForm(r.Header("Content-Type")) {
			t.Fatal("no form")
		}
	})
	chunked := []byte(postChunked + "5;x\r\nhello\r\n6\r\n world\r\n0\r\nA: b\r\n\r\n")
	work := make([]byte, len(chunked))
	noAllocs(t, "chunked", func() {
		copy(work, chunked)
		parse(work)
	})
	bad := []byte("GET / HTTP/1.1\r\nHost : h\r\n")
	noAllocs(t, "bad input", func() {
		r.Reset()
		if _, err := r.Parse(bad, nil); err == nil {
			t.Fatal("it was accepted")
		}
		r.Reset()
	})
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
	noAllocs(t, "response", func() {
		n, err := resp.ParseHead(answer, nil)
		if err != nil || resp.Header("content-type") == nil {
			t.Fatal(err)
		}
		body := resp.Framing(GET)
		for at, done := n, false; !done; at += n {
			if _, n, done, err = body.Next(answer[at:]); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestAppendDoesNotAllocate(t *testing.T) {
	out := make([]byte, 0, 1024)
	now := time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)
	payload := []byte("hello, world")
	tooLarge := (&Limits{Body: 7}).fail(BodyTooLarge)
	escaped, work := []byte("a%20b+c"), make([]byte, 7)
	noAllocs(t, "response", func() {
		b := AppendStatus(out, 200)
		b = AppendDate(b, now)
		b = AppendHeader(b, "Content-Type", "text/plain")
		b = AppendHeaderBytes(b, "X-Echo", payload)
		b = AppendHeaderInt(b, "Content-Length", 12345)
		b = EndHeaders(b)
		b = AppendChunk(b, payload)
		AppendError(b, tooLarge)
	})
	noAllocs(t, "escapes", func() {
		AppendEscape(out, payload)
		copy(work, escaped)
		if b := Unescape(work); !bytes.Equal(b, []byte("a b c")) {
			t.Fatalf("%q", b)
		}
		if b := AppendUnescape(out, escaped); len(b) != 5 {
			t.Fatalf("%q", b)
		}
	})
}
