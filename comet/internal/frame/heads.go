package frame

import (
	"time"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/record"
	"ccomet/httplite"
	"ccomet/reactor"
)

// Heads renders the heads of a loop's responses, with a date that is rendered once a
// second, and what pages of other origins are told.
type Heads struct {
	Loop       *reactor.Loop
	AnyEvents  bool // event streams are for pages of any origin
	Cors       *[conn.NumSides]Cors
	Pages      pages
	date       []byte
	DateSecond int64

	IframeHead []byte
	RetryTime  time.Duration // when browsers are to come back, on the average; 0: not told
	Rng        *record.Spread
}

// Stamp renders the Date header, if it is another second's.
func (h *Heads) Stamp() {
	if now := h.Loop.Now(); now.Unix() != h.DateSecond {
		h.DateSecond = now.Unix()
		h.date = httplite.AppendDate(h.date[:0], now)
	}
}

// Head is what a response's head depends on.
type Head struct {
	Conn               uint32 // its connection's index, for what pages are told
	Status             int
	ContentType        string
	HTTP10, CloseAfter bool // of HTTP/1.0; the connection ends with the response
	Endless            bool
}

// What every response carries, and an endless one. A proxy that transforms what goes
// through it, to compress it say, keeps it back until it has enough.
const (
	headFixed   = "Cache-Control: no-cache\r\nExpires: 0\r\nX-Content-Type-Options: nosniff\r\n"
	headEndless = "Cache-Control: no-cache, no-transform\r\nExpires: 0\r\nX-Content-Type-Options: nosniff\r\nX-Accel-Buffering: no\r\n"
)

const ChunkedLine = "Transfer-Encoding: chunked\r\n"

// AppendHead appends a response's head but for how its body ends.
func (h *Heads) AppendHead(dst []byte, side uint8, of Head) []byte {
	h.Stamp()
	dst = httplite.AppendStatus(dst, of.Status)
	dst = append(dst, h.date...)
	if of.ContentType != "" {
		dst = httplite.AppendHeader(dst, "Content-Type", of.ContentType)
	}
	if of.Endless {
		dst = append(dst, headEndless...)
	} else {
		dst = append(dst, headFixed...)
	}
	dst = append(dst, h.corsLines(side, of.Conn)...)
	switch {
	case of.CloseAfter && !of.HTTP10:
		dst = append(dst, "Connection: close\r\n"...)
	case of.HTTP10 && !of.CloseAfter:
		dst = append(dst, "Connection: keep-alive\r\n"...)
	}
	return dst
}

// Content types.
const (
	TypeText   = "text/plain; charset=utf-8"
	TypeJSON   = "application/json; charset=utf-8"
	TypeLines  = "application/x-ndjson" // which has no charset: it is UTF-8
	TypeScript = "text/javascript; charset=utf-8"
	typeHTML   = "text/html; charset=utf-8"
	TypeSSE    = "text/event-stream; charset=utf-8"
)

// AppendJSONP appends "object\n", or "cb(object);\n".
func AppendJSONP[T []byte | string](dst []byte, cb T, object []byte) []byte {
	if len(cb) == 0 {
		dst = append(dst, object...)
		return append(dst, '\n')
	}
	dst = append(dst, cb...)
	dst = append(dst, '(')
	dst = append(dst, object...)
	return append(dst, ");\n"...)
}

func (h *Heads) appendIframeHead(dst []byte) []byte { return append(dst, h.IframeHead...) }

// appendRetryTime appends when a browser is to come back. That is no event of its own,
// which some clients take for an empty one: the first that comes goes on with it.
func (h *Heads) appendRetryTime(dst []byte) []byte {
	if h.RetryTime <= 0 {
		return dst
	}
	return appendRetry(dst, h.RetryAfter(h.RetryTime))
}

// RetryAfter is when a client is told to come back, in milliseconds: from half of d
// to half as much again.
func (h *Heads) RetryAfter(d time.Duration) int64 {
	ms := max(int64(d/time.Millisecond), 2)
	return ms/2 + int64(h.Rng.Next()%uint64(ms))
}
