package httplite

import (
	"errors"
	"strings"
	"testing"
)

// refused lists inputs that must be refused, with the kind. An input ends at the byte at which the
// error must be reported: the parser must not wait for more.
var refused = []struct {
	kind   Kind
	status int
	raw    string
}{
	// The request line.
	{BadRequestLine, 400, "\r\n\r"},
	{BadRequestLine, 400, " "},
	{BadRequestLine, 400, "\x16"}, // TLS
	{BadRequestLine, 400, "\x00"},
	{BadRequestLine, 400, "\xef"},
	{BadRequestLine, 400, "GET\r\n"},
	{BadRequestLine, 400, "GET /\r\n"},
	{BadRequestLine, 400, "GET  / HTTP/1.1\r\n"},
	{BadRequestLine, 400, "GET /  HTTP/1.1\r\n"},
	{BadRequestLine, 400, "GET / HTTP/1.1 \r\n"},
	{BadRequestLine, 400, "GET /a b HTTP/1.1\r\n"},
	{BadMethod, 400, "GET\t/ HTTP/1.1\r\n"},
	{BadMethod, 400, "GE(T / HTTP/1.1\r\n"},
	{BadMethod, 400, "GE\x80 / HTTP/1.1\r\n"},
	{BadVersion, 400, "GET / http/1.1\r\n"},
	{BadVersion, 400, "GET / HTTP/1.10\r\n"},
	{BadVersion, 400, "GET / HTTP/1\r\n"},
	{BadVersion, 400, "GET / HTTP/x.1\r\n"},
	{BadVersion, 400, "GET / HTTP/1.1\t\r\n"},
	{BadVersion, 400, "GET / \r\n"},
	{UnsupportedVersion, 505, "GET / HTTP/3.0\r\n"},
	{UnsupportedVersion, 505, "GET / HTTP/0.9\r\n"},
	{UnsupportedVersion, 505, "PRI * HTTP/2.0\r\n"},
	{BareLF, 400, "\n"},
	{BareLF, 400, "\r\n\n"},
	{BareLF, 400, "GET / HTTP/1.1\n"},
	{BareCR, 400, "\rG"},
	{BareCR, 400, "GE\rT / HTTP/1.1\r\n"},
	{BareCR, 400, "GET /\r HTTP/1.1\r\n"},
	{BareCR, 400, "GET / HTTP/1.1\r\r\n"},
	{BareCR, 400, "GET / HTTP/1.1\rHost: h\r\n"},

	// The target.
	{BadTarget, 400, "GET a HTTP/1.1\r\n"},
	{BadTarget, 400, "GET * HTTP/1.1\r\n"},
	{BadTarget, 400, "OPTIONS ** HTTP/1.1\r\n"},
	{BadTarget, 400, "GET ?a HTTP/1.1\r\n"},
	{BadTarget, 400, "GET /#f HTTP/1.1\r\n"},
	{BadTarget, 400, "GET /?a#f HTTP/1.1\r\n"},
	{BadTarget, 400, "GET /\t HTTP/1.1\r\n"},
	{BadTarget, 400, "GET /\x00 HTTP/1.1\r\n"},
	{BadTarget, 400, "GET /?\x7f HTTP/1.1\r\n"},
	{BadTarget, 400, "GET /?\x1f HTTP/1.1\r\n"},
	{BadTarget, 400, "GET /\xc3\xa9 HTTP/1.1\r\n"},
	{BadTarget, 400, "GET /\\ HTTP/1.1\r\n"},
	{BadTarget, 400, "GET /{a} HTTP/1.1\r\n"},
	{BadTarget, 400, "GET /a|b HTTP/1.1\r\n"},
	{BadTarget, 400, "GET /\"<^`> HTTP/1.1\r\n"},
	{BadTarget, 400, "GET /%zz HTTP/1.1\r\n"},
	{BadTarget, 400, "GET /%f HTTP/1.1\r\n"},
	{BadTarget, 400, "GET ftp://h/ HTTP/1.1\r\n"},
	{BadTarget, 400, "GET http:/h/ HTTP/1.1\r\n"},
	{BadTarget, 400, "GET http:///p HTTP/1.1\r\n"},
	{BadTarget, 400, "GET http://:80/ HTTP/1.1\r\n"},
	{BadTarget, 400, "GET http://u@h/ HTTP/1.1\r\n"},
	{BadTarget, 400, "GET http://u:p@h/ HTTP/1.1\r\n"},
	{BadTarget, 400, "GET http://h:x/ HTTP/1.1\r\n"},
	{BadTarget, 400, "GET http://h#f HTTP/1.1\r\n"},
	{BadTarget, 400, "GET http://h/# HTTP/1.1\r\n"},
	{BadTarget, 400, "GET http://h?\x01 HTTP/1.1\r\n"},
	{BadTarget, 400, "GET http://[::1/ HTTP/1.1\r\n"},
	{BadTarget, 400, "GET h:443 HTTP/1.1\r\n"},
	{BadTarget, 400, "CONNECT / HTTP/1.1\r\n"},
	{BadTarget, 400, "CONNECT h HTTP/1.1\r\n"},
	{BadTarget, 400, "CONNECT h: HTTP/1.1\r\n"},
	{BadTarget, 400, "CONNECT :443 HTTP/1.1\r\n"},
	{BadTarget, 400, "CONNECT h:0 HTTP/1.1\r\n"},
	{BadTarget, 400, "CONNECT h:65536 HTTP/1.1\r\n"},
	{BadTarget, 400, "CONNECT [::1] HTTP/1.1\r\n"},
	{BadTarget, 400, "CONNECT http://h:443/ HTTP/1.1\r\n"},

	// Header lines.
	{BareLF, 400, get11 + "A: b\n"},
	{BareLF, 400, get11 + "\n"},
	{BareCR, 400, get11 + "A: b\rC: d\r\n"},
	{BareCR, 400, get11 + "A\r: b\r\n"},
	{BareCR, 400, get11 + "\r\r\n"},
	{ObsFold, 400, "GET / HTTP/1.1\r\n Host: h\r\n"},
	{ObsFold, 400, get11 + "A: b\r\n c\r\n"},
	{ObsFold, 400, get11 + "A: b\r\n\tc: d\r\n"},
	{SpaceBeforeColon, 400, get11 + "A : b\r\n"},
	{SpaceBeforeColon, 400, get11 + "A \t: b\r\n"},
	{BadHeaderName, 400, get11 + ": b\r\n"},
	{BadHeaderName, 400, get11 + "A\r\n"},
	{BadHeaderName, 400, get11 + "A b\r\n"},
	{BadHeaderName, 400, get11 + "A b: c\r\n"},
	{BadHeaderName, 400, get11 + "A(: b\r\n"},
	{BadHeaderName, 400, get11 + "A\x00: b\r\n"},
	{BadHeaderName, 400, get11 + "\xc3\xa9: b\r\n"},
	{BadHeaderValue, 400, get11 + "A: b\x00\r\n"},
	{BadHeaderValue, 400, get11 + "A: 12345678\x7f\r\n"},
	{BadHeaderValue, 400, get11 + "A: 1234\t67\x1f12345678\r\n"},

	// Host.
	{MissingHost, 400, "GET / HTTP/1.1\r\n\r\n"},
	{MissingHost, 400, "GET http://h/ HTTP/1.1\r\n\r\n"},
	{DuplicateHost, 400, get11 + "HOST: h\r\n"},
	{DuplicateHost, 400, "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n"},
	{BadHost, 400, "GET / HTTP/1.1\r\nHost: a b\r\n"},
	{BadHost, 400, "GET / HTTP/1.1\r\nHost: a/b\r\n"},
	{BadHost, 400, "GET / HTTP/1.1\r\nHost: u@h\r\n"},
	{BadHost, 400, "GET / HTTP/1.1\r\nHost: a:b\r\n"},
	{BadHost, 400, "GET / HTTP/1.1\r\nHost: :80\r\n"},
	{BadHost, 400, "GET / HTTP/1.1\r\nHost: a:1:2\r\n"},
	{BadHost, 400, "GET / HTTP/1.1\r\nHost: a%zz\r\n"},
	{BadHost, 400, "GET / HTTP/1.1\r\nHost: \xc3\xa9\r\n"},
	{BadHost, 400, "GET / HTTP/1.1\r\nHost: [::1\r\n"},
	{BadHost, 400, "GET / HTTP/1.1\r\nHost: []\r\n"},
	{BadHost, 400, "GET / HTTP/1.1\r\nHost: [1]\r\n"},
	{BadHost, 400, "GET / HTTP/1.1\r\nHost: [::1]x\r\n"},
	{BadHost, 400, "GET / HTTP/1.1\r\nHost: [::g]\r\n"},
	{BadHost, 400, "GET / HTTP/1.1\r\nHost: [v1.x]\r\n"},
	{BadHost, 400, "GET / HTTP/1.1\r\nHost: [fe80::1%25eth0]\r\n"},
	{BadHost, 400, "GET / HTTP/1.0\r\nHost: a b\r\n"},
	{BadHost, 400, "GET http://h/ HTTP/1.1\r\nHost: a b\r\n"},

	// Length and coding.
	{BadContentLength, 400, get11 + "Content-Length:\r\n"},
	{BadContentLength, 400, get11 + "Content-Length: +1\r\n"},
	{BadContentLength, 400, get11 + "Content-Length: -1\r\n"},
	{BadContentLength, 400, get11 + "Content-Length: 0x1\r\n"},
	{BadContentLength, 400, get11 + "Content-Length: 1 2\r\n"},
	{BadContentLength, 400, get11 + "Content-Length: 99999999999999999999x\r\n"},
	{ConflictingContentLength, 400, get11 + "Content-Length: 1, 1\r\n"},
	{ConflictingContentLength, 400, get11 + "Content-Length: 1\r\nContent-Length: 1\r\n"},
	{ConflictingContentLength, 400, get11 + "Content-Length: 1\r\nContent-Length: 2\r\n"},
	{LengthAndChunked, 400, get11 + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"},
	{LengthAndChunked, 400, get11 + "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n"},
	{BadTransferEncoding, 400, "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n"},
	{BadTransferEncoding, 400, get11 + "Transfer-Encoding: chunked, chunked\r\n"},
	{BadTransferEncoding, 400, get11 + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"},
	{BadTransferEncoding, 400, get11 + "Transfer-Encoding:\r\n"},
	{BadTransferEncoding, 400, get11 + "Transfer-Encoding: ,chunked\r\n"},
	{BadTransferEncoding, 400, get11 + "Transfer-Encoding: chunked;a=b\r\n"},
	{BadTransferEncoding, 400, get11 + "Transfer-Encoding: \"chunked\"\r\n"},
	{UnsupportedTransferEncoding, 501, get11 + "Transfer-Encoding: gzip, chunked\r\n"},
	{UnsupportedTransferEncoding, 501, get11 + "Transfer-Encoding: gzip;q=1 , br,CHUNKED\r\n"},
	{BadTransferEncoding, 400, get11 + "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip;q=1\r\n"},
	{BadTransferEncoding, 400, get11 + "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip, chunked\r\n"},
	{BadTransferEncoding, 400, get11 + "Transfer-Encoding: chunked, gzip, chunked\r\n"},
	{BadTransferEncoding, 400, get11 + "Transfer-Encoding: gzip, chunked;a\r\n"},
	{BadTransferEncoding, 400, get11 + "Transfer-Encoding: gzip\r\n"},
	{BadTransferEncoding, 400, get11 + "Transfer-Encoding: gzip,\r\n"},
	{BadTransferEncoding, 400, get11 + "Transfer-Encoding: gzip, chunked,\r\n"},
	{BadTransferEncoding, 400, get11 + "Transfer-Encoding: identity\r\n"},
	{BadTransferEncoding, 400, get11 + "Transfer-Encoding: xchunked\r\n"},
	{BodyTooLarge, 413, get11 + "Content-Length: 1048577\r\n"},
	{BodyTooLarge, 413, get11 + "Content-Length: 18446744073709551617\r\n"},
	{BadExpect, 417, get11 + "Expect: coffee\r\n"},
	{BadExpect, 417, get11 + "Expect: 100-continue, coffee\r\n"},

	// Chunks.
	{BadChunk, 400, postChunked + "x"},
	{BadChunk, 400, postChunked + "\r"},
	{BadChunk, 400, postChunked + "+"},
	{BadChunk, 400, postChunked + ";"},
	{BadChunk, 400, postChunked + "0x"},
	{BadChunk, 400, postChunked + "5 \r"},
	{BadChunk, 400, postChunked + "5 5"},
	{BadChunk, 400, postChunked + "0000000000000000"},
	{BadChunk, 400, postChunked + "5;a\x00"},
	{BadChunk, 400, postChunked + "5;\r"},
	{BadChunk, 400, postChunked + "5;;"},
	{BadChunk, 400, postChunked + "5;="},
	{BadChunk, 400, postChunked + "5;a b"},
	{BadChunk, 400, postChunked + "5;a \r"},
	{BadChunk, 400, postChunked + "5;a=\r"},
	{BadChunk, 400, postChunked + "5;a=="},
	{BadChunk, 400, postChunked + "5;a=b="},
	{BadChunk, 400, postChunked + "5;a=b \r"},
	{BadChunk, 400, postChunked + "5;a=b\""},
	{BadChunk, 400, postChunked + "5;a=\"\r"},
	{BadChunk, 400, postChunked + "5;a=\"\\\r"},
	{BadChunk, 400, postChunked + "5;a=\"b\"c"},
	{BadChunk, 400, postChunked + "5;a=\"b\"\""},
	{BadChunk, 400, postChunked + "5;\""},
	{BadChunk, 400, postChunked + "5;\xe9"},
	{BadChunk, 400, postChunked + "5\r\nhellox"},
	{BareLF, 400, postChunked + "\n"},
	{BareLF, 400, postChunked + "5\n"},
	{BareLF, 400, postChunked + "5;a\n"},
	{BareLF, 400, postChunked + "5 \n"},
	{BareLF, 400, postChunked + "5\r\nhello\n"},
	{BareLF, 400, postChunked + "0\r\n\n"},
	{BareLF, 400, postChunked + "0\r\nA: b\n"},
	{BareCR, 400, postChunked + "5\rh"},
	{BareCR, 400, postChunked + "5;a\rb"},
	{BareCR, 400, postChunked + "5\r\nhello\r5"},
	{BareCR, 400, postChunked + "0\r\n\rA"},
	{BareCR, 400, postChunked + "0\r\nA: b\rc"},
	{BadTrailer, 400, postChunked + "0\r\n "},
	{BadTrailer, 400, postChunked + "0\r\n:"},
	{BadTrailer, 400, postChunked + "0\r\nA "},
	{BadTrailer, 400, postChunked + "0\r\nA\r"},
	{BadTrailer, 400, postChunked + "0\r\nA: \x00"},
	{BadTrailer, 400, postChunked + "0\r\nA: b\r\n\t"},
	{BodyTooLarge, 413, postChunked + "100001"},
	{BodyTooLarge, 413, postChunked + "fffffff"},
}

func TestRequestRefused(t *testing.T) {
	for _, c := range refused {
		got := cutEverywhere(t, c.raw, nil)
		if got.kind != c.kind {
			t.Errorf("%q: got %v, want %v", c.raw, got, c.kind)
			continue
		}
		if faults[c.kind].Status != c.status {
			t.Errorf("%v: status %d, want %d", c.kind, faults[c.kind].Status, c.status)
		}
		// Reported at the last byte, not before; and nothing that follows changes it.
		_, took := feedBytes(t, c.raw, nil)
		early := c.kind == BodyTooLarge // the digits of a size add up
		if took != len(c.raw) && !early {
			t.Errorf("%q: known after %d bytes of %d", c.raw, took, len(c.raw))
		}
		for _, more := range []string{"\n", "\r\n\r\n", "x\x00 \n"} {
			if got := feed(t, c.raw+more, nil); got.kind != c.kind {
				t.Errorf("%q with %q behind: got %v, want %v", c.raw, more, got, c.kind)
			}
		}
	}
}

func TestRefusalLasts(t *testing.T) {
	var r Request
	_, err := r.Parse([]byte("GET / HTTP/3.0\r\n"), nil)
	_, again := r.Parse([]byte(get11+"\r\n"), nil)
	if !errors.Is(err, &Error{Kind: UnsupportedVersion}) || again != err {
		t.Errorf("first %v, then %v", err, again)
	}
	r.Reset()
	if n, err := r.Parse([]byte(get11+"\r\n"), nil); n == 0 || err != nil {
		t.Errorf("after Reset: %d, %v", n, err)
	}
}

func TestErrorText(t *testing.T) {
	limits := Limits{Line: 11, Head: 22, Headers: 33, Body: 44}
	for k := Kind(1); k < numKinds; k++ {
		e := limits.fail(k)
		if e.Kind != k || e.Status < 400 || e.Reason == "" || kindNames[k] == "" {
			t.Errorf("%v is not filled in: %+v", k, e)
		}
		text := e.Error()
		if strings.ContainsAny(text, "\r\n") || (e.Limit != 0) != strings.Contains(text, "limit is") {
			t.Errorf("%v: %q", k, text)
		}
	}
	if got := limits.fail(TooManyHeaders).Error(); got != "too many header fields: the limit is 33 fields" {
		t.Error(got)
	}
	if got := limits.fail(BodyTooLarge).Error(); got != "body too large: the limit is 44 bytes" {
		t.Error(got)
	}
	if Kind(200).String() != "Kind(200)" || Kind(0).String() != "Kind(0)" || BareLF.String() != "BareLF" {
		t.Error("Kind.String")
	}
}
