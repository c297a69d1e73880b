package comet

import (
	"ccomet/httplite"
)

// appendStreamHead appends the head of an endless response.
func (h *hub) appendStreamHead(dst []byte, sub *subscriber) []byte {
	row := sub.transport.row()
	// An old client's response ends with the connection, whatever it asked for.
	dst = h.appendHead(dst, sideFront, head{conn: sub.conn, status: 200, contentType: row.contentType, old: sub.has(subOld), last: sub.has(subClose | subOld), endless: true})
	if row.events {
		dst = h.appendEventsOrigin(dst)
	}
	if !sub.has(subOld) {
		dst = append(dst, chunkedLine...)
	}
	dst = httplite.EndHeaders(dst)
	if row.preface == nil {
		return dst
	}
	if sub.has(subOld) {
		return row.preface(h.heads, dst)
	}
	h.body = row.preface(h.heads, h.body[:0])
	return httplite.AppendChunk(dst, h.body)
}

// appendPollResponse appends the whole response to a poll.
func (h *hub) appendPollResponse(dst []byte, sub *subscriber, object []byte) []byte {
	var cb []byte
	size := len(object) + len("\n")
	contentType := typeJSON
	if sub.cbLen != 0 {
		cb = h.callbacks.get(sub.callback())
		size = len(cb) + len(object) + len("();\n")
		contentType = typeScript
	}
	dst = h.appendHead(dst, sideFront, head{conn: sub.conn, status: 200, contentType: contentType, old: sub.has(subOld), last: sub.has(subClose)})
	dst = httplite.AppendHeaderInt(dst, "Content-Length", int64(size))
	dst = httplite.EndHeaders(dst)
	return appendJSONP(dst, cb, object)
}

// appendPoll appends the whole response to a poll that can be answered at
// once: it was moved, or there is a backlog, or messages are gone.
func (h *hub) appendPoll(dst []byte, i uint32, cname []byte, m *mail) []byte {
	sub, tell := h.subs.At(i), epochNone
	if sub.has(subTell) {
		tell = m.ref.gen
	}
	body := h.object[:0]
	if m.flag&joinLost != 0 {
		h.loseBefore(m)
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
		body = h.appendRun(body, m, cname, epochNone)
		body[at] = ','
	default:
		body = h.appendRun(body, m, cname, tell)
	}
	h.object = body
	return h.appendPollResponse(dst, h.subs.At(h.owner(i)), body)
}

// appendRun appends a backlog as an array, and in its first message the epoch, if
// there is one to be told.
func (h *hub) appendRun(dst []byte, m *mail, cname []byte, tell uint32) []byte {
	h.msgs = h.msgs[:0]
	for msg, n := m.msg, m.n; n > 0; msg, n = msg.after(n), n-1 {
		h.msgs = append(h.msgs, msg)
	}
	given := h.fitPoll(h.msgs, cname)
	h.tally.replayed += uint64(len(given))
	for k := 1; k < len(given); k++ {
		h.lose(given[k-1].seq+1, given[k].seq)
	}
	dst = appendPollBody(dst, given, cname, true, tell)
	clear(h.msgs)
	return dst
}
