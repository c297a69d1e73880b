package comet

import (
	"fmt"
	"strings"
	"testing"

	"ccomet/comet/internal/conn"
)

const (
	unsupported415 = "415 Unsupported Media Type"
	wantTypes      = "want application/x-www-form-urlencoded for a form, or text/plain, application/octet-stream, application/json for a body that is the content\n"
)

// bodies are bodies of POST requests, and what they publish to channel a, or why they do not.
var bodies = []struct {
	name, target, contentType, body string
	content                         string // as JSON; empty: nothing is published
	status, reason                  string
	more                            string // a header line
}{
	{name: "text", target: "/push?cname=a", contentType: "text/plain", body: "é\"\\\n\x01&content=x", content: `é\"\\\n\u0001&content=x`},
	{name: "a type in any case, with parameters", target: "/push?cname=a", contentType: "Text/Plain ; charset=\"UTF-8\"; x=y", body: "é", content: "é"},
	{name: "bytes", target: "/push?cname=a", contentType: "application/octet-stream", body: "x", content: "x"},
	{name: "JSON", target: "/push?cname=a", contentType: "application/json;charset=utf8", body: `{"a": [1]}`, content: `{\"a\": [1]}`},
	{name: "no type", target: "/push?cname=a", body: "x", content: "x"},
	{name: "content that begins like a form", target: "/push?cname=a", body: "content=x", content: "content=x"},
	{name: "/pub: already escaped", target: "/pub?cname=a", contentType: "text/plain", body: `\u00e9\n`, content: `\u00e9\n`},
	{name: "/pub: not escaped", target: "/pub?cname=a", contentType: "text/plain", body: `x"`, status: bad400, reason: "the body: not valid inside a JSON string, from byte 1 on\n"},
	{name: "a form", target: "/push", contentType: "application/x-www-form-urlencoded; charset=iso-8859-1", body: "cname=a&content=%C3%A9+x", content: "é x"},
	{name: "a form without its type", target: "/push", body: "cname=a&content=x+y", content: "x y"},
	{name: "a form with another type", target: "/push", contentType: "text/plain", body: "content=x&cname=a", content: "x"},
	{name: "a form with an empty content", target: "/push?cname=a", contentType: "application/x-www-form-urlencoded", body: "content=", content: "-"},
	{name: "content and no channel", target: "/push", contentType: "text/plain", body: "x", status: bad400,
		reason: "parameter cname is missing: if the body is the content, put cname in the query, as in /push?cname=NAME\n"},
	{name: "no body", target: "/push?cname=a", contentType: "text/plain", status: bad400, reason: "parameter content is missing\n"},
	{name: "content twice", target: "/push?cname=a&content=x", contentType: "text/plain", body: "y", status: bad400,
		reason: "the content is given twice: as the body and as parameter content\n"},
	{name: "another type", target: "/push?cname=a", contentType: "text/html", body: "x", status: unsupported415, reason: "Content-Type \"text/html\": " + wantTypes},
	{name: "a form in parts", target: "/push?cname=a", contentType: "multipart/form-data; boundary=b", body: "x", status: unsupported415,
		reason: "Content-Type \"multipart/form-data; boundary=b\": " + wantTypes},
	{name: "not UTF-8", target: "/push?cname=a", contentType: "application/octet-stream", body: "a\xff", status: bad400, reason: "the body: not UTF-8\n"},
	{name: "UTF-16, which is UTF-8 too", target: "/push?cname=a", contentType: "text/plain; charset=UTF-16LE", body: "h\x00i\x00", status: unsupported415,
		reason: "charset \"UTF-16LE\": send the body as UTF-8\n"},
	{name: "Latin-1, which is UTF-8 too", target: "/push?cname=a", contentType: `text/plain;x=y; CharSet="iso-8859-1"`, body: "\xc3\xa9", status: unsupported415,
		reason: "charset \"iso-8859-1\": send the body as UTF-8\n"},
	{name: "ASCII", target: "/push?cname=a", contentType: "text/plain; charset=US-ASCII", body: "x", content: "x"},
	{name: "compressed", target: "/push?cname=a", contentType: "text/plain", more: "Content-Encoding: gzip\r\n", body: "x", status: unsupported415,
		reason: "Content-Encoding \"gzip\": send the body without one\n"},
	{name: "not compressed", target: "/push?cname=a", contentType: "text/plain", more: "Content-Encoding: Identity\r\n", body: "x", content: "x"},
	{name: "the largest", target: "/push?cname=a", contentType: "text/plain", body: strings.Repeat("\"", 20), content: strings.Repeat(`\"`, 20)},
	{name: "too large", target: "/push?cname=a", contentType: "text/plain", body: strings.Repeat("x", 21), status: large413, reason: "the body is 21 bytes: max-message is 20\n"},
	{name: "a body that is not published", target: "/sign?cname=a", contentType: "text/plain", body: "x", status: unsupported415,
		reason: "the body is not a form: want application/x-www-form-urlencoded, not \"text/plain\"\n"},
}

// TestBodies: the body of a POST is a form or the content itself. Any other body is refused with the
// reason, and nothing is published.
func TestBodies(t *testing.T) {
	for _, r := range bodies {
		for _, loops := range []int{1, 3} {
			for _, chunked := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/loops=%d/chunked=%t", r.name, loops, chunked), func(t *testing.T) {
					srv := startWire(t, Config{Loops: loops, MaxMessage: 20})
					head := "POST " + r.target + " HTTP/1.1\r\nHost: h\r\n" + r.more + closing
					if r.contentType != "" {
						head += "Content-Type: " + r.contentType + "\r\n"
					}
					request := fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, len(r.body), r.body)
					if chunked {
						request = head + "Transfer-Encoding: chunked\r\n\r\n" + piece(1, r.body) + lastPiece(1)
					}
					got, kept := srv.talk(conn.Admin, request), `{"cname":"a","first":1,"next":1,"lost":false,"messages":[]}`+"\n"
					if r.content == "" {
						same(t, got, answer(r.status, asText, r.reason, closing))
					} else {
						same(t, got, answer(ok200, asJSON, done, closing))
						kept = `{"cname":"a","first":1,"next":2,"lost":false,"messages":[` + object("data", 1, strings.TrimPrefix(r.content, "-")) + "]}\n"
					}
					_, body, _ := strings.Cut(srv.talk(conn.Front, reqGet(1, "/history?cname=a", closing)), "\r\n\r\n")
					same(t, body, kept)
				})
			}
		}
	}
}

// A body that is the content is announced with Expect like any other.
func TestBodyAfterContinue(t *testing.T) {
	srv := startWire(t, Config{Loops: 1, MaxMessage: 20})
	c := srv.dial(conn.Admin)
	c.send("POST /push?cname=a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n")
	c.expect("HTTP/1.1 100 Continue\r\n\r\n")
	c.send("2\r\nhi\r\n0\r\n\r\n")
	c.expect(answer(ok200, asJSON, done))
	c.send("POST /push?cname=a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Type: text/plain\r\nContent-Length: 1000000\r\n\r\n")
	if got := c.rest(); !strings.HasPrefix(got, "HTTP/1.1 413 ") || !strings.HasSuffix(got, "(max-message is 20)\n") {
		t.Errorf("a body that is too large is answered %q", got)
	}
}
