package hub

import (
	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/record"
	"ccomet/httplite"
)

// appendStreamHead appends the head of an endless response.
func (h *Hub) appendStreamHead(dst []byte, sub *Subscriber) []byte {
	row := sub.Transport.Row()
	// The response to an HTTP/1.0 client ends with the connection, whatever the
	// client asked for.
	dst = h.AppendHead(dst, conn.Front, frame.Head{Conn: sub.Conn, Status: 200, ContentType: row.ContentType, HTTP10: sub.Has(SubHTTP10), CloseAfter: sub.Has(SubCloseAfter | SubHTTP10), Endless: true})
	if row.Events {
		dst = h.AppendEventsOrigin(dst)
	}
	if !sub.Has(SubHTTP10) {
		dst = append(dst, frame.ChunkedLine...)
	}
	dst = httplite.EndHeaders(dst)
	if row.Preface == nil {
		return dst
	}
	if sub.Has(SubHTTP10) {
		return row.Preface(h.Heads, dst)
	}
	h.Body = row.Preface(h.Heads, h.Body[:0])
	return httplite.AppendChunk(dst, h.Body)
}

// appendPollResponse appends the complete response to a poll.
func (h *Hub) appendPollResponse(dst []byte, sub *Subscriber, object []byte) []byte {
	var cb []byte
	size := len(object) + len("\n")
	contentType := frame.TypeJSON
	if sub.hasCallback() {
		cb = h.Subs.callbacks.Get(h.Subs.callback(sub))
		size = len(cb) + len(object) + len("();\n")
		contentType = frame.TypeScript
	}
	dst = h.AppendHead(dst, conn.Front, frame.Head{Conn: sub.Conn, Status: 200, ContentType: contentType, HTTP10: sub.Has(SubHTTP10), CloseAfter: sub.Has(SubCloseAfter)})
	dst = httplite.AppendHeaderInt(dst, "Content-Length", int64(size))
	dst = httplite.EndHeaders(dst)
	return frame.AppendJSONP(dst, cb, object)
}

// appendPoll appends the complete response to a poll that can be answered at
// once: it was moved, there is a backlog, or messages are lost.
func (h *Hub) appendPoll(dst []byte, i uint32, cname []byte, m *mail.Mail) []byte {
	sub, tell := h.Subs.At(i), record.EpochNone
	if sub.Has(subTell) {
		tell = m.Epoch()
	}
	body := h.Object[:0]
	if m.Flag&mail.FlagLost != 0 {
		h.countLostBefore(m)
	}
	switch {
	case m.Code == mail.CodeMoved:
		body = msg.AppendObject(body, msg.NextSeq, cname, m.Seq, "")
		body = record.TellLast(body, tell)
	case m.Flag&mail.FlagLost != 0 && sub.Has(SubSayLost):
		body = appendLost(append(body, '['), cname, m)
		body = record.TellLast(body, tell)
		if m.N == 0 {
			body = append(body, ']')
			break
		}
		at := len(body)
		body = h.appendRun(body, m, cname, record.EpochNone)
		body[at] = ','
	default:
		body = h.appendRun(body, m, cname, tell)
	}
	h.Object = body
	return h.appendPollResponse(dst, h.Subs.At(h.Subs.owner(i)), body)
}

// appendRun appends a backlog as an array. Its first message contains the epoch
// tell, unless that is record.EpochNone.
func (h *Hub) appendRun(dst []byte, m *mail.Mail, cname []byte, tell uint32) []byte {
	h.msgs = h.msgs[:0]
	for message, n := m.Msg, m.N; n > 0; message, n = message.After(n), n-1 {
		h.msgs = append(h.msgs, message)
	}
	given := h.fitPoll(h.msgs, cname)
	h.Tally.Replayed += uint64(len(given))
	for k := 1; k < len(given); k++ {
		h.countLost(given[k-1].Seq+1, given[k].Seq)
	}
	dst = frame.AppendPollBody(dst, given, cname, true, tell)
	clear(h.msgs)
	return dst
}

// pollResponse returns the complete response to a poll. It is rendered once for
// all that lack the same messages, except those with a callback.
func (k *pumps) pollResponse(p *pump, i uint32, from int) []byte {
	sub, tell := k.Subs.At(k.Subs.owner(i)), k.tellOf(i)
	missing := k.fitPoll(p.Msgs[from:p.round], k.Rosters.name(p.roster))
	if sub.hasCallback() {
		if sub.Transport.Row().Sessions {
			return k.sessionMessages(sub, missing, k.Rosters.name(p.roster))
		}
		p.body = frame.AppendPollBody(p.body[:0], missing, k.Rosters.name(p.roster), false, tell)
		k.Scratch = k.appendPollResponse(k.Scratch[:0], sub, p.body)
		return k.Scratch
	}
	// In a bundle the member has the flag to send the epoch, its head those for
	// the end of the response.
	variant := sub.Flags&(SubCloseAfter|SubHTTP10) | k.Subs.At(i).Flags&subTell
	cache := &p.polls[variant/SubCloseAfter]
	if page := k.Page(conn.Front, sub.Conn); cache.n != len(missing) || cache.from != from || cache.page != page {
		p.body = frame.AppendPollBody(p.body[:0], missing, k.Rosters.name(p.roster), false, tell)
		cache.response = k.appendPollResponse(cache.response[:0], sub, p.body)
		cache.from, cache.n, cache.page = from, len(missing), page
	}
	return cache.response
}

// tellOf returns the epoch that a subscriber in a roster must be sent, or
// record.EpochNone.
func (h *Hub) tellOf(i uint32) uint32 {
	if sub := h.Subs.At(i); sub.Has(subTell) {
		return h.placeOf(sub)
	}
	return record.EpochNone
}

// fitPoll returns as many of the messages as a poll gets at once.
func (h *Hub) fitPoll(msgs []*msg.Message, cname []byte) []*msg.Message {
	most := h.cfg.PollMost
	size, room := 0, msg.ObjectRoom(cname)
	for n, message := range msgs {
		if size += message.Len() + room; size > most && n > 0 {
			return msgs[:n]
		}
	}
	return msgs
}
