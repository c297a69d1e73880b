package hub

import (
	"time"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/limit"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/record"
	"ccomet/httplite"
	"ccomet/reactor"
)

// How a subscriber leaves: its poll is answered, its stream ends, it is refused, or its
// client has gone.

// Ended handles the end of what a client sends. The client may have gone, or may have closed
// only its half of the connection. So it still gets what there is, and then a proper end,
// but it does not wait.
func (h *Hub) Ended(owner uint32, c reactor.Conn) {
	for i := owner; i != 0; i = h.Subs.following(i) {
		h.Subs.At(i).Flags |= subGone
	}
	h.endGone(owner, c)
}

// endGone ends the response to a client that has ended its side, when it has got what there
// is.
func (h *Hub) endGone(owner uint32, c reactor.Conn) {
	sub := h.Subs.At(owner)
	if !sub.Has(subGone) || !h.loop.Alive(c) || h.loop.Blocked(c) {
		return
	}
	for i := owner; i != 0; i = h.Subs.following(i) {
		if sub := h.Subs.At(i); sub.Has(subAsking|SubBehind) || sub.laterJoin() != 0 {
			return
		}
	}
	switch waiting := h.Subs.waiting(owner); {
	case sub.Transport.Row().Sessions || waiting == 0:
		h.loop.Close(c) // a client with a session treats any answer as an error
	case sub.poll():
		h.Subs.At(owner).Flags |= SubCloseAfter
		h.finishEmptyPoll(owner, waiting)
	default:
		h.endStream(owner, c)
	}
}

// finishEmptyPoll ends a poll without messages, with a noop.
func (h *Hub) finishEmptyPoll(owner, waiting uint32) {
	sub := h.Subs.At(owner)
	h.Object = record.TellLast(h.appendNoop(h.Object[:0], sub, waiting), h.tellOf(waiting))
	h.Scratch = h.appendPollResponse(h.Scratch[:0], sub, h.Object)
	h.finishPoll(owner, h.Scratch)
}

// finishPoll ends a poll with its response. The connection is free for the next request, or
// closed.
func (h *Hub) finishPoll(i uint32, response []byte) {
	i = h.Subs.owner(i)
	sub := h.Subs.At(i)
	c := h.loop.ConnAt(sub.Conn)
	last := sub.Has(SubCloseAfter)
	h.endSub(i)
	h.SetState(c, conn.Idle, 0)
	_ = h.loop.Write(c, response) // the loop reports a lost connection to Closed
	h.web.Answered(c, last)
}

// endStream ends an endless response after its last message.
func (h *Hub) endStream(i uint32, c reactor.Conn) {
	sub := h.Subs.At(i)
	if !sub.Has(SubHTTP10) {
		_ = h.loop.Write(c, frame.LastChunk)
	}
	h.endSub(i)
	h.web.Finish(c)
}

// refuseSub ends a subscription that its channel's home has refused.
func (h *Hub) refuseSub(i uint32, why mail.Code, cname []byte) {
	sub := h.Subs.At(i)
	c := h.loop.ConnAt(sub.Conn)
	lacking := unavailable(why)
	if lacking != nil && h.Subs.begun(i) && !sub.socket() {
		// The response is cut in the middle: the client comes back with its cursors.
		h.totals.Refused.Add(1)
		h.loop.Close(c)
		return
	}
	if lacking != nil && !sub.Transport.Row().Events && !sub.socket() {
		h.endSub(h.Subs.owner(i))
		h.SetState(c, conn.Idle, 0)
		h.web.Refuse(c, lacking)
		return
	}
	h.totals.Refused.Add(1)
	k, text := RefusalOf(why)
	h.Object = msg.AppendObject(h.Object[:0], k, cname, 0, text)
	h.errorResponse(i, h.Object, k == msg.Error401)
}

// errorResponse ends a subscription with one message and nothing else. A browser reconnects
// an event stream that has ended by itself. If that is hopeless, the event's id says so, and
// a request with that id is answered with 204. If it is not, the event says when to come
// back.
func (h *Hub) errorResponse(i uint32, object []byte, hopeless bool) {
	sub := h.Subs.At(i)
	if sub.poll() {
		h.Scratch = h.appendPollResponse(h.Scratch[:0], h.Subs.At(h.Subs.owner(i)), object)
		h.finishPoll(i, h.Scratch)
		return
	}
	if !sub.Has(SubMember) {
		sub.Flags |= SubCloseAfter
	}
	c := h.loop.ConnAt(sub.Conn)
	if sub.socket() {
		object, _ = h.web.AnswerJoin(c, object, false)
	}
	h.Scratch = h.Scratch[:0]
	if h.Subs.begins(i) {
		h.Scratch = h.appendStreamHead(h.Scratch, sub)
	}
	b, place := &h.Batch, h.placeOf(sub)
	h.resetFor(b, i)
	b.Tell = false
	id := frame.NoEventID
	if hopeless {
		place, b.Epoch = record.EpochDenied, record.EpochDenied
		id = b.EventID(0)
	} else if !sub.socket() && h.Subs.endsWith(i) {
		id.Retry = h.RetryAfter(refusedTime)
	}
	h.Scratch = frame.AppendFrame(h.Scratch, sub.framing(), object, id)
	_ = h.loop.Write(c, h.Scratch)
	h.endOne(i, c, place)
	if st, owner := h.State(c); st == conn.WebSocket {
		h.Sockets.readOn(owner, c)
	}
}

// refusedTime is after how long, on average, a browser should come back that was refused for
// lack of room.
const refusedTime = 2 * limit.RefusedSeconds * time.Second

// endSub frees the records of a connection's subscriber and tells its channels' homes.
func (h *Hub) endSub(owner uint32) {
	sub := h.Subs.At(owner)
	if sub.hasCallback() {
		if sub.Transport.Row().Sessions {
			h.releaseSession(sub)
		}
		h.Subs.callbacks.Drop(h.Subs.callback(sub))
	}
	for i := h.Subs.following(owner); i != 0; {
		next := h.Subs.following(i)
		h.endRecord(i)
		i = next
	}
	h.endRecord(owner) // last, because it decides how the others are counted
}

// endRecord frees one record. If a home owes it an answer, which names the record, it stays
// allocated until the answer comes.
func (h *Hub) endRecord(i uint32) {
	sub := h.Subs.At(i)
	h.notBehind(sub)
	h.dropLaterJoin(sub)
	if sub.Roster != 0 {
		h.delist(sub.Roster, i)
	}
	if sub.Has(subAsking) {
		*sub = Subscriber{Flags: subAsking}
		return
	}
	h.Subs.Free(i)
}

// Closed handles the end of a connection.
func (h *Hub) Closed(owner uint32, c reactor.Conn) {
	if sub := h.Subs.At(owner); sub.Has(SubHTTP10) && !sub.poll() {
		// Without chunks, no missing last chunk shows that the response was cut. A RST does,
		// and lets a proxy tell its client.
		h.loop.ResetOnClose(c)
	}
	h.endSub(owner)
}

// Leaves handles the start of a drain. A poll may be answered before its time.
func (h *Hub) Leaves(owner uint32, c reactor.Conn) {
	h.Subs.At(owner).Flags |= SubCloseAfter
	h.drain.ScheduleClose(c)
}

// RefusalOf returns the message that tells a client why it does not get a channel.
func RefusalOf(why mail.Code) (k msg.Kind, text string) {
	switch why {
	case mail.CodeNoToken:
		return msg.Error401, "Token error"
	case mail.CodeTooMany:
		return msg.Error429, "Too many channels"
	case mail.CodeFull:
		return msg.Error429, "Too many subscribers"
	case mail.CodeNoLog:
		return msg.Error503, ErrNoLog.Reason
	}
	return msg.Error503, ErrNoMemory.Reason
}

// Errors of a subscription for which there is no record, and of one whose channel's place is
// not known in time.
var (
	ErrNoMemory = &httplite.Error{Status: 503, Reason: "out of memory for another subscriber"}
	ErrNoLog    = &httplite.Error{Status: 503, Reason: "the log that numbers messages cannot be reached"}
)

// unavailable returns the error of a subscription that is refused because the server lacks
// something, else nil.
func unavailable(why mail.Code) *httplite.Error {
	switch why {
	case mail.CodeNoMemory:
		return ErrNoMemory
	case mail.CodeNoLog:
		return ErrNoLog
	}
	return nil
}
