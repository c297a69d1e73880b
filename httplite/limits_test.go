package httplite

import (
	"strings"
	"testing"
)

// Each limit: an input exactly at the limit passes. One byte or field more is
// refused, with the kind and the number.
func TestLimits(t *testing.T) {
	lim := &Limits{Line: 40, Head: 100, Headers: 3, Body: 20}
	pad := func(head string, total int) string { // a head of total bytes
		fill := total - len(head) - len("X: \r\n\r\n")
		return head + "X: " + strings.Repeat("x", fill) + "\r\n\r\n"
	}
	line := func(n int) string { // a request line of n bytes
		return "GET /" + strings.Repeat("a", n-len("GET / HTTP/1.1")) + " HTTP/1.1\r\n"
	}
	const host = "Host: h\r\n"
	chunked := func(chunks string) string {
		return "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks
	}
	twenty := strings.Repeat("b", 20)
	for _, c := range []struct {
		name     string
		at, over string
		kind     Kind
		limit    int
	}{
		{"line", line(40) + host + "\r\n", line(41) + host + "\r\n", LineTooLong, 40},
		{"line behind an empty line", "\r\n" + line(40) + host + "\r\n", "\r\n" + line(41) + host + "\r\n", LineTooLong, 40},
		{"head", pad(get11, 100), pad(get11, 101), HeadTooLarge, 100},
		{"head behind an empty line", "\r\n" + pad(get11, 100), "\r\n" + pad(get11, 101), HeadTooLarge, 100},
		{"head without end", pad(get11, 100), pad(get11, 102)[:100], HeadTooLarge, 100},
		{"headers", get11 + "a:\r\nb:\r\n\r\n", get11 + "a:\r\nb:\r\nc:\r\n\r\n", TooManyHeaders, 3},
		{"body", get11 + "Content-Length: 20\r\n\r\n" + twenty, get11 + "Content-Length: 21\r\n\r\n", BodyTooLarge, 20},
		{"a chunk", chunked("14\r\n" + twenty + "\r\n0\r\n\r\n"), chunked("15"), BodyTooLarge, 20},
		{"chunks", chunked("a\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n"), chunked("a\r\n0123456789\r\nb"), BodyTooLarge, 20},
		{"extension", chunked("0;" + strings.Repeat("e", 99) + "\r\n\r\n"), chunked("0;" + strings.Repeat("e", 100)), ChunkExtTooLarge, 100},
		{"extensions", chunked("1;" + strings.Repeat("e", 49) + "\r\na\r\n01 ;" + strings.Repeat("e", 47) + "\r\na\r\n0\r\n\r\n"),
			chunked("1;" + strings.Repeat("e", 49) + "\r\na\r\n01 ;" + strings.Repeat("e", 48) + "\r\na\r\n0\r\n\r\n"), ChunkExtTooLarge, 100},
		{"padding", chunked("0;" + strings.Repeat("e", 99) + "\r\n\r\n"), chunked("1;" + strings.Repeat("e", 98) + "\r\na\r\n001"), ChunkExtTooLarge, 100},
		{"trailers", chunked("0\r\nA: " + strings.Repeat("t", 95) + "\r\n\r\n"), chunked("0\r\nA: " + strings.Repeat("t", 96) + "\r\n\r\n"), HeadTooLarge, 100},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := cutEverywhere(t, c.at, lim); got.n != len(c.at) {
				t.Errorf("at the limit, %q: %v", c.at, got)
			}
			want := outcome{kind: c.kind, limit: c.limit}
			if got := cutEverywhere(t, c.over, lim); got != want {
				t.Errorf("over the limit, %q: got %v, want %v", c.over, got, want)
			}
		})
	}
}

// Without limits, the documented numbers apply.
func TestDefaultLimits(t *testing.T) {
	for _, lim := range []*Limits{nil, {}, {Line: -1, Head: -1, Headers: -1, Body: -1}} {
		for _, c := range []struct {
			at, over string
			want     outcome
		}{
			{"GET /" + strings.Repeat("a", 8192-14) + " HTTP/1.1\r\nHost:\r\n\r\n", "GET /" + strings.Repeat("a", 8192), outcome{kind: LineTooLong, limit: 8192}},
			{get11 + "X:" + strings.Repeat("x", 16384-len(get11)-6) + "\r\n\r\n", get11 + strings.Repeat("x", 16384), outcome{kind: HeadTooLarge, limit: 16384}},
			{get11 + strings.Repeat("x:\r\n", 127) + "\r\n", get11 + strings.Repeat("x:\r\n", 128), outcome{kind: TooManyHeaders, limit: 128}},
			{get11 + "Content-Length: 1048576\r\n\r\n" + strings.Repeat("b", 1<<20), get11 + "Content-Length: 1048577\r\n", outcome{kind: BodyTooLarge, limit: 1 << 20}},
		} {
			if got := feed(t, c.at, lim); got.n != len(c.at) {
				t.Errorf("at the limit: %v", got.kind)
			}
			if got := feed(t, c.over, lim); got != c.want {
				t.Errorf("over the limit: got %v, want %v", got, c.want)
			}
		}
	}
	if got := (&Limits{Headers: 1000}).resolve().Headers; got != MaxHeaders {
		t.Errorf("%d headers allowed", got)
	}
}

// A line that never ends is refused when it is too long, not when it ends.
func TestLimitsAreEarly(t *testing.T) {
	endless := strings.Repeat("x", 20000)
	for raw, at := range map[string]int{
		endless:         8192 + 2,
		get11 + endless: 16384,
		get11 + "Content-Length: 9999999\r\n\r\n": len(get11) + len("Content-Length: 9999999\r\n"),
		postChunked + "1;" + endless:              len(postChunked) + len("1;") + 16384,
		postChunked + "0\r\nA:" + endless:         len(postChunked) + len("0\r\n") + 16384 + 1,
	} {
		if got, took := feedBytes(t, raw, nil); got.kind == 0 || took != at {
			t.Errorf("%.60q...: %v after %d bytes, want %d", raw, got, took, at)
		}
	}
}

// The worst request reaches MaxInput, and none exceeds it.
func TestMaxInput(t *testing.T) {
	lim := &Limits{Head: 100, Body: 20}
	head := "\r\nPOST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
	head += "X: " + strings.Repeat("x", 102-len(head)-len("X: \r\n\r\n")) + "\r\n\r\n"
	raw := head + strings.Repeat("1\r\nb\r\n", 20) + "0;" + strings.Repeat("e", 99) + "\r\n\r\n"
	if got := feed(t, raw, lim); got.n != len(raw) || got.n != lim.MaxInput() {
		t.Errorf("took %d of %d, MaxInput is %d; %v", got.n, len(raw), lim.MaxInput(), got)
	}
}
