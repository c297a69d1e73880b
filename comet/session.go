package comet

import (
	"ccomet/httplite"
	"ccomet/reactor"
	"time"
)

// appendCCometResponse appends the whole response to a subscriber.
func (s *shard) appendCCometResponse(dst []byte, sub *subscriber, body []byte) []byte {
	dst = s.appendHead(dst, sideCComet, head{status: 200, contentType: typeScript, old: sub.has(subOld), last: sub.has(subClose)})
	dst = httplite.AppendHeaderInt(dst, "Content-Length", int64(len(body)))
	return append(httplite.EndHeaders(dst), body...)
}

// ccometResponse is the whole response to a subscriber that is given messages:
// good until another is asked for.
func (s *shard) ccometResponse(sub *subscriber, msgs []*message, cname []byte) []byte {
	s.body = appendCCometArray(s.body[:0], s.callbacks.get(sub.callback()), msgs, cname)
	s.scratch = s.appendCCometResponse(s.scratch[:0], sub, s.body)
	return s.scratch
}

// ccometBacklog is the response to a subscriber whose messages are there already.
func (s *shard) ccometBacklog(sub *subscriber, m *mail) []byte {
	s.msgs = s.msgs[:0]
	for msg, n := m.msg, m.n; n > 0; msg, n = msg.after(n), n-1 {
		s.msgs = append(s.msgs, msg)
	}
	given := s.fitPoll(s.msgs, m.cname())
	s.tally.Replayed += uint64(len(given))
	response := s.ccometResponse(sub, given, m.cname())
	clear(s.msgs)
	return response
}

// enterSession makes a connection a subscriber under a name, and asks for its channel;
// false: no record is free.
func (s *shard) enterSession(c reactor.Conn, cb []byte, sub subscriber, wants []want, channel, sname []byte) bool {
	i := s.newSub(c, cb, sub, wants)
	if i == 0 {
		return false
	}
	s.subs.At(i).flags |= subAsking
	m := mail{kind: mailSit, conn: c, slot: i, seq: wants[0].seq}
	m.buf, m.nlen = ccometBuffer(channel)
	m.buf.B = append(m.buf.B, sname...)
	s.send(s.homes.of(m.cname()), m)
	return true
}

// sat takes the home's answer to a subscription.
func (s *shard) sat(m *mail) {
	i := m.slot
	if !s.answeredSub(i) {
		s.unseat(m)
		return
	}
	sub, seated := s.subs.At(i), m.flag&joinMember != 0
	if !s.loop.Alive(m.conn) || seated && sub.has(subGone) {
		s.unseat(m)
		s.loop.Close(m.conn)
		return
	}
	switch {
	case m.code == codeBeyond:
		s.totals.refused.Add(1)
		s.body = appendCCometStatus(s.body[:0], string(s.callbacks.get(sub.callback())), "403", "")
		s.scratch = s.appendCCometResponse(s.scratch[:0], sub, s.body)
		s.finishPoll(i, s.scratch)
	case m.code != codeOK:
		s.turnAway(i, m.code)
	case !seated:
		s.lose(sub.cursor, m.msg.seq)
		s.finishPoll(i, s.ccometBacklog(sub, m))
	default:
		roster := s.rosterFor(m)
		if roster == 0 {
			s.unseat(m)
			s.turnAway(i, codeNoMemory)
			return
		}
		s.lose(sub.cursor, m.seq)
		sub.cursor, sub.noop = m.seq, m.lost
		s.enlist(roster, i)
		s.loop.SetTimer(m.conn, -1) // it waits for as long as it likes
		if s.drain.on() {
			s.drain.depart(m.conn)
		}
	}
}

// unseat has the home forget whom it has just given a seat.
func (s *shard) unseat(m *mail) {
	if m.flag&joinMember != 0 {
		s.send(m.from, mail{kind: mailStand, conn: m.conn, slot: uint32(m.lost)})
	}
	s.unjoin(m)
}

// stand gives up the seat of a subscriber that leaves.
func (s *shard) stand(sub *subscriber) {
	if sub.roster != 0 {
		s.send(s.rosters.At(sub.roster).home, mail{kind: mailStand, conn: s.loop.ConnAt(sub.conn), slot: uint32(sub.noop)})
	}
}

// ousted sends a subscriber away whose seat was given to another, if it still has
// it: it may have been answered meanwhile, and ask again. Its connection is closed
// a moment later, so that two that have one name do not drive each other out as
// fast as they can.
func (s *shard) ousted(m *mail) {
	what, i := s.state(m.conn)
	if what != stateWaiting {
		return
	}
	sub := s.subs.At(i)
	if sub.roster == 0 || sub.roster != s.findRoster(m.from, m.ref) {
		return
	}
	s.endSub(i)
	s.setState(m.conn, stateRefused, uint32(codeOusted))
	s.loop.SetTimer(m.conn, oustedTime)
}

// oustedTime is how long one that was sent away hears nothing.
const oustedTime = time.Second

// turnAway refuses a subscriber. Any answer that the client can read would end
// its asking, and to one that it cannot read it may ask again at once, for ever.
// So it hears nothing for as long as a request may take, and then the reason.
func (s *shard) turnAway(i uint32, why code) {
	c := s.loop.ConnAt(s.subs.At(i).conn)
	s.endSub(i)
	s.setState(c, stateRefused, uint32(why))
	s.loop.SetTimer(c, s.cfg.RequestTimeout)
}
