package comet

import (
	"time"

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

// appendStreamHead appends the head of an endless response.
func (s *shard) appendStreamHead(dst []byte, sub *subscriber) []byte {
	row := sub.transport.row()
	// An old client's response ends with the connection, whatever it asked for.
	dst = s.appendHead(dst, sideFront, head{conn: sub.conn, status: 200, contentType: row.contentType, old: sub.has(subOld), last: sub.has(subClose | subOld), endless: true})
	if row.events {
		dst = s.appendEventsOrigin(dst)
	}
	if !sub.has(subOld) {
		dst = append(dst, chunkedLine...)
	}
	dst = httplite.EndHeaders(dst)
	if row.preface == nil {
		return dst
	}
	if sub.has(subOld) {
		return row.preface(s, dst)
	}
	s.body = row.preface(s, s.body[:0])
	return httplite.AppendChunk(dst, s.body)
}

func (s *shard) appendIframeHead(dst []byte) []byte { return append(dst, s.srv.iframeHead...) }

// appendRetryTime appends when a browser is to come back. That is no event of its own,
// which some clients take for an empty one: the first that comes goes on with it.
func (s *shard) appendRetryTime(dst []byte) []byte {
	if s.cfg.RetryTime <= 0 {
		return dst
	}
	return appendRetry(dst, s.retryTime(s.cfg.RetryTime))
}

// retryTime is when a client is told to come back, in milliseconds: from half of d
// to half as much again.
func (s *shard) retryTime(d time.Duration) int64 {
	ms := max(int64(d/time.Millisecond), 2)
	return ms/2 + int64(s.rng.next()%uint64(ms))
}

// appendPollResponse appends the whole response to a poll.
func (s *shard) appendPollResponse(dst []byte, sub *subscriber, object []byte) []byte {
	var cb []byte
	size := len(object) + len("\n")
	contentType := typeJSON
	if sub.cbLen != 0 {
		cb = s.callbacks.get(sub.callback())
		size = len(cb) + len(object) + len("();\n")
		contentType = typeScript
	}
	dst = s.appendHead(dst, sideFront, head{conn: sub.conn, status: 200, contentType: contentType, old: sub.has(subOld), last: sub.has(subClose)})
	dst = httplite.AppendHeaderInt(dst, "Content-Length", int64(size))
	dst = httplite.EndHeaders(dst)
	return appendJSONP(dst, cb, object)
}

// appendPoll appends the whole response to a poll that can be answered at
// once: it was moved, or there is a backlog, or messages are gone.
func (s *shard) appendPoll(dst []byte, i uint32, cname []byte, m *mail) []byte {
	sub, tell := s.subs.At(i), epochNone
	if sub.has(subTell) {
		tell = m.ref.gen
	}
	body := s.object[:0]
	if m.flag&joinLost != 0 {
		s.loseBefore(m)
	}
	switch {
	case m.code == codeMoved:
		body = appendObject(body, kindNextSeq, cname, m.seq, "")
		body = tellLast(body, tell)
	case m.flag&joinLost != 0 && sub.has(subSayLost):
		body = appendLost(append(body, '['), cname, m)
		body = tellLast(body, tell)
		if m.n == 0 {
			body = append(body, ']')
			break
		}
		at := len(body)
		body = s.appendRun(body, m, cname, epochNone)
		body[at] = ','
	default:
		body = s.appendRun(body, m, cname, tell)
	}
	s.object = body
	return s.appendPollResponse(dst, s.subs.At(s.owner(i)), body)
}

// appendRun appends a backlog as an array, and in its first message the epoch, if
// there is one to be told.
func (s *shard) appendRun(dst []byte, m *mail, cname []byte, tell uint32) []byte {
	s.msgs = s.msgs[:0]
	for msg, n := m.msg, m.n; n > 0; msg, n = msg.after(n), n-1 {
		s.msgs = append(s.msgs, msg)
	}
	given := s.fitPoll(s.msgs, cname)
	s.tally.Replayed += uint64(len(given))
	for k := 1; k < len(given); k++ {
		s.lose(given[k-1].seq+1, given[k].seq)
	}
	dst = appendPollBody(dst, given, cname, true, tell)
	clear(s.msgs)
	return dst
}
