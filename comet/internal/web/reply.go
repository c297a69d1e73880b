package web

import (
	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/frame"
	"ccomet/httplite"
)

// reply answers a request immediately, or after the pending replies of its connection.
func (w *Web) reply(x *exchange, status int, contentType string, body []byte) {
	w.Scratch = w.appendResponse(w.Scratch[:0], x, status, contentType, body)
	w.replyRendered(x)
}

// replyHead answers a HEAD request, for which a GET would wait or never end, with the head
// alone and without waiting.
func (w *Web) replyHead(x *exchange, contentType string, endless bool) {
	w.Scratch = w.AppendHead(w.Scratch[:0], x.side, frame.Head{Conn: x.conn.Index(), Status: 200, ContentType: contentType, HTTP10: x.http10, CloseAfter: x.closeAfter, Endless: endless})
	if contentType == frame.TypeSSE {
		w.Scratch = w.AppendEventsOrigin(w.Scratch)
	}
	if endless && !x.http10 {
		w.Scratch = append(w.Scratch, frame.ChunkedLine...)
	}
	w.Scratch = httplite.EndHeaders(w.Scratch)
	w.replyRendered(x)
}

// replyRendered answers with the response in Scratch.
func (w *Web) replyRendered(x *exchange) {
	if i := w.pipelines.of(x.conn); i != 0 {
		w.pipelines.add(i, x, pendingReply{done: true, text: string(w.Scratch)})
		return
	}
	_ = w.loop.Write(x.conn, w.Scratch) // if the connection is lost, Closed is called
	w.Answered(x.conn, x.closeAfter)
}

// replyJSON answers with JSON, or with a call of cb if that is not empty.
func (w *Web) replyJSON(x *exchange, cb, object []byte) {
	contentType := frame.TypeJSON
	if len(cb) > 0 {
		contentType = frame.TypeScript
	}
	w.Body = frame.AppendJSONP(w.Body[:0], cb, object)
	w.reply(x, 200, contentType, w.Body)
}

// fail answers a request that cannot be served, with one line that gives the reason.
func (w *Web) fail(x *exchange, status int, reason string) {
	w.Body = append(append(w.Body[:0], reason...), '\n')
	w.failed(x, status)
}

// failed is fail with the line in Body.
func (w *Web) failed(x *exchange, status int) {
	w.totals.Refused.Add(1)
	if x.req.Method() == httplite.HEAD {
		x.isHEAD = true
	}
	w.reply(x, status, frame.TypeText, w.Body)
}

// notAllowed answers a request whose method the path does not accept.
func (w *Web) notAllowed(x *exchange, e endpoint) {
	w.Object = appendMethods(w.Object[:0], "Allow: ", e.methods)
	x.headers = w.Object
	w.Body = appendMethods(w.Body[:0], "method not allowed here: want ", e.methods)
	w.Body = append(w.Body[:len(w.Body)-len("\r\n")], '\n')
	w.failed(x, 405)
}

// appendMethods appends a line that lists methods, and OPTIONS, which every path accepts.
func appendMethods(dst []byte, name string, methods []httplite.Method) []byte {
	dst = append(dst, name...)
	for _, m := range methods {
		dst = append(append(dst, m.String()...), ", "...)
	}
	return append(dst, "OPTIONS\r\n"...)
}

// options answers OPTIONS: the methods of a path, or of the whole server (RFC 9110 9.3.7). Load
// balancers use OPTIONS on "/" as a health check.
func (w *Web) options(x *exchange, e endpoint, known bool) {
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
	w.Object = appendMethods(w.Object[:0], "Allow: ", e.methods)
	x.headers = w.Object
	w.reply(x, 204, "", nil)
}

// maxPathShown is how many bytes of a path an error text repeats.
const maxPathShown = 200

// noSuchPath answers 404. The text repeats the path, because a proxy may have changed it, and
// names the side that has the path, because ports are easily confused.
func (w *Web) noSuchPath(x *exchange) {
	path := x.req.Path()
	w.Body = append(append(w.Body[:0], "no such path: "...), path[:min(len(path), maxPathShown)]...)
	if len(path) > maxPathShown {
		w.Body = append(w.Body, "..."...)
	}
	for side, paths := range w.site.Endpoints {
		if _, there := paths[string(path)]; there {
			w.Body = append(append(append(w.Body, ": the "...), conn.SideNames[side]...), " side has it"...)
			break
		}
	}
	w.Body = append(w.Body, '\n')
	w.failed(x, 404)
}
