package frame

import (
	"time"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/record"
	"ccomet/httplite"
	"ccomet/reactor"
)

// Heads renders the heads of a loop's responses, with a date that is rendered once a
// second, and with the headers for pages of other origins.
type Heads struct {
	Loop       *reactor.Loop
	AnyEvents  bool // pages of any origin may read event streams
	Cors       *[conn.NumSides]Cors
	Pages      pages
	date       []byte
	DateSecond int64

	IframeHead []byte
	RetryTime  time.Duration // average delay after which browsers come back; 0: not sent
	Rng        *record.Spread
}

// Stamp renders the Date header if the second has changed.
func (h *Heads) Stamp() {
	if now := h.Loop.Now(); now.Unix() != h.DateSecond {
		h.DateSecond = now.Unix()
		h.date = httplite.AppendDate(h.date[:0], now)
	}
}

// Head is what the head of a response depends on.
type Head struct {
	Conn               uint32 // index of its connection, for the CORS headers
	Status             int
	ContentType        string
	HTTP10, CloseAfter bool // HTTP/1.0; the connection closes after the response
	Endless            bool
}

// Headers of every response, and of an endless one. A proxy that transforms an endless
// response, for example to compress it, holds it back until it has enough.
const (
	headFixed   = "Cache-Control: no-cache\r\nExpires: 0\r\nX-Content-Type-Options: nosniff\r\n"
	headEndless = "Cache-Control: no-cache, no-transform\r\nExpires: 0\r\nX-Content-Type-Options: nosniff\r\nX-Accel-Buffering: no\r\n"
)

const ChunkedLine = "Transfer-Encoding: chunked\r\n"

// AppendHead appends the head of a response, except how its body ends.
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
	TypeLines  = "application/x-ndjson" // without a charset: it is always UTF-8
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

// appendRetryTime appends when a browser must come back. That is no event of its own,
// because some clients take such a one for an empty event: the first event follows
// directly.
func (h *Heads) appendRetryTime(dst []byte) []byte {
	if h.RetryTime <= 0 {
		return dst
	}
	return appendRetry(dst, h.RetryAfter(h.RetryTime))
}

// RetryAfter returns a delay after which a client should come back, in milliseconds: a
// random one from half of d to one and a half times d.
func (h *Heads) RetryAfter(d time.Duration) int64 {
	ms := max(int64(d/time.Millisecond), 2)
	return ms/2 + int64(h.Rng.Next()%uint64(ms))
}
