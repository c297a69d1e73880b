package comet

import (
	"time"

	"ccomet/reactor"
)

// How a subscriber goes: its poll is answered, its stream ends, it is refused, or its
// client has left.

// subEnded: the client will send nothing more. It may have gone, or have closed only
// its half of the connection, so it is still given what there is, and then a clear end;
// it is not going to wait.
func (s *shard) subEnded(owner uint32, c reactor.Conn) {
	for i := s.first(owner); i != 0; i = s.following(i) {
		s.subs.At(i).flags |= subGone
	}
	s.endGone(owner, c)
}

// endGone ends the response to a client that has ended its side, once it has been
// given what there is.
func (s *shard) endGone(owner uint32, c reactor.Conn) {
	sub := s.subs.At(s.first(owner))
	if !sub.has(subGone) || !s.loop.Alive(c) || s.loop.Blocked(c) || len(s.laterJoins[owner]) > 0 {
		return
	}
	for i := s.first(owner); i != 0; i = s.following(i) {
		if s.subs.At(i).has(subAsking | subBehind) {
			return
		}
	}
	switch waiting := s.waiting(owner); {
	case sub.transport.row().sessions || waiting == 0:
		s.loop.Close(c) // of CComet's dialect any answer would be taken for an error
	case sub.poll():
		s.subs.At(owner).flags |= subClose
		s.finishEmptyPoll(owner, waiting)
	default:
		s.endStream(owner, c)
	}
}

// finishEmptyPoll ends a poll for which there is nothing.
func (s *shard) finishEmptyPoll(owner, waiting uint32) {
	sub := s.subs.At(owner)
	s.object = tellLast(s.appendNoop(s.object[:0], sub, waiting), s.tellOf(waiting))
	s.scratch = s.appendPollResponse(s.scratch[:0], sub, s.object)
	s.finishPoll(owner, s.scratch)
}

// finishPoll ends a poll with its response: the connection is free for the
// next request, or closed.
func (s *shard) finishPoll(i uint32, response []byte) {
	i = s.owner(i)
	sub := s.subs.At(i)
	c := s.loop.ConnAt(sub.conn)
	last := sub.has(subClose)
	s.endSub(i)
	s.setState(c, stateIdle, 0)
	_ = s.loop.Write(c, response) // a lost connection is told to Closed
	s.answered(c, last)
}

// endStream ends an endless response whose last message is written.
func (s *shard) endStream(i uint32, c reactor.Conn) {
	sub := s.subs.At(i)
	if !sub.has(subOld) {
		_ = s.loop.Write(c, lastChunk)
	}
	s.endSub(i)
	s.finish(c)
}

// refuseSub ends a subscription that its channel's home will not have.
func (s *shard) refuseSub(i uint32, why code, cname []byte) {
	sub := s.subs.At(i)
	c := s.loop.ConnAt(sub.conn)
	if why == codeNoMemory && s.begun(i) {
		// Cut in the middle of the response, the client comes back with its cursors.
		s.totals.refused.Add(1)
		s.loop.Close(c)
		return
	}
	if why == codeNoMemory && !sub.transport.row().events {
		s.endSub(s.owner(i))
		s.setState(c, stateIdle, 0)
		s.refuse(c, errNoMemory)
		return
	}
	s.totals.refused.Add(1)
	k, text := kindError429, "Too many channels"
	switch why {
	case codeNoToken:
		k, text = kindError401, "Token error"
	case codeFull:
		text = "Too many subscribers"
	case codeNoMemory:
		k, text = kindError503, errNoMemory.Reason
	}
	s.object = appendObject(s.object[:0], k, cname, 0, text)
	s.errorResponse(i, s.object, k == kindError401)
}

// errorResponse ends a subscription with one message and nothing else. A browser
// comes back by itself to an event stream that has ended: where that is hopeless the
// event's id says so, and is answered with 204 when it comes back with it; where it is
// not, the event says when to.
func (s *shard) errorResponse(i uint32, object []byte, hopeless bool) {
	sub := s.subs.At(i)
	if sub.poll() {
		s.scratch = s.appendPollResponse(s.scratch[:0], s.subs.At(s.owner(i)), object)
		s.finishPoll(i, s.scratch)
		return
	}
	if !sub.has(subMember) {
		sub.flags |= subClose
	}
	s.scratch = s.scratch[:0]
	if s.begins(i) {
		s.scratch = s.appendStreamHead(s.scratch, sub)
	}
	b, place := &s.batch, s.placeOf(sub)
	s.resetFor(b, i)
	b.tell = false
	id := noEventID
	if hopeless {
		place, b.epoch = epochDenied, epochDenied
		id = b.id(0)
	} else if s.endsWith(i) {
		id.retry = s.retryTime(refusedTime)
	}
	s.scratch = appendFrame(s.scratch, sub.framing(), object, id)
	c := s.loop.ConnAt(sub.conn)
	_ = s.loop.Write(c, s.scratch)
	s.endOne(i, c, place)
}

// refusedTime is when a browser is told to come back, on the average, that was refused
// for want of room.
const refusedTime = 2 * refusedSeconds * time.Second

// endSub frees the records of a connection's subscriber and tells its channels'
// homes.
func (s *shard) endSub(owner uint32) {
	for i := s.first(owner); i != 0; {
		next := s.following(i)
		if i != owner {
			s.endRecord(i)
		}
		i = next
	}
	if s.subs.At(owner).has(subHead) {
		for _, m := range s.laterJoins[owner] {
			m.done()
		}
		delete(s.laterJoins, owner)
	}
	if sub := s.subs.At(owner); sub.cbLen != 0 {
		if sub.transport.row().sessions {
			s.stand(sub)
		}
		s.callbacks.drop(sub.callback())
	}
	s.endRecord(owner)
}

// endRecord frees one record. While a home owes it an answer, which names it, it
// is nobody's until that comes.
func (s *shard) endRecord(i uint32) {
	sub := s.subs.At(i)
	s.notBehind(sub)
	if sub.roster != 0 {
		s.delist(sub.roster, i)
	}
	if sub.has(subAsking) {
		*sub = subscriber{flags: subAsking}
		return
	}
	s.subs.Free(i)
}

// subClosed: the connection is gone.
func (s *shard) subClosed(owner uint32, c reactor.Conn) {
	if sub := s.subs.At(owner); sub.has(subOld) && !sub.poll() {
		// No last chunk is missing where there are none. A RST says as well that
		// the response was cut, and has a proxy say so to its client.
		s.loop.ResetOnClose(c)
	}
	s.endSub(owner)
}

// subLeaves: the server is to end. A poll may have an answer before its time.
func (s *shard) subLeaves(owner uint32, c reactor.Conn) {
	s.subs.At(owner).flags |= subClose
	s.drain.depart(c)
}
