package httplite

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestAppendResponse(t *testing.T) {
	east := time.FixedZone("east", 8*3600)
	b := AppendStatus(nil, 200)
	b = AppendDate(b, time.Date(2026, 11, 23, 14, 0, 0, 5, east))
	b = AppendHeader(b, "Content-Type", "text/plain")
	b = AppendHeaderBytes(b, "X-Name", []byte("caf\xc3\xa9\t"))
	b = AppendHeaderInt(b, "Content-Length", 5)
	b = EndHeaders(b)
	b = append(b, "hello"...)
	const want = "HTTP/1.1 200 OK\r\nDate: Mon, 23 Nov 2026 06:00:00 GMT\r\nContent-Type: text/plain\r\n" +
		"X-Name: caf\xc3\xa9\t\r\nContent-Length: 5\r\n\r\nhello"
	if string(b) != want {
		t.Errorf("got %q, want %q", b, want)
	}
}

func TestAppendStatus(t *testing.T) {
	for status, want := range map[int]string{
		204: "HTTP/1.1 204 No Content\r\n", 299: "HTTP/1.1 299 \r\n", 999: "HTTP/1.1 999 \r\n",
		0: "HTTP/1.1 500 Internal Server Error\r\n", 1000: "HTTP/1.1 500 Internal Server Error\r\n", -1: "HTTP/1.1 500 Internal Server Error\r\n",
	} {
		if got := AppendStatus(nil, status); string(got) != want {
			t.Errorf("%d: %q", status, got)
		}
	}
	for status := -1; status < 1000; status++ {
		if StatusText(status) != http.StatusText(status) {
			t.Errorf("StatusText(%d) = %q, want %q", status, StatusText(status), http.StatusText(status))
		}
	}
}

// No value of a header can end its line.
func TestAppendHeaderCannotBeSplit(t *testing.T) {
	evil := "a\r\nSet-Cookie: x\r\n\r\n\x00\x7f<script>"
	const want = "X: a  Set-Cookie: x      <script>\r\n"
	if got := AppendHeader(nil, "X", evil); string(got) != want {
		t.Errorf("%q", got)
	}
	value := []byte(evil)
	if got := AppendHeaderBytes(nil, "X", value); string(got) != want || string(value) != evil {
		t.Errorf("%q from %q", got, value)
	}
}

func TestAppendChunk(t *testing.T) {
	b := AppendChunk(nil, []byte("hello"))
	b = AppendChunk(b, nil)
	b = AppendChunk(b, bytes.Repeat([]byte("x"), 300))
	b = append(b, LastChunk...)
	if want := "5\r\nhello\r\n12c\r\n" + strings.Repeat("x", 300) + "\r\n0\r\n\r\n"; string(b) != want {
		t.Errorf("%q", b)
	}
}

func TestAppendError(t *testing.T) {
	limits := Limits{Line: 1, Head: 2, Headers: 3, Body: 4}
	for k := Kind(1); k < numKinds; k++ {
		e := limits.fail(k)
		raw := AppendError([]byte("before"), e)[len("before"):]
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(raw)), nil)
		if err != nil {
			t.Fatalf("%v: %v in %q", k, err, raw)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || string(body) != e.Error()+"\n" || resp.StatusCode != e.Status || !resp.Close ||
			resp.ContentLength != int64(len(body)) || resp.Header.Get("X-Content-Type-Options") != "nosniff" ||
			resp.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("%v: %q, %v", k, raw, err)
		}
	}
	long := &Error{Status: 400, Reason: strings.Repeat("long", 100)}
	if raw := AppendError(nil, long); !bytes.Contains(raw, []byte("Content-Length: 401\r\n")) {
		t.Errorf("%q", raw)
	}
}

func TestAppendRequest(t *testing.T) {
	b := AppendRequestLine(nil, "GET", "/x?y")
	b = AppendHeader(b, "Host", "h")
	b = EndHeaders(b)
	if string(b) != "GET /x?y HTTP/1.1\r\nHost: h\r\n\r\n" {
		t.Errorf("%q", b)
	}
}
