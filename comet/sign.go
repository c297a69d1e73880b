package comet

// A SIGN of CComet's dialect is for those who wait when it comes to their loop,
// and ends their polls, alone: whatever else there is they get with the next.
//
// A roster's newest subscriber stands at its head, so those who wait now are all
// from the head on, whoever comes behind them in time. Where the delivery of a
// SIGN starts is therefore all there is to note; it goes before that of messages,
// and of several SIGNs the one that came first goes first, after which nobody is
// left but who came meanwhile.

// signing is a SIGN on its way through a roster.
type signing struct {
	msg *message
	at  uint32 // the next subscriber
}

// addSign puts a SIGN on a roster's pump.
func (p *pump) addSign(r *roster, msg *message) {
	if n := len(p.signs); n > 0 && p.signs[n-1].at == r.head {
		return // there is nobody who does not get another
	}
	p.signs = append(p.signs, signing{msg, r.head})
}

// pass takes a subscriber that leaves its roster out of the pump's way.
func (p *pump) pass(i, next uint32) {
	if p.at == i {
		p.at = next
	}
	for n := range p.signs {
		if p.signs[n].at == i {
			p.signs[n].at = next
		}
	}
}

// runSigns goes on with a pump's SIGNs, and says whether they are through.
func (s *shard) runSigns(p *pump, budget *int) bool {
	for n := range p.signs {
		for g := &p.signs[n]; g.at != 0; {
			if *budget == 0 {
				return false
			}
			*budget--
			s.delivered++
			i := g.at
			s.msgs = append(s.msgs[:0], g.msg)
			s.finishPoll(i, s.ccometResponse(s.subs.At(i), s.msgs)) // leaving, it moves g.at on
		}
	}
	p.signs = emptied(p.signs)
	clear(s.msgs)
	return true
}
