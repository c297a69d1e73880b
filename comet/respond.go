package comet

import (
	"ccomet/httplite"
	"time"
)

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
