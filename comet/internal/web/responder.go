package web

import (
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/limit"
	"ccomet/comet/internal/pool"
	"ccomet/comet/internal/token"
	"ccomet/httplite"
)

// responder renders responses. It knows connections by index only, and writes to none.
type responder struct {
	*frame.Heads
	pool.Buffers
	cfg    *Config
	totals *limit.Totals
	tokens *token.Tokens

	// Two responses are cached for one second.
	ok          []byte
	okSecond    int64
	stats       []byte
	statsSecond int64
}

// appendResponse appends a complete response.
func (r *responder) appendResponse(dst []byte, x *exchange, status int, contentType string, body []byte) []byte {
	dst = r.AppendHead(dst, x.side, frame.Head{Conn: x.conn.Index(), Status: status, ContentType: contentType, HTTP10: x.http10, CloseAfter: x.closeAfter})
	dst = append(dst, x.headers...)
	if status != 204 { // 204 has no body, and must not have a Content-Length (RFC 9110 8.6)
		dst = httplite.AppendHeaderInt(dst, "Content-Length", int64(len(body)))
	}
	dst = httplite.EndHeaders(dst)
	if !x.isHEAD {
		dst = append(dst, body...)
	}
	return dst
}

// appendBodiless appends a response without a body and without Content-Length.
func (r *responder) appendBodiless(dst []byte, x *exchange, status int) []byte {
	dst = r.AppendHead(dst, x.side, frame.Head{Conn: x.conn.Index(), Status: status, HTTP10: x.http10, CloseAfter: x.closeAfter})
	return httplite.EndHeaders(append(dst, x.headers...))
}

// appendPending appends the response of a completed reply.
func (r *responder) appendPending(dst []byte, reply *pendingReply) []byte {
	if reply.write == nil {
		return append(dst, reply.text...)
	}
	return reply.write(r, dst, reply)
}
