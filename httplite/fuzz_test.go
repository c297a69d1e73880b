package httplite

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"reflect"
	"strings"
	"testing"
)

// What we accept, net/http must accept, and mean the same by it. The exceptions, all of them differences
// that were looked at:
//
//   - One empty line before a request: RFC 9112 2.2 has servers ignore it, net/http does not. It is cut off.
//   - Escapes in an absolute target's host: RFC 3986 3.2.2 allows them; net/url decodes those of bytes
//     beyond ASCII, and refuses the others.
//   - White space between a chunk's size and its extension: RFC 9112 7.1.1 has recipients parse it,
//     net/http refuses.
//   - Chunk lines of more than 4096 bytes, and much framing about little content: net/http has limits of
//     its own there.
//   - A Trailer field that announces what may not be a trailer: net/http refuses, but RFC 9110 6.5.1 binds
//     the sender only; trailers are dropped here.
//
// The other way about nothing is asked: we refuse much that net/http accepts.

func FuzzRequest(f *testing.F) {
	for _, c := range refused {
		f.Add([]byte(c.raw), uint16(len(c.raw)/2))
	}
	for _, c := range accepted {
		f.Add([]byte(c.raw), uint16(len(c.raw)/2))
	}
	for _, raw := range []string{
		browserGET, formPOST, "GET http://a%C3%A9:80?q HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
		postChunked + "5;a=b\r\nhello\r\n0\r\nA: b\r\n\r\n",
	} {
		f.Add([]byte(raw), uint16(len(raw)/2))
	}
	f.Fuzz(func(t *testing.T, raw []byte, cut uint16) {
		got := feed(t, string(raw), nil)
		if again := feed(t, string(raw), nil, int(cut)%(len(raw)+1)); again != got {
			t.Fatalf("cut at %d:\n got %v\nwant %v", int(cut)%(len(raw)+1), again, got)
		}
		if again, _ := feedBytes(t, string(raw), nil); again != got {
			t.Fatalf("a byte at a time:\n got %v\nwant %v", again, got)
		}
		if got.n > 0 {
			compareRequest(t, got, bytes.TrimPrefix(raw[:got.n], []byte("\r\n")))
		}
	})
}

// compareRequest holds an accepted request against what net/http makes of the same bytes.
func compareRequest(t *testing.T, got outcome, raw []byte) {
	defer func() {
		if t.Failed() {
			t.Logf("input %q", raw)
		}
	}()
	reader := bufio.NewReaderSize(bytes.NewReader(raw), 1<<16)
	theirs, err := http.ReadRequest(reader)
	if err != nil {
		if escapedHost(got) || strings.Contains(err.Error(), "bad trailer key") {
			return
		}
		t.Fatalf("net/http refuses: %v", err)
	}
	body, err := io.ReadAll(theirs.Body)
	if err != nil {
		if chunkException(err, raw) {
			return
		}
		t.Fatalf("net/http refuses the body: %v", err)
	}
	if reader.Buffered() > 0 {
		t.Fatalf("net/http leaves %d bytes", reader.Buffered())
	}
	if got.verb != theirs.Method || got.target != theirs.RequestURI || got.minor != theirs.ProtoMinor ||
		got.keepAlive == theirs.Close || got.body != string(body) {
		t.Fatalf("got %v\nnet/http %+v\nbody %q", got, theirs, body)
	}
	if !escapedHost(got) && got.host != theirs.Host {
		t.Fatalf("host %q, net/http %q", got.host, theirs.Host)
	}
	path, err := url.PathUnescape(got.path)
	if absolute := theirs.URL.Scheme != "" && theirs.URL.Path == "" && path == "/"; err != nil || !absolute && path != theirs.URL.Path {
		t.Fatalf("path %q (%v), net/http %q", got.path, err, theirs.URL.Path)
	}
	if got.query != theirs.URL.RawQuery {
		t.Fatalf("query %q, net/http %q", got.query, theirs.URL.RawQuery)
	}
	ours := http.Header{}
	for line := range strings.Lines(got.headers) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		ours.Add(textproto.CanonicalMIMEHeaderKey(name), value)
	}
	compareHeader(t, ours, theirs.Header)
}

func compareHeader(t *testing.T, ours, theirs http.Header) {
	for _, name := range []string{"Host", "Transfer-Encoding", "Trailer", "Cache-Control", "Content-Length"} { // net/http moves or makes these
		ours.Del(name)
		theirs.Del(name)
	}
	if len(ours)+len(theirs) > 0 && !reflect.DeepEqual(ours, theirs) {
		t.Fatalf("header %q, net/http has %q", ours, theirs)
	}
}

// escapedHost reports whether the authority in the target holds an escape.
func escapedHost(o outcome) bool {
	return !strings.HasPrefix(o.target, "/") && strings.Contains(o.host, "%")
}

// chunkException reports whether net/http's error about a chunked body is one of its own limits or its
// dislike of white space.
func chunkException(err error, raw []byte) bool {
	text := err.Error()
	return strings.Contains(text, "header line too long") || strings.Contains(text, "too much non-data") ||
		strings.Contains(text, "bad trailer key") ||
		strings.Contains(text, "invalid byte in chunk length") &&
			(bytes.Contains(raw, []byte(" ;")) || bytes.Contains(raw, []byte("\t;")))
}

func FuzzResponse(f *testing.F) {
	for _, raw := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a\r\nhello\r\n0\r\nA: b\r\n\r\nHTTP/1.1",
		"HTTP/1.0 404 Not Found\r\n\r\nuntil close",
		"HTTP/1.1 304 \r\nContent-Length: 5\r\nConnection: close\r\n\r\n",
		"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n",
		Continue + "HTTP/1.1 200 OK\r\n\r\n",
	} {
		f.Add([]byte(raw), false, uint16(len(raw)/2))
	}
	f.Fuzz(func(t *testing.T, raw []byte, head bool, cut uint16) {
		method := GET
		if head {
			method = HEAD
		}
		got := readReply(raw, method, nil)
		if again := readReply(raw, method, nil, int(cut)%(len(raw)+1)); again != got {
			t.Fatalf("cut at %d:\n got %+v\nwant %+v", int(cut)%(len(raw)+1), again, got)
		}
		if len(raw) < 1000 {
			replyEverywhere(t, string(raw), method)
		}
		if got.kind == 0 && got.head > 0 {
			compareReply(t, got, raw, method)
		}
	})
}

// compareReply holds a response whose head was accepted, and of whose body nothing was refused so far,
// against what net/http makes of the same bytes.
func compareReply(t *testing.T, got reply, raw []byte, method Method) {
	reader := bufio.NewReaderSize(bytes.NewReader(raw), 1<<16)
	theirs, err := http.ReadResponse(reader, &http.Request{Method: method.String()})
	if err != nil {
		if strings.Contains(err.Error(), "bad trailer key") {
			return
		}
		t.Fatalf("net/http refuses: %v", err)
	}
	body, err := io.ReadAll(theirs.Body)
	switch {
	case err != nil && (got.done || got.until):
		if chunkException(err, raw) {
			return
		}
		t.Fatalf("net/http refuses the body: %v", err)
	case err == nil && !got.done && !got.until:
		t.Fatalf("net/http sees the end of the body, we do not: %+v", got)
	case err == nil && got.n != len(raw)-reader.Buffered():
		t.Fatalf("took %d bytes, net/http %d", got.n, len(raw)-reader.Buffered())
	}
	keepAlive := got.keepAlive && !got.until // net/http says so when it cannot be otherwise
	if got.status != theirs.StatusCode || got.minor != theirs.ProtoMinor || keepAlive == theirs.Close ||
		err == nil && got.body != string(body) {
		t.Fatalf("got %+v\nnet/http %+v\nbody %q", got, theirs, body)
	}
}

// FuzzChunk gives the same chunks to a Request, to a Body, and to net/http.
func FuzzChunk(f *testing.F) {
	for _, raw := range []string{
		"0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n", "5 \t;a=\"b\"\r\nhello\r\n00\r\nA: b\r\nC:\r\n\r\nmore",
		"a\r\n0123456789\r\nA;x\r\n0123456789\r\n0\r\n\r\n", "000000000000001\r\nx\r\n0\r\n\r\n", "fffffffffffffff\r\n",
	} {
		f.Add([]byte(raw), uint16(len(raw)/2))
	}
	for _, c := range refused {
		if chunks, ok := strings.CutPrefix(c.raw, postChunked); ok {
			f.Add([]byte(chunks), uint16(len(chunks)/2))
		}
	}
	const answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	f.Fuzz(func(t *testing.T, raw []byte, cut uint16) {
		if len(raw) > 10000 {
			return // there the limits of requests and of responses differ
		}
		at := int(cut) % (len(raw) + 1)
		request := feed(t, postChunked+string(raw), nil)
		if again := feed(t, postChunked+string(raw), nil, len(postChunked)+at); again != request {
			t.Fatalf("cut at %d:\n got %v\nwant %v", at, again, request)
		}
		whole := append([]byte(answer), raw...)
		got := readReply(whole, GET, nil)
		if again := readReply(whole, GET, nil, len(answer)+at); again != got {
			t.Fatalf("cut at %d:\n got %+v\nwant %+v", at, again, got)
		}
		if request.kind == BodyTooLarge {
			return
		}
		if request.kind != got.kind || got.done != (request.n > 0) ||
			got.done && (request.body != got.body || request.n-len(postChunked) != got.n-len(answer)) {
			t.Fatalf("request %v\nresponse %+v", request, got)
		}
		if got.kind == 0 {
			compareReply(t, got, whole, GET)
		}
		if request.n > 0 {
			compareRequest(t, request, []byte(postChunked + string(raw))[:request.n])
		}
	})
}
