package hub

import (
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/pool"
)

// A join notice tells that one more client has come. It is for the subscribers that wait when it
// reaches their loop. It ends their polls and comes alone; messages follow with the next poll.
//
// A roster's newest subscriber is at the head of its list. So the subscribers that wait now are
// all those from the head on, and later ones are inserted before it. The pump therefore stores
// only where the delivery of a notice starts. Order is kept: a notice is delivered before the
// messages that came after it, and after those that came before it. After the first of several
// notices, only subscribers that came meanwhile are left for the next one.

// joinNotice is a join notice that is being delivered to a roster.
type joinNotice struct {
	msg    *msg.Message
	at     uint32 // the next subscriber
	behind bool   // messages came before it
}

// addNotice adds a join notice to a roster's pump; false: no subscriber needs it.
func (p *pump) addNotice(r *Roster, message *msg.Message) bool {
	if n := len(p.notices); n > 0 && p.notices[n-1].at == r.Head {
		return false // all that wait get the one before it
	}
	p.notices = append(p.notices, joinNotice{message, r.Head, len(p.Msgs) > 0})
	return true
}

// letGoNotices subtracts a pump's join notices from what is on its way to subscribers.
func (k *pumps) letGoNotices(p *pump) {
	for n := range p.notices {
		k.letGo(p.notices[n].msg)
	}
}

// pass moves the pump past a subscriber that leaves its roster.
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

// runNotices continues with a pump's join notices: all, or only those that came before its
// messages. It reports whether they are finished.
func (k *pumps) runNotices(p *pump, budget *int, all bool) bool {
	for n := range p.notices {
		for g := &p.notices[n]; g.at != 0 && (all || !g.behind); {
			if *budget == 0 {
				return false
			}
			*budget--
			k.Tally.Delivered++
			i := g.at
			k.msgs = append(k.msgs[:0], g.msg)
			k.finishPoll(i, k.sessionMessages(k.Subs.At(i), k.msgs, k.Rosters.name(p.roster))) // this removes i, which moves g.at on
		}
	}
	clear(k.msgs)
	if all {
		k.letGoNotices(p)
		p.notices = pool.Emptied(p.notices)
	}
	return true
}
