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

// How a subscriber goes: its poll is answered, its stream ends, it is refused, or its
// client has left.

// Ended: the client will send nothing more. It may have gone, or have closed only
// its half of the connection, so it is still given what there is, and then a clear end;
// it is not going to wait.
func (h *Hub) Ended(owner uint32, c reactor.Conn) {
	for i := owner; i != 0; i = h.Subs.following(i) {
		h.Subs.At(i).Flags |= subGone
	}
	h.endGone(owner, c)
}

// endGone ends the response to a client that has ended its side, once it has been
// given what there is.
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
		h.loop.Close(c) // a client with a session takes any answer for an error
	case sub.poll():
		h.Subs.At(owner).Flags |= SubCloseAfter
		h.finishEmptyPoll(owner, waiting)
	default:
		h.endStream(owner, c)
	}
}

// finishEmptyPoll ends a poll for which there is nothing.
func (h *Hub) finishEmptyPoll(owner, waiting uint32) {
	sub := h.Subs.At(owner)
	h.Object = record.TellLast(h.appendNoop(h.Object[:0], sub, waiting), h.tellOf(waiting))
	h.Scratch = h.appendPollResponse(h.Scratch[:0], sub, h.Object)
	h.finishPoll(owner, h.Scratch)
}

// finishPoll ends a poll with its response: the connection is free for the
// next request, or closed.
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

// endStream ends an endless response whose last message is written.
func (h *Hub) endStream(i uint32, c reactor.Conn) {
	sub := h.Subs.At(i)
	if !sub.Has(SubHTTP10) {
		_ = h.loop.Write(c, frame.LastChunk)
	}
	h.endSub(i)
	h.web.Finish(c)
}

// refuseSub ends a subscription that its channel's home will not have.
func (h *Hub) refuseSub(i uint32, why mail.Code, cname []byte) {
	sub := h.Subs.At(i)
	c := h.loop.ConnAt(sub.Conn)
	lacking := unavailable(why)
	if lacking != nil && h.Subs.begun(i) && !sub.socket() {
		// Cut in the middle of the response, the client comes back with its cursors.
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

// errorResponse ends a subscription with one message and nothing else. A browser
// comes back by itself to an event stream that has ended: where that is hopeless the
// event's id says so, and is answered with 204 when it comes back with it; where it is
// not, the event says when to.
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
		id = b.Id(0)
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

// refusedTime is after how long, on the average, a browser is to come back that was
// refused for want of room.
const refusedTime = 2 * limit.RefusedSeconds * time.Second

// endSub frees the records of a connection's subscriber and tells its channels'
// homes.
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
	h.endRecord(owner) // last, since it says how the others are counted
}

// endRecord frees one record. While a home owes it an answer, which names it, it
// stays taken until that comes.
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

// Closed: the connection is gone.
func (h *Hub) Closed(owner uint32, c reactor.Conn) {
	if sub := h.Subs.At(owner); sub.Has(SubHTTP10) && !sub.poll() {
		// No last chunk is missing where there are none. A RST says as well that
		// the response was cut, and has a proxy say so to its client.
		h.loop.ResetOnClose(c)
	}
	h.endSub(owner)
}

// Leaves: the server is to end. A poll may have an answer before its time.
func (h *Hub) Leaves(owner uint32, c reactor.Conn) {
	h.Subs.At(owner).Flags |= SubCloseAfter
	h.drain.ScheduleClose(c)
}

// RefusalOf is the message by which a client is told that it does not have a channel.
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

// unavailable is what a subscription is refused with, if it is for what the server lacks itself.
func unavailable(why mail.Code) *httplite.Error {
	switch why {
	case mail.CodeNoMemory:
		return ErrNoMemory
	case mail.CodeNoLog:
		return ErrNoLog
	}
	return nil
}
