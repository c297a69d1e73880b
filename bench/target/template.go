package target

import (
	"strconv"
	"strings"
	"time"

	"ccomet/httplite"
	"ccomet/httplite/websocket"
)

// Template is a text with placeholders, which is compiled once and filled in for each request:
//
//	{channel}   the channel's name, 16 digits
//	{seq}       the number of the next message, 0 for the newest (ICometCursor)
//	{modified}  the time of the last message, in HTTP's format (HeadersCursor)
//	{etag}      its tag
//	{also}      further channels, each in the form of Transport.Also; usually empty
//	{content}   the content: letters, digits, '-' and '.', which need no escaping anywhere
//
// Other text in braces remains.
type Template struct{ parts []part }

type part struct {
	text string
	word word
}

type word uint8

const (
	noWord word = iota
	channelWord
	seqWord
	modifiedWord
	etagWord
	contentWord
	alsoWord
)

var words = map[string]word{"channel": channelWord, "seq": seqWord, "modified": modifiedWord, "etag": etagWord, "content": contentWord, "also": alsoWord}

// ChannelName is the length of a channel's name, which is a number of up to
// MaxChannel.
const (
	ChannelName = 16
	MaxChannel  = 1<<32 - 1
)

// Vars are the values of placeholders.
type Vars struct {
	Channel  uint32
	Seq      int32
	Modified int64 // seconds since 1970; 0: none yet
	ETag     uint32
	Content  []byte
	Also     []byte // rendered text
}

// Compile compiles a template.
func Compile(text string) Template {
	var t Template
	for text != "" {
		open := strings.IndexByte(text, '{')
		end := strings.IndexByte(text[open+1:], '}')
		if open < 0 || end < 0 {
			break
		}
		if w, ok := words[text[open+1:open+1+end]]; ok {
			t.parts = append(t.parts, part{text: text[:open]}, part{word: w})
			text = text[open+end+2:]
		} else {
			t.parts = append(t.parts, part{text: text[:open+1]})
			text = text[open+1:]
		}
	}
	t.parts = append(t.parts, part{text: text})
	return t
}

// Empty reports whether a placeholder of the template has no value. A header for which that is
// true is left out.
func (t Template) Empty(v *Vars) bool {
	for _, p := range t.parts {
		if (p.word == modifiedWord || p.word == etagWord) && v.Modified == 0 {
			return true
		}
	}
	return false
}

// Append appends the template, filled in.
func (t Template) Append(dst []byte, v *Vars) []byte {
	for _, p := range t.parts {
		switch p.word {
		case noWord:
			dst = append(dst, p.text...)
		case channelWord:
			dst = AppendDigits(dst, uint64(v.Channel), ChannelName)
		case seqWord:
			dst = strconv.AppendInt(dst, int64(v.Seq), 10)
		case modifiedWord:
			dst = time.Unix(v.Modified, 0).UTC().AppendFormat(dst, "Mon, 02 Jan 2006 15:04:05 GMT")
		case etagWord:
			dst = strconv.AppendUint(dst, uint64(v.ETag), 10)
		case contentWord:
			dst = append(dst, v.Content...)
		case alsoWord:
			dst = append(dst, v.Also...)
		}
	}
	return dst
}

// AppendDigits appends n in decimal with zeros in front, width digits in all.
func AppendDigits(dst []byte, n uint64, width int) []byte {
	at := len(dst)
	for range width {
		dst = append(dst, '0')
	}
	for i := len(dst) - 1; i >= at && n > 0; i-- {
		dst[i] = byte('0' + n%10)
		n /= 10
	}
	return dst
}

// Request is a compiled request.
type Request struct {
	method  string
	path    Template
	headers []Template
	body    Template
	hasBody bool
	scratch []byte

	handshake []byte // header lines
}

// Request compiles the request that subscribes.
func (t *Transport) Request() *Request {
	method := "GET"
	if t.Body != "" {
		method = "POST"
	}
	r := compile(method, t.Path, t.Headers, t.Body)
	if t.WebSocket {
		r.handshake = websocket.AppendRequest(nil, WebSocketKey, nil, false)
	}
	return r
}

// WebSocketKey is the key of all handshakes. Answers are checked against it.
const WebSocketKey = "dGhlIHNhbXBsZSBub25jZQ=="

// Request compiles the request that publishes.
func (p *Publish) Request() *Request {
	return compile(p.Method, p.Path, p.Headers, p.Body)
}

// Request compiles the request that publishes a batch, whose Content is the lines, and a line.
func (b *Batch) Request() (*Request, Template) {
	return compile("POST", b.Path, b.Headers, "{content}"), Compile(b.Line)
}

func compile(method, path string, headers []string, body string) *Request {
	r := &Request{method: method, path: Compile(path), body: Compile(body), hasBody: body != "" || method == "POST" || method == "PUT"}
	for _, h := range headers {
		r.headers = append(r.headers, Compile(h))
	}
	return r
}

// Append appends the whole request. A Request must not be used concurrently.
func (r *Request) Append(dst []byte, v *Vars) []byte {
	dst = append(append(dst, r.method...), ' ')
	dst = r.path.Append(dst, v)
	dst = append(dst, " HTTP/1.1\r\nHost: localhost\r\n"...)
	for _, h := range r.headers {
		if !h.Empty(v) {
			dst = append(h.Append(dst, v), "\r\n"...)
		}
	}
	dst = append(dst, r.handshake...)
	if r.hasBody {
		r.scratch = r.body.Append(r.scratch[:0], v)
		dst = httplite.AppendHeaderInt(dst, "Content-Length", int64(len(r.scratch)))
	}
	dst = append(dst, "\r\n"...)
	if r.hasBody {
		dst = append(dst, r.scratch...)
	}
	return dst
}
