package hub

import (
	"time"

	"ccomet/comet/internal/ccomet"
	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/httplite"
	"ccomet/reactor"
)

// appendCCometResponse appends the whole response to a subscriber.
func (h *Hub) appendCCometResponse(dst []byte, sub *Subscriber, body []byte) []byte {
	dst = h.AppendHead(dst, conn.CComet, frame.Head{Status: 200, ContentType: frame.TypeScript, HTTP10: sub.Has(SubHTTP10), CloseAfter: sub.Has(SubCloseAfter)})
	dst = httplite.AppendHeaderInt(dst, "Content-Length", int64(len(body)))
	return append(httplite.EndHeaders(dst), body...)
}

// ccometResponse is the whole response to a subscriber that is given messages:
// good until another is asked for.
func (h *Hub) ccometResponse(sub *Subscriber, msgs []*msg.Message, cname []byte) []byte {
	h.Body = ccomet.AppendArray(h.Body[:0], h.Callbacks.Get(h.callback(sub)), msgs, cname)
	h.Scratch = h.appendCCometResponse(h.Scratch[:0], sub, h.Body)
	return h.Scratch
}

// ccometBacklog is the response to a subscriber whose messages are there already.
func (h *Hub) ccometBacklog(sub *Subscriber, m *mail.Mail) []byte {
	h.msgs = h.msgs[:0]
	for message, n := m.Msg, m.N; n > 0; message, n = message.After(n), n-1 {
		h.msgs = append(h.msgs, message)
	}
	given := h.fitPoll(h.msgs, m.Cname())
	h.Tally.Replayed += uint64(len(given))
	response := h.ccometResponse(sub, given, m.Cname())
	clear(h.msgs)
	return response
}

// EnterSession makes a connection a subscriber under a name, and asks for its channel;
// false: no record is free.
func (h *Hub) EnterSession(c reactor.Conn, cb []byte, sub Subscriber, wants []Topic, channel, sname []byte) bool {
	i := h.newSub(c, cb, sub, wants)
	if i == 0 {
		return false
	}
	h.Subs.At(i).Flags |= subAsking
	m := mail.OfSubscriber(mail.ClaimSession, c, i)
	m.Seq = wants[0].Seq
	m.Buf, m.Nlen = ccomet.NameBuffer(channel)
	m.Buf.B = append(m.Buf.B, sname...)
	h.Send(h.homes.Of(m.Cname()), m)
	return true
}

// Claimed takes the home's answer to a subscription.
func (h *Hub) Claimed(m *mail.Mail) {
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
		h.Body = ccomet.AppendStatus(h.Body[:0], string(h.Callbacks.Get(h.callback(sub))), "403", "")
		h.Scratch = h.appendCCometResponse(h.Scratch[:0], sub, h.Body)
		h.finishPoll(i, h.Scratch)
	case m.Code != mail.CodeOK:
		h.refuseLater(i, m.Code)
	case !claimed:
		h.countLost(sub.Cursor, m.Msg.Seq)
		h.finishPoll(i, h.ccometBacklog(sub, m))
	default:
		roster := h.rosterFor(m)
		if roster == 0 {
			h.unclaim(m)
			h.refuseLater(i, mail.CodeNoMemory)
			return
		}
		h.countLost(sub.Cursor, m.Seq)
		sub.Cursor = m.Seq
		sub.setSession(m.Session())
		h.enlist(roster, i)
		h.loop.SetTimer(m.Conn, -1) // it waits for as long as it likes
		if h.drain.On() {
			h.drain.ScheduleClose(m.Conn)
		}
	}
}

// unclaim has the home end the session that it has just given.
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

// TakenOver ends a subscriber whose session another connection has claimed, if it still
// has it: it may have been answered meanwhile, and ask again. Its connection is closed
// a moment later, so that two that have one name do not drive each other out as
// fast as they can.
func (h *Hub) TakenOver(m *mail.Mail) {
	what, i := h.State(m.Conn)
	if what != conn.Waiting {
		return
	}
	sub := h.Subs.At(i)
	if sub.Roster == 0 || sub.Roster != h.findRoster(m.From, m.Ref) {
		return
	}
	h.endSub(i)
	h.SetState(m.Conn, conn.Refused, uint32(mail.CodeTakenOver))
	h.loop.SetTimer(m.Conn, takenOverTime)
}

// takenOverTime is how long such a connection is sent nothing.
const takenOverTime = time.Second

// refuseLater refuses a subscriber. Any answer that the client can read would end
// its asking, and to one that it cannot read it may ask again at once, for ever.
// So it is sent nothing for as long as a request may take, and then the reason.
func (h *Hub) refuseLater(i uint32, why mail.Code) {
	c := h.loop.ConnAt(h.Subs.At(i).Conn)
	h.endSub(i)
	h.SetState(c, conn.Refused, uint32(why))
	h.loop.SetTimer(c, h.cfg.RequestTimeout)
}
