package hub

import (
	"time"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/pool"
	"ccomet/httplite"
	"ccomet/reactor"
)

// A subscriber of a transport with sessions has a name, and a session of that name at its
// channel's home: the next subscriber with that name takes its place (SessionTaken). The
// transport's row renders what it is sent. Its polls wait without noops, and only messages
// may end one.

// sessionResponse returns the complete response to such a subscriber, with the body h.Body.
// It is valid until the next call.
func (h *Hub) sessionResponse(sub *Subscriber) []byte {
	row := sub.Transport.Row()
	h.Scratch = h.AppendHead(h.Scratch[:0], row.Side, frame.Head{Status: 200, ContentType: row.ContentType, HTTP10: sub.Has(SubHTTP10), CloseAfter: sub.Has(SubCloseAfter)})
	h.Scratch = httplite.AppendHeaderInt(h.Scratch, "Content-Length", int64(len(h.Body)))
	h.Scratch = append(httplite.EndHeaders(h.Scratch), h.Body...)
	return h.Scratch
}

// sessionMessages returns the response with messages.
func (h *Hub) sessionMessages(sub *Subscriber, msgs []*msg.Message, cname []byte) []byte {
	h.Body = sub.Transport.Row().Body(h.Body[:0], h.Subs.callbacks.Get(h.Subs.callback(sub)), msgs, cname)
	return h.sessionResponse(sub)
}

// sessionBacklog returns the response with messages that are kept.
func (h *Hub) sessionBacklog(sub *Subscriber, m *mail.Mail) []byte {
	h.msgs = h.msgs[:0]
	for message, n := m.Msg, m.N; n > 0; message, n = message.After(n), n-1 {
		h.msgs = append(h.msgs, message)
	}
	given := h.fitPoll(h.msgs, m.Cname())
	h.Tally.Replayed += uint64(len(given))
	response := h.sessionMessages(sub, given, m.Cname())
	clear(h.msgs)
	return response
}

// EnterSession makes a connection a subscriber of one topic under a name, and asks its
// channel's home; false: no record is free.
func (h *Hub) EnterSession(c reactor.Conn, cb []byte, sub Subscriber, wants []Topic, name []byte) bool {
	i := h.newSub(c, cb, sub, wants)
	if i == 0 {
		return false
	}
	h.Subs.At(i).Flags |= subAsking
	m := mail.OfSubscriber(mail.ClaimSession, c, i)
	m.Seq = wants[0].Seq
	m.Buf, m.Nlen = pool.NameBuffer(wants[0].Cname), uint8(len(wants[0].Cname))
	m.Buf.B = append(m.Buf.B, name...)
	h.Send(h.homes.Of(m.Cname()), m)
	return true
}

// SessionClaimed handles the home's answer to a subscription.
func (h *Hub) SessionClaimed(m *mail.Mail) {
	i := m.Subscriber()
	if !h.answeredSub(i) {
		h.unclaim(m)
		return
	}
	sub, claimed := h.Subs.At(i), m.Flag&mail.FlagMember != 0
	if !h.loop.Alive(m.Conn) || claimed && sub.Has(subGone) {
		h.unclaim(m)
		h.loop.Close(m.Conn)
		return
	}
	switch {
	case m.Code == mail.CodeBeyond:
		h.totals.Refused.Add(1)
		h.Body = sub.Transport.Row().Beyond(h.Body[:0], h.Subs.callbacks.Get(h.Subs.callback(sub)))
		h.finishPoll(i, h.sessionResponse(sub))
	case m.Code != mail.CodeOK:
		h.refuseLater(i, m.Code)
	case !claimed:
		h.countLost(sub.Cursor, m.Msg.Seq)
		h.finishPoll(i, h.sessionBacklog(sub, m))
	default:
		roster := h.Rosters.of(m)
		if roster == 0 {
			h.unclaim(m)
			h.refuseLater(i, mail.CodeNoMemory)
			return
		}
		h.countLost(sub.Cursor, m.Seq)
		sub.Cursor = m.Seq
		sub.setSession(m.Session())
		h.enlist(roster, i)
		h.loop.SetTimer(m.Conn, -1) // it may wait for ever
		if h.drain.On() {
			h.drain.ScheduleClose(m.Conn)
		}
	}
}

// unclaim makes the home end the session that it has just given.
func (h *Hub) unclaim(m *mail.Mail) {
	if m.Flag&mail.FlagMember != 0 {
		h.sendRelease(m.From, m.Conn, m.Session())
	}
	h.unjoin(m)
}

// releaseSession ends the session of a subscriber that leaves.
func (h *Hub) releaseSession(sub *Subscriber) {
	if sub.Roster != 0 {
		h.sendRelease(h.Rosters.At(sub.Roster).Home, h.loop.ConnAt(sub.Conn), sub.session())
	}
}

func (h *Hub) sendRelease(home uint8, c reactor.Conn, session uint32) {
	m := mail.Mail{Kind: mail.ReleaseSession, Conn: c}
	m.SetSession(session)
	h.Send(home, m)
}

// SessionTaken ends a subscriber whose session another connection has claimed, if it still
// has the session: it may have been answered meanwhile, and ask again. Its connection is
// closed a moment later, so that two clients with one name do not replace each other as fast
// as they can.
func (h *Hub) SessionTaken(m *mail.Mail) {
	what, i := h.State(m.Conn)
	if what != conn.Waiting {
		return
	}
	sub := h.Subs.At(i)
	if sub.Roster == 0 || sub.Roster != h.Rosters.find(m.From, m.Ref) {
		return
	}
	h.endSub(i)
	h.SetState(m.Conn, conn.Refused, uint32(mail.CodeTakenOver))
	h.loop.SetTimer(m.Conn, takenOverTime)
}

// takenOverTime is how long such a connection is sent nothing.
const takenOverTime = time.Second

// refuseLater refuses a subscriber. An answer that the client can read would end its polling.
// After one that it cannot read, it may ask again at once, for ever. So it is sent nothing
// for as long as a request may take, and then the reason.
func (h *Hub) refuseLater(i uint32, why mail.Code) {
	c := h.loop.ConnAt(h.Subs.At(i).Conn)
	h.endSub(i)
	h.SetState(c, conn.Refused, uint32(why))
	h.loop.SetTimer(c, h.cfg.RequestTimeout)
}
