package comet

import (
	"time"

	"ccomet/httplite"
	"ccomet/reactor"
)

// How a subscriber goes: its poll is answered, its stream ends, it is refused, or its
// client has left.

// ended: the client will send nothing more. It may have gone, or have closed only
// its half of the connection, so it is still given what there is, and then a clear end;
// it is not going to wait.
func (h *hub) ended(owner uint32, c reactor.Conn) {
	for i := h.first(owner); i != 0; i = h.following(i) {
		h.subs.At(i).flags |= subGone
	}
	h.endGone(owner, c)
}

// endGone ends the response to a client that has ended its side, once it has been
// given what there is.
func (h *hub) endGone(owner uint32, c reactor.Conn) {
	sub := h.subs.At(h.first(owner))
	if !sub.has(subGone) || !h.loop.Alive(c) || h.loop.Blocked(c) || len(h.laterJoins[owner]) > 0 {
		return
	}
	for i := h.first(owner); i != 0; i = h.following(i) {
		if h.subs.At(i).has(subAsking | subBehind) {
			return
		}
	}
	switch waiting := h.waiting(owner); {
	case sub.transport.row().sessions || waiting == 0:
		h.loop.Close(c) // of CComet's dialect any answer would be taken for an error
	case sub.poll():
		h.subs.At(owner).flags |= subClose
		h.finishEmptyPoll(owner, waiting)
	default:
		h.endStream(owner, c)
	}
}

// finishEmptyPoll ends a poll for which there is nothing.
func (h *hub) finishEmptyPoll(owner, waiting uint32) {
	sub := h.subs.At(owner)
	h.object = tellLast(h.appendNoop(h.object[:0], sub, waiting), h.tellOf(waiting))
	h.scratch = h.appendPollResponse(h.scratch[:0], sub, h.object)
	h.finishPoll(owner, h.scratch)
}

// finishPoll ends a poll with its response: the connection is free for the
// next request, or closed.
func (h *hub) finishPoll(i uint32, response []byte) {
	i = h.owner(i)
	sub := h.subs.At(i)
	c := h.loop.ConnAt(sub.conn)
	last := sub.has(subClose)
	h.endSub(i)
	h.setState(c, stateIdle, 0)
	_ = h.loop.Write(c, response) // a lost connection is told to Closed
	h.web.answered(c, last)
}

// endStream ends an endless response whose last message is written.
func (h *hub) endStream(i uint32, c reactor.Conn) {
	sub := h.subs.At(i)
	if !sub.has(subOld) {
		_ = h.loop.Write(c, lastChunk)
	}
	h.endSub(i)
	h.web.finish(c)
}

// refuseSub ends a subscription that its channel's home will not have.
func (h *hub) refuseSub(i uint32, why code, cname []byte) {
	sub := h.subs.At(i)
	c := h.loop.ConnAt(sub.conn)
	if why == codeNoMemory && h.begun(i) {
		// Cut in the middle of the response, the client comes back with its cursors.
		h.totals.refused.Add(1)
		h.loop.Close(c)
		return
	}
	if why == codeNoMemory && !sub.transport.row().events {
		h.endSub(h.owner(i))
		h.setState(c, stateIdle, 0)
		h.web.refuse(c, errNoMemory)
		return
	}
	h.totals.refused.Add(1)
	k, text := kindError429, "Too many channels"
	switch why {
	case codeNoToken:
		k, text = kindError401, "Token error"
	case codeFull:
		text = "Too many subscribers"
	case codeNoMemory:
		k, text = kindError503, errNoMemory.Reason
	}
	h.object = appendObject(h.object[:0], k, cname, 0, text)
	h.errorResponse(i, h.object, k == kindError401)
}

// errorResponse ends a subscription with one message and nothing else. A browser
// comes back by itself to an event stream that has ended: where that is hopeless the
// event's id says so, and is answered with 204 when it comes back with it; where it is
// not, the event says when to.
func (h *hub) errorResponse(i uint32, object []byte, hopeless bool) {
	sub := h.subs.At(i)
	if sub.poll() {
		h.scratch = h.appendPollResponse(h.scratch[:0], h.subs.At(h.owner(i)), object)
		h.finishPoll(i, h.scratch)
		return
	}
	if !sub.has(subMember) {
		sub.flags |= subClose
	}
	h.scratch = h.scratch[:0]
	if h.begins(i) {
		h.scratch = h.appendStreamHead(h.scratch, sub)
	}
	b, place := &h.batch, h.placeOf(sub)
	h.resetFor(b, i)
	b.tell = false
	id := noEventID
	if hopeless {
		place, b.epoch = epochDenied, epochDenied
		id = b.id(0)
	} else if h.endsWith(i) {
		id.retry = h.retryAfter(refusedTime)
	}
	h.scratch = appendFrame(h.scratch, sub.framing(), object, id)
	c := h.loop.ConnAt(sub.conn)
	_ = h.loop.Write(c, h.scratch)
	h.endOne(i, c, place)
}

// refusedTime is when a browser is told to come back, on the average, that was refused
// for want of room.
const refusedTime = 2 * refusedSeconds * time.Second

// endSub frees the records of a connection's subscriber and tells its channels'
// homes.
func (h *hub) endSub(owner uint32) {
	for i := h.first(owner); i != 0; {
		next := h.following(i)
		if i != owner {
			h.endRecord(i)
		}
		i = next
	}
	if h.subs.At(owner).has(subHead) {
		for _, m := range h.laterJoins[owner] {
			m.done()
		}
		delete(h.laterJoins, owner)
	}
	if sub := h.subs.At(owner); sub.cbLen != 0 {
		if sub.transport.row().sessions {
			h.stand(sub)
		}
		h.callbacks.drop(sub.callback())
	}
	h.endRecord(owner)
}

// endRecord frees one record. While a home owes it an answer, which names it, it
// is nobody's until that comes.
func (h *hub) endRecord(i uint32) {
	sub := h.subs.At(i)
	h.notBehind(sub)
	if sub.roster != 0 {
		h.delist(sub.roster, i)
	}
	if sub.has(subAsking) {
		*sub = subscriber{flags: subAsking}
		return
	}
	h.subs.Free(i)
}

// closed: the connection is gone.
func (h *hub) closed(owner uint32, c reactor.Conn) {
	if sub := h.subs.At(owner); sub.has(subOld) && !sub.poll() {
		// No last chunk is missing where there are none. A RST says as well that
		// the response was cut, and has a proxy say so to its client.
		h.loop.ResetOnClose(c)
	}
	h.endSub(owner)
}

// leaves: the server is to end. A poll may have an answer before its time.
func (h *hub) leaves(owner uint32, c reactor.Conn) {
	h.subs.At(owner).flags |= subClose
	h.drain.depart(c)
}

// errNoMemory is what a subscription is refused with for which there is no record.
var errNoMemory = &httplite.Error{Status: 503, Reason: "out of memory for another subscriber"}
