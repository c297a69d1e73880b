package hub

import (
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/pool"
)

// A SIGN of CComet's dialect is for those who wait when it comes to their loop,
// and ends their polls, alone: whatever else there is they get with the next.
//
// A roster's newest subscriber stands at its head, so those who wait now are all
// from the head on, whoever comes behind them in time. Where the delivery of a
// SIGN starts is therefore all there is to note. What came first goes first: a SIGN
// before the messages that came behind it, and after those that were there; of
// several SIGNs, after the first nobody is left but who came meanwhile.

// signing is a SIGN on its way through a roster.
type joinNotice struct {
	msg    *msg.Message
	at     uint32 // the next subscriber
	behind bool   // messages were there before it
}

// addNotice puts a SIGN on a roster's pump; false: there is nobody for it.
func (p *pump) addNotice(r *Roster, message *msg.Message) bool {
	if n := len(p.notices); n > 0 && p.notices[n-1].at == r.Head {
		return false // all that wait get another
	}
	p.notices = append(p.notices, joinNotice{message, r.Head, len(p.Msgs) > 0})
	return true
}

// letGoNotices takes a pump's SIGNs off what is on its way to subscribers.
func (h *Hub) letGoNotices(p *pump) {
	for n := range p.notices {
		h.letGo(p.notices[n].msg)
	}
}

// pass takes a subscriber that leaves its roster out of the pump's way.
func (p *pump) pass(i, next uint32) {
	if p.at == i {
		p.at = next
	}
	for n := range p.notices {
		if p.notices[n].at == i {
			p.notices[n].at = next
		}
	}
}

// runSigns goes on with a pump's SIGNs, those that came before its messages or
// all, and says whether they are through.
func (h *Hub) runNotices(p *pump, budget *int, all bool) bool {
	for n := range p.notices {
		for g := &p.notices[n]; g.at != 0 && (all || !g.behind); {
			if *budget == 0 {
				return false
			}
			*budget--
			h.Tally.Delivered++
			i := g.at
			h.msgs = append(h.msgs[:0], g.msg)
			h.finishPoll(i, h.ccometResponse(h.Subs.At(i), h.msgs, h.rosterName(p.roster))) // leaving, it moves g.at on
		}
	}
	clear(h.msgs)
	if all {
		h.letGoNotices(p)
		p.notices = pool.Emptied(p.notices)
	}
	return true
}
