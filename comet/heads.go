package comet

import (
	"ccomet/httplite"
	"ccomet/reactor"
)

// heads renders the heads of a loop's responses, with a date that is rendered once a
// second, and what pages of other origins are told.
type heads struct {
	loop       *reactor.Loop
	compat     *Compat
	cors       *[sides]cors
	pages      pages
	date       []byte
	dateSecond int64
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
