package comet

import (
	"ccomet/httplite"
	"ccomet/reactor"
	"time"
)

// heads renders the heads of a loop's responses, with a date that is rendered once a
// second, and what pages of other origins are told.
type heads struct {
	loop       *reactor.Loop
	anyEvents  bool // event streams are for pages of any origin
	cors       *[sides]cors
	pages      pages
	date       []byte
	dateSecond int64

	iframeHead []byte
	retryTime  time.Duration // when browsers are to come back, on the average; 0: not told
	rng        *spread
}

// stamp renders the Date header, if it is another second's.
func (h *heads) stamp() {
	if now := h.loop.Now(); now.Unix() != h.dateSecond {
		h.dateSecond = now.Unix()
		h.date = httplite.AppendDate(h.date[:0], now)
	}
}

// head is what a response's head depends on.
type head struct {
	conn        uint32 // its connection's index, for what pages are told
	status      int
	contentType string
	old, last   bool // of HTTP/1.0; the connection ends with the response
	endless     bool
}

// What every response carries, and an endless one. A proxy that transforms what goes
// through it, to compress it say, keeps it back until it has enough.
const (
	headFixed   = "Cache-Control: no-cache\r\nExpires: 0\r\nX-Content-Type-Options: nosniff\r\n"
	headEndless = "Cache-Control: no-cache, no-transform\r\nExpires: 0\r\nX-Content-Type-Options: nosniff\r\nX-Accel-Buffering: no\r\n"
)

const chunkedLine = "Transfer-Encoding: chunked\r\n"

// appendHead appends a response's head but for how its body ends.
func (h *heads) appendHead(dst []byte, side uint8, of head) []byte {
	h.stamp()
	dst = httplite.AppendStatus(dst, of.status)
	dst = append(dst, h.date...)
	if of.contentType != "" {
		dst = httplite.AppendHeader(dst, "Content-Type", of.contentType)
	}
	if of.endless {
		dst = append(dst, headEndless...)
	} else {
		dst = append(dst, headFixed...)
	}
	dst = append(dst, h.corsLines(side, of.conn)...)
	switch {
	case of.last && !of.old:
		dst = append(dst, "Connection: close\r\n"...)
	case of.old && !of.last:
		dst = append(dst, "Connection: keep-alive\r\n"...)
	}
	return dst
}

// Content types.
const (
	typeText   = "text/plain; charset=utf-8"
	typeJSON   = "application/json; charset=utf-8"
	typeScript = "text/javascript; charset=utf-8"
	typeHTML   = "text/html; charset=utf-8"
	typeSSE    = "text/event-stream; charset=utf-8"
)

// appendJSONP appends "object\n", or "cb(object);\n".
func appendJSONP[T []byte | string](dst []byte, cb T, object []byte) []byte {
	if len(cb) == 0 {
		dst = append(dst, object...)
		return append(dst, '\n')
	}
	dst = append(dst, cb...)
	dst = append(dst, '(')
	dst = append(dst, object...)
	return append(dst, ");\n"...)
}

func (h *heads) appendIframeHead(dst []byte) []byte { return append(dst, h.iframeHead...) }

// appendRetryTime appends when a browser is to come back. That is no event of its own,
// which some clients take for an empty one: the first that comes goes on with it.
func (h *heads) appendRetryTime(dst []byte) []byte {
	if h.retryTime <= 0 {
		return dst
	}
	return appendRetry(dst, h.retryAfter(h.retryTime))
}

// retryAfter is when a client is told to come back, in milliseconds: from half of d
// to half as much again.
func (h *heads) retryAfter(d time.Duration) int64 {
	ms := max(int64(d/time.Millisecond), 2)
	return ms/2 + int64(h.rng.next()%uint64(ms))
}
