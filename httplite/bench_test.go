package httplite

import (
	"testing"
	"time"
)

func benchmarkParse(b *testing.B, raw string) {
	var r Request
	input := []byte(raw)
	work := make([]byte, len(input))
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		copy(work, input) // chunked bodies are decoded in place
		if n, err := r.Parse(work, nil); n == 0 || err != nil {
			b.Fatal(n, err)
		}
	}
}

func BenchmarkParseGET(b *testing.B)     { benchmarkParse(b, browserGET) }
func BenchmarkParseMinimal(b *testing.B) { benchmarkParse(b, get11+"\r\n") }
func BenchmarkParsePOST(b *testing.B)    { benchmarkParse(b, formPOST) }
func BenchmarkParseChunked(b *testing.B) {
	benchmarkParse(b, postChunked+"10\r\n0123456789abcdef\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n")
}

// A request that arrives byte by byte, as from a slow or hostile client.
func BenchmarkParseGETByteAtATime(b *testing.B) {
	var r Request
	input := []byte(browserGET)
	b.ReportAllocs()
	for b.Loop() {
		for i := range input {
			if _, err := r.Parse(input[:i+1], nil); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkHeader(b *testing.B) {
	var r Request
	if _, err := r.Parse([]byte(browserGET), nil); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if r.Header("Cookie") == nil {
			b.Fatal("lost")
		}
	}
}

func BenchmarkGetArg(b *testing.B) {
	raw := []byte("cname=room-17&seq=42&token=8f14e45fceea167a5a36dedd4bea2543&cb=icomet_cb_1")
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := GetArg(raw, "cb"); !ok {
			b.Fatal("lost")
		}
	}
}

func BenchmarkResponseHead(b *testing.B) {
	var r Response
	raw := []byte("HTTP/1.1 200 OK\r\nDate: Mon, 23 Nov 2026 06:00:00 GMT\r\nContent-Type: text/plain\r\n" +
		"Cache-Control: no-store\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello")
	b.ReportAllocs()
	for b.Loop() {
		if n, err := r.ParseHead(raw, nil); n == 0 || err != nil {
			b.Fatal(n, err)
		}
	}
}

func BenchmarkBodyStream(b *testing.B) {
	chunk := AppendChunk(nil, []byte(`{"type":"data","cname":"room-17","seq":"42","content":"hello"}`))
	body := chunkedBody(unbounded, DefaultLimits.Head)
	b.SetBytes(int64(len(chunk)))
	b.ReportAllocs()
	for b.Loop() {
		for in := chunk; len(in) > 0; {
			_, n, _, err := body.Next(in)
			if err != nil {
				b.Fatal(err)
			}
			in = in[n:]
		}
	}
}

func BenchmarkAppendResponse(b *testing.B) {
	out := make([]byte, 0, 512)
	now := time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)
	b.ReportAllocs()
	for b.Loop() {
		p := AppendStatus(out[:0], 200)
		p = AppendDate(p, now)
		p = AppendHeader(p, "Content-Type", "application/json")
		p = AppendHeader(p, "Cache-Control", "no-store")
		p = AppendHeaderInt(p, "Content-Length", 42)
		EndHeaders(p)
	}
}
