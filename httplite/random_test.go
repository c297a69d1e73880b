package httplite

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// pieces builds random requests from significant parts, most of them valid.
type pieces struct{ *rand.Rand }

func (p pieces) pick(from ...string) string { return from[p.IntN(len(from))] }

// rare returns the usual part, and one time in twelve an odd one.
func (p pieces) rare(usual string, odd ...string) string {
	if p.IntN(12) > 0 {
		return usual
	}
	return p.pick(odd...)
}

func (p pieces) crlf() string {
	if p.IntN(60) > 0 {
		return "\r\n"
	}
	return p.pick("\n", "\r", "\r\r\n", "\r\n ", "\n\r\n", "")
}

func (p pieces) requestLine() string {
	line := p.rare("", "\r\n", "\n") + p.pick("GET", "POST", "OPTIONS", "CONNECT", "x-y") + p.rare(" ", "  ", "\t")
	line += p.pick("/", "/", "/a/%41", "//x//", "http://h", "HTTPS://[::1]:8/p", "http://a%ff", "http://u@h/", "h:1", "*", "/%", "/\xff", "")
	line += p.rare("", "?", "?q=1&r", "?\xff?", "?%", "#f", "/..", "\x7f", " ")
	return line + p.rare(" ", "  ", "") + p.pick("HTTP/1.1", "HTTP/1.1", "HTTP/1.0", p.rare("HTTP/1.1", "HTTP/1.2", "HTTP/2.0", "HTTP/1.01", "http/1.1")) + p.crlf()
}

func (p pieces) header() string {
	name := p.pick("Host", "HOST", "Connection", "content-length", "Transfer-Encoding", "Expect", "X-1", "Trailer", "Pragma", "a")
	value := p.pick("h", "close", "keep-alive", "a, Close", "3", "12", "chunked", "CHUNKED", "gzip", "100-continue", "no-cache", "", "[::1]")
	return p.rare(name, "", name+" ", " "+name, "\xff") + p.rare(":", " :", "", "::") + p.rare(" ", "\t", "", "  ") +
		value + p.rare("", " ", "\t", "\x00", ",", "\xff") + p.crlf()
}

func (p pieces) chunk() string {
	data := p.pick("a", "abc", "hello world 1234")
	size := map[string]string{"a": "1", "abc": "03", "hello world 1234": "10"}[data]
	return p.rare(size, "", "2", "g", "-1") + p.rare("", ";x=y", " ;x", " ", "\t") + p.crlf() + data + p.crlf()
}

func (p pieces) request() string {
	var b strings.Builder
	b.WriteString(p.requestLine() + p.rare("Host: h\r\n", ""))
	for range p.IntN(4) {
		b.WriteString(p.header())
	}
	switch p.IntN(3) {
	case 0:
		b.WriteString("Content-Length: 3" + p.crlf() + p.crlf() + "abc")
	case 1:
		b.WriteString("Transfer-Encoding: chunked" + p.crlf() + p.crlf())
		for range p.IntN(3) {
			b.WriteString(p.chunk())
		}
		b.WriteString("0" + p.crlf() + p.rare("", "A: b\r\n", p.header()) + p.crlf())
	default:
		b.WriteString(p.crlf())
	}
	return b.String() + p.pick("", "GET /next")
}

// Requests that are put together at random from significant parts reach places that random changes
// of bytes do not reach. As in FuzzRequest, cutting must change nothing, and net/http must agree or
// differ for a known reason. A failure prints the input itself.
func TestRandomRequests(t *testing.T) {
	p := pieces{rand.New(rand.NewPCG(9112, 9110))}
	good := 0
	for range 30000 {
		raw := p.request()
		got := feed(t, raw, nil)
		again, _ := feedBytes(t, raw, nil)
		if cut := p.IntN(len(raw)); again != got || feed(t, raw, nil, cut) != got {
			t.Fatalf("cutting %q (at %d, or everywhere) changes the outcome", raw, cut)
		}
		if got.n > 0 {
			good++
		}
		if _, err := against(got, []byte(raw)); err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
	}
	if good < 3000 {
		t.Errorf("only %d were accepted: the pieces are too bad to show anything", good)
	}
}
