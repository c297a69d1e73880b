package comet

import (
	"strconv"

	"github.com/valyala/bytebufferpool"

	"ccomet/httplite"
)

// What is sent in CComet's dialect: callback('[…]'), JSON inside a JavaScript
// string in single quotes. A message is rendered once, as it stands there.

// appendQuoted appends text, valid UTF-8, as the inside of a JSON string that is
// inside a JavaScript string in single quotes. What JSON's escaping leaves has no
// control characters and no line ends, so quotes and backslashes are all that
// the second layer must see to.
func (s *shard) appendQuoted(dst, text []byte) []byte {
	s.object = appendEscaped(s.object[:0], text)
	for _, b := range s.object {
		if b == '\\' || b == '\'' {
			dst = append(dst, '\\')
		}
		dst = append(dst, b)
	}
	return dst
}

// ccometBuffer borrows a buffer that begins with a channel's name as its home
// knows it, and tells that name's length.
func ccometBuffer(channel []byte) (*bytebufferpool.ByteBuffer, uint8) {
	b := bytebufferpool.Get()
	b.B = append(append(b.B[:0], ccometMark), channel...)
	return b, uint8(len(b.B))
}

// appendCCometHead appends a message up to its number, which the channel's home
// gives it.
func (s *shard) appendCCometHead(dst []byte, o op, q *ccometQuery) []byte {
	if o == opSignIn {
		dst = append(dst, `{ "type":"SIGN","msg":"SIGN`...)
	} else {
		dst = append(dst, `{ "type":"MSG","msg":"`...)
		dst = s.appendQuoted(dst, q.msg)
	}
	dst = append(dst, `","sname":"`...)
	dst = s.appendQuoted(dst, q.sname)
	return append(dst, `","seqid":"`...)
}

// newCCometMessage finishes a message that appendCCometHead has begun. seq counts
// from 1, as all numbers do here.
func (s *shard) newCCometMessage(o op, head, cname []byte, seq int32) *message {
	json := make([]byte, 0, len(head)+len(cname)+len(`-2147483648","channel":""}`)+8)
	json = append(json, head...)
	json = strconv.AppendInt(json, int64(seq-1), 10)
	json = append(json, `","channel":"`...)
	json = s.appendQuoted(json, cname[1:])
	json = append(json, `"}`...)
	k := kindData
	if o == opSignIn {
		k = kindSign
	}
	return &message{kind: k, seq: seq, json: json}
}

// appendCCometArray appends the call of a callback with messages.
func appendCCometArray(dst, cb []byte, msgs []*message) []byte {
	dst = append(append(dst, cb...), "('["...)
	for n, msg := range msgs {
		if n > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, msg.json...)
	}
	return append(dst, "]')"...)
}

// appendCCometStatus appends the call of a callback with one word on how a
// request went, and why, if there is anything to say.
func (s *shard) appendCCometStatus(dst []byte, cb, word, reason string) []byte {
	dst = append(append(append(dst, cb...), `('[{"type" : "`...), word...)
	if reason != "" {
		dst = append(dst, `", "reason" : "`...)
		dst = s.appendQuoted(dst, []byte(reason))
	}
	return append(dst, `"}]')`...)
}

// appendCCometAnswer appends the body of the answer that a slot has come to. Who
// may not sign in for lack of room for a channel is let go on to subscribe, where
// he waits and asks again, which "402" and the like would keep him from; to a
// publish, "402" is what the client takes for a failure.
func (s *shard) appendCCometAnswer(dst []byte, sl *slot) []byte {
	word, reason := "publish", ""
	if sl.op == opSignIn {
		word = "sign in"
	}
	switch sl.code {
	case codeTooMany:
		word, reason = "402", s.tooManyChannels()
	case codeTooFast:
		word, reason = "402", s.tooFast(limitPublishRatePerChannel)
	case codeNoMemory:
		word, reason = "402", "out of memory for another channel"
	}
	if sl.op == opSignIn && reason != "" {
		word = "429"
	}
	return s.appendCCometStatus(dst, sl.cb, word, reason)
}

// appendCCometResponse appends the whole response to a subscriber.
func (s *shard) appendCCometResponse(dst []byte, sub *subscriber, body []byte) []byte {
	dst = s.appendHead(dst, sideCComet, head{status: 200, contentType: typeScript, old: sub.has(subOld), last: sub.has(subClose)})
	dst = httplite.AppendHeaderInt(dst, "Content-Length", int64(len(body)))
	return append(httplite.EndHeaders(dst), body...)
}

// ccometResponse is the whole response to a subscriber that is given messages:
// good until another is asked for.
func (s *shard) ccometResponse(sub *subscriber, msgs []*message) []byte {
	s.body = appendCCometArray(s.body[:0], s.callbacks.get(sub.callback()), msgs)
	s.scratch = s.appendCCometResponse(s.scratch[:0], sub, s.body)
	return s.scratch
}

// ccometBacklog is the response to a subscriber whose messages are there already.
func (s *shard) ccometBacklog(sub *subscriber, m *mail) []byte {
	s.msgs = s.msgs[:0]
	for msg, n := m.msg, m.n; n > 0; msg, n = msg.after(n), n-1 {
		s.msgs = append(s.msgs, msg)
	}
	given := s.fitPoll(s.msgs)
	s.tally.Replayed += uint64(len(given))
	response := s.ccometResponse(sub, given)
	clear(s.msgs)
	return response
}
