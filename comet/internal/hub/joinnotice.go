package hub

import (
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/pool"
)

// A join notice says that one more client has come. It is for the subscribers that wait
// when it reaches their loop. It ends their polls and comes alone; messages follow with the next
// poll.
//
// A roster's newest subscriber is at its head, so the subscribers that wait now are all
// from the head on, and later ones come before it in the list. The pump therefore notes
// only where the delivery of a notice starts. Order is kept: a notice is delivered before
// the messages that came after it, and after those that came before it. After the first
// of several notices only subscribers that came meanwhile are left for the next one.

// joinNotice is a join notice on its way through a roster.
type joinNotice struct {
	msg    *msg.Message
	at     uint32 // the next subscriber
	behind bool   // messages were there before it
}

// addNotice puts a join notice on a roster's pump; false: no subscriber is to have it.
func (p *pump) addNotice(r *Roster, message *msg.Message) bool {
	if n := len(p.notices); n > 0 && p.notices[n-1].at == r.Head {
		return false // all that wait get the one before it
	}
	p.notices = append(p.notices, joinNotice{message, r.Head, len(p.Msgs) > 0})
	return true
}

// letGoNotices takes a pump's join notices off what is on its way to subscribers.
func (k *pumps) letGoNotices(p *pump) {
	for n := range p.notices {
		k.letGo(p.notices[n].msg)
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

// runNotices continues with a pump's join notices, those that came before its messages or
// all, and says whether they are through.
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
			k.finishPoll(i, k.sessionMessages(k.Subs.At(i), k.msgs, k.Rosters.name(p.roster))) // leaving, it moves g.at on
		}
	}
	clear(k.msgs)
	if all {
		k.letGoNotices(p)
		p.notices = pool.Emptied(p.notices)
	}
	return true
}
