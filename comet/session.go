package comet

import (
	"ccomet/httplite"
	"ccomet/reactor"
	"time"
)

// appendCCometResponse appends the whole response to a subscriber.
func (h *hub) appendCCometResponse(dst []byte, sub *subscriber, body []byte) []byte {
	dst = h.appendHead(dst, sideCComet, head{status: 200, contentType: typeScript, old: sub.has(subOld), last: sub.has(subClose)})
	dst = httplite.AppendHeaderInt(dst, "Content-Length", int64(len(body)))
	return append(httplite.EndHeaders(dst), body...)
}

// ccometResponse is the whole response to a subscriber that is given messages:
// good until another is asked for.
func (h *hub) ccometResponse(sub *subscriber, msgs []*message, cname []byte) []byte {
	h.body = appendCCometArray(h.body[:0], h.callbacks.get(sub.callback()), msgs, cname)
	h.scratch = h.appendCCometResponse(h.scratch[:0], sub, h.body)
	return h.scratch
}

// ccometBacklog is the response to a subscriber whose messages are there already.
func (h *hub) ccometBacklog(sub *subscriber, m *mail) []byte {
	h.msgs = h.msgs[:0]
	for msg, n := m.msg, m.n; n > 0; msg, n = msg.after(n), n-1 {
		h.msgs = append(h.msgs, msg)
	}
	given := h.fitPoll(h.msgs, m.cname())
	h.tally.replayed += uint64(len(given))
	response := h.ccometResponse(sub, given, m.cname())
	clear(h.msgs)
	return response
}

// enterSession makes a connection a subscriber under a name, and asks for its channel;
// false: no record is free.
func (h *hub) enterSession(c reactor.Conn, cb []byte, sub subscriber, wants []want, channel, sname []byte) bool {
	i := h.newSub(c, cb, sub, wants)
	if i == 0 {
		return false
	}
	h.subs.At(i).flags |= subAsking
	m := mail{kind: mailSit, conn: c, slot: i, seq: wants[0].seq}
	m.buf, m.nlen = ccometBuffer(channel)
	m.buf.B = append(m.buf.B, sname...)
	h.send(h.homes.of(m.cname()), m)
	return true
}

// sat takes the home's answer to a subscription.
func (h *hub) sat(m *mail) {
	i := m.slot
	if !h.answeredSub(i) {
		h.unseat(m)
		return
	}
	sub, seated := h.subs.At(i), m.flag&joinMember != 0
	if !h.loop.Alive(m.conn) || seated && sub.has(subGone) {
		h.unseat(m)
		h.loop.Close(m.conn)
		return
	}
	switch {
	case m.code == codeBeyond:
		h.totals.refused.Add(1)
		h.body = appendCCometStatus(h.body[:0], string(h.callbacks.get(sub.callback())), "403", "")
		h.scratch = h.appendCCometResponse(h.scratch[:0], sub, h.body)
		h.finishPoll(i, h.scratch)
	case m.code != codeOK:
		h.turnAway(i, m.code)
	case !seated:
		h.lose(sub.cursor, m.msg.seq)
		h.finishPoll(i, h.ccometBacklog(sub, m))
	default:
		roster := h.rosterFor(m)
		if roster == 0 {
			h.unseat(m)
			h.turnAway(i, codeNoMemory)
			return
		}
		h.lose(sub.cursor, m.seq)
		sub.cursor, sub.noop = m.seq, m.lost
		h.enlist(roster, i)
		h.loop.SetTimer(m.conn, -1) // it waits for as long as it likes
		if h.drain.on() {
			h.drain.depart(m.conn)
		}
	}
}

// unseat has the home forget whom it has just given a seat.
func (h *hub) unseat(m *mail) {
	if m.flag&joinMember != 0 {
		h.send(m.from, mail{kind: mailStand, conn: m.conn, slot: uint32(m.lost)})
	}
	h.unjoin(m)
}

// stand gives up the seat of a subscriber that leaves.
func (h *hub) stand(sub *subscriber) {
	if sub.roster != 0 {
		h.send(h.rosters.At(sub.roster).home, mail{kind: mailStand, conn: h.loop.ConnAt(sub.conn), slot: uint32(sub.noop)})
	}
}

// ousted sends a subscriber away whose seat was given to another, if it still has
// it: it may have been answered meanwhile, and ask again. Its connection is closed
// a moment later, so that two that have one name do not drive each other out as
// fast as they can.
func (h *hub) ousted(m *mail) {
	what, i := h.state(m.conn)
	if what != stateWaiting {
		return
	}
	sub := h.subs.At(i)
	if sub.roster == 0 || sub.roster != h.findRoster(m.from, m.ref) {
		return
	}
	h.endSub(i)
	h.setState(m.conn, stateRefused, uint32(codeOusted))
	h.loop.SetTimer(m.conn, oustedTime)
}

// oustedTime is how long one that was sent away hears nothing.
const oustedTime = time.Second

// turnAway refuses a subscriber. Any answer that the client can read would end
// its asking, and to one that it cannot read it may ask again at once, for ever.
// So it hears nothing for as long as a request may take, and then the reason.
func (h *hub) turnAway(i uint32, why code) {
	c := h.loop.ConnAt(h.subs.At(i).conn)
	h.endSub(i)
	h.setState(c, stateRefused, uint32(why))
	h.loop.SetTimer(c, h.cfg.RequestTimeout)
}
