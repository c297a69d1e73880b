package httplite

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
)

// FuzzRequest: the outcome does not depend on how the input is cut. It is that of net/http, or
// differs for a known reason (nethttp_test.go).
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
		if _, err := against(got, raw); err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
	})
}

// chunkException reports whether net/http's error about a chunked body comes from a limit of its
// own, or from white space that it does not accept.
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

// compareReply compares a response, whose head was accepted and whose body was not refused so far,
// with net/http's result for the same bytes.
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
	keepAlive := got.keepAlive && !got.until // net/http reports this if the connection cannot be kept
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
			return // the limits of requests and responses differ there
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
			if _, err := against(request, []byte(postChunked+string(raw))); err != nil {
				t.Fatal(err)
			}
		}
	})
}
