package comet

import (
	"ccomet/httplite"
)

// appendResponse appends a whole response.
func (s *shard) appendResponse(dst []byte, x *exchange, status int, contentType string, body []byte) []byte {
	dst = s.appendHead(dst, x.side, head{conn: x.conn.Index(), status: status, contentType: contentType, old: x.old, last: x.last})
	dst = append(dst, x.headers...)
	if status != 204 { // which has no body, and must not have its length (RFC 9110 8.6)
		dst = httplite.AppendHeaderInt(dst, "Content-Length", int64(len(body)))
	}
	dst = httplite.EndHeaders(dst)
	if !x.head {
		dst = append(dst, body...)
	}
	return dst
}

// reply answers a request at once, in its turn behind those before it.
func (s *shard) reply(x *exchange, status int, contentType string, body []byte) {
	s.scratch = s.appendResponse(s.scratch[:0], x, status, contentType, body)
	s.replyRendered(x)
}

// replyHead answers HEAD where GET would be answered when there is something to say,
// or without end: with the head alone, and without waiting.
func (s *shard) replyHead(x *exchange, contentType string, endless bool) {
	s.scratch = s.appendHead(s.scratch[:0], x.side, head{conn: x.conn.Index(), status: 200, contentType: contentType, old: x.old, last: x.last, endless: endless})
	if contentType == typeSSE {
		s.scratch = s.appendEventsOrigin(s.scratch)
	}
	if endless && !x.old {
		s.scratch = append(s.scratch, chunkedLine...)
	}
	s.scratch = httplite.EndHeaders(s.scratch)
	s.replyRendered(x)
}

// replyRendered answers with the response that scratch has.
func (s *shard) replyRendered(x *exchange) {
	if what, i := s.state(x.conn); what == stateAnswering {
		s.addSlot(i, x, slot{op: opReady, done: true, text: string(s.scratch)})
		return
	}
	_ = s.loop.Write(x.conn, s.scratch) // a lost connection is told to Closed
	s.answered(x.conn, x.last)
}

// replyJSON answers with JSON, or with a call of cb if there is one.
func (s *shard) replyJSON(x *exchange, cb, object []byte) {
	contentType := typeJSON
	if len(cb) > 0 {
		contentType = typeScript
	}
	s.body = appendJSONP(s.body[:0], cb, object)
	s.reply(x, 200, contentType, s.body)
}

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

// fail answers a request that cannot be served, with one line that says why.
func (s *shard) fail(x *exchange, status int, reason string) {
	s.body = append(append(s.body[:0], reason...), '\n')
	s.failed(x, status)
}

// failed is fail with the line that body has.
func (s *shard) failed(x *exchange, status int) {
	s.totals.refused.Add(1)
	if x.req.Method() == httplite.HEAD {
		x.head = true
	}
	s.reply(x, status, typeText, s.body)
}

// notAllowed answers a method that the path does not have.
func (s *shard) notAllowed(x *exchange, e endpoint) {
	s.object = appendMethods(s.object[:0], "Allow: ", e.methods)
	x.headers = s.object
	s.fail(x, 405, "method not allowed here")
}

// appendMethods appends a header line that lists methods, and OPTIONS, which every
// path has.
func appendMethods(dst []byte, name string, methods []httplite.Method) []byte {
	dst = append(dst, name...)
	for _, m := range methods {
		dst = append(append(dst, m.String()...), ", "...)
	}
	return append(dst, "OPTIONS\r\n"...)
}

// options answers OPTIONS: what a path, or the server as a whole (RFC 9110 9.3.7),
// may be asked with. Load balancers ask "/" so, to see whether the server is there.
func (s *shard) options(x *exchange, e endpoint, known bool) {
	switch path := string(x.req.Path()); {
	case known:
	case path == "/", path == "*":
		e.methods = getHead
	default:
		s.noSuchPath(x)
		return
	}
	if s.preflight(x, e) {
		return
	}
	s.object = appendMethods(s.object[:0], "Allow: ", e.methods)
	x.headers = s.object
	s.reply(x, 204, "", nil)
}

// maxPathTold is how much of a path an answer repeats.
const maxPathTold = 200

// noSuchPath says which path is not there: a proxy may have made it of another.
func (s *shard) noSuchPath(x *exchange) {
	path := x.req.Path()
	s.body = append(append(s.body[:0], "no such path: "...), path[:min(len(path), maxPathTold)]...)
	if len(path) > maxPathTold {
		s.body = append(s.body, "..."...)
	}
	s.body = append(s.body, '\n')
	s.failed(x, 404)
}
