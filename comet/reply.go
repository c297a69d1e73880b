package comet

import (
	"ccomet/httplite"
)

// appendResponse appends a whole response.
func (w *web) appendResponse(dst []byte, x *exchange, status int, contentType string, body []byte) []byte {
	dst = w.appendHead(dst, x.side, head{conn: x.conn.Index(), status: status, contentType: contentType, old: x.old, last: x.last})
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
func (w *web) reply(x *exchange, status int, contentType string, body []byte) {
	w.scratch = w.appendResponse(w.scratch[:0], x, status, contentType, body)
	w.replyRendered(x)
}

// replyHead answers HEAD where GET would be answered when there is something to say,
// or without end: with the head alone, and without waiting.
func (w *web) replyHead(x *exchange, contentType string, endless bool) {
	w.scratch = w.appendHead(w.scratch[:0], x.side, head{conn: x.conn.Index(), status: 200, contentType: contentType, old: x.old, last: x.last, endless: endless})
	if contentType == typeSSE {
		w.scratch = w.appendEventsOrigin(w.scratch)
	}
	if endless && !x.old {
		w.scratch = append(w.scratch, chunkedLine...)
	}
	w.scratch = httplite.EndHeaders(w.scratch)
	w.replyRendered(x)
}

// replyRendered answers with the response that scratch has.
func (w *web) replyRendered(x *exchange) {
	if what, i := w.state(x.conn); what == stateAnswering {
		w.addSlot(i, x, slot{op: opReady, done: true, text: string(w.scratch)})
		return
	}
	_ = w.loop.Write(x.conn, w.scratch) // a lost connection is told to Closed
	w.answered(x.conn, x.last)
}

// replyJSON answers with JSON, or with a call of cb if there is one.
func (w *web) replyJSON(x *exchange, cb, object []byte) {
	contentType := typeJSON
	if len(cb) > 0 {
		contentType = typeScript
	}
	w.body = appendJSONP(w.body[:0], cb, object)
	w.reply(x, 200, contentType, w.body)
}

// fail answers a request that cannot be served, with one line that says why.
func (w *web) fail(x *exchange, status int, reason string) {
	w.body = append(append(w.body[:0], reason...), '\n')
	w.failed(x, status)
}

// failed is fail with the line that body has.
func (w *web) failed(x *exchange, status int) {
	w.totals.refused.Add(1)
	if x.req.Method() == httplite.HEAD {
		x.head = true
	}
	w.reply(x, status, typeText, w.body)
}

// notAllowed answers a method that the path does not have.
func (w *web) notAllowed(x *exchange, e endpoint) {
	w.object = appendMethods(w.object[:0], "Allow: ", e.methods)
	x.headers = w.object
	w.fail(x, 405, "method not allowed here")
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
func (w *web) options(x *exchange, e endpoint, known bool) {
	switch path := string(x.req.Path()); {
	case known:
	case path == "/", path == "*":
		e.methods = getHead
	default:
		w.noSuchPath(x)
		return
	}
	if w.preflight(x, e) {
		return
	}
	w.object = appendMethods(w.object[:0], "Allow: ", e.methods)
	x.headers = w.object
	w.reply(x, 204, "", nil)
}

// maxPathTold is how much of a path an answer repeats.
const maxPathTold = 200

// noSuchPath says which path is not there: a proxy may have made it of another.
func (w *web) noSuchPath(x *exchange) {
	path := x.req.Path()
	w.body = append(append(w.body[:0], "no such path: "...), path[:min(len(path), maxPathTold)]...)
	if len(path) > maxPathTold {
		w.body = append(w.body, "..."...)
	}
	w.body = append(w.body, '\n')
	w.failed(x, 404)
}
