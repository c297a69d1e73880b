package comet

import (
	"time"

	"ccomet/reactor"
)

// What a channel's home tells the listeners to /psub (presence.go).

// sweep is a round through a home's channels, to say which live.
type sweep struct {
	at    uint32    // where it is
	since time.Time // what it is paid up to
}

// announce tells all listeners that a channel is there, or goes.
func (s *shard) announce(ch *channel, alive bool) {
	loops := s.totals.listening.Load()
	if loops == 0 || ch.dialect != dialectOurs {
		return
	}
	msg := &message{json: appendPresence(make([]byte, 0, int(ch.nameLen)+3), alive, s.names.get(ch.name()))}
	for to := uint8(0); loops != 0; to, loops = to+1, loops>>1 {
		if loops&1 != 0 {
			s.send(to, mail{kind: mailPresence, msg: msg})
		}
	}
}

// appendPresence appends the line that a channel is there, or goes.
func appendPresence(dst []byte, alive bool, cname []byte) []byte {
	if alive {
		dst = append(dst, "1 "...)
	} else {
		dst = append(dst, "0 "...)
	}
	return append(append(dst, cname...), '\n')
}

// sweepOn goes on with the round, and returns when it wants to go on again.
func (s *shard) sweepOn(now time.Time) time.Duration {
	p := &s.sweep
	if s.totals.listening.Load() == 0 {
		p.since = time.Time{}
		return -1
	}
	if p.since.IsZero() {
		p.since = now
	}
	round, used := s.cfg.ChannelTimeout, s.channels.Used()
	each := round / time.Duration(max(used, 1)) // the time that one channel pays for
	for range walkBudget {
		if now.Sub(p.since) < each {
			return min(max(each-now.Sub(p.since), reactor.TickLength), time.Second)
		}
		p.since = p.since.Add(each)
		if p.at++; p.at > used {
			p.at = 1
		}
		if used > 0 && s.channels.At(p.at).state == channelLive {
			s.announce(s.channels.At(p.at), true)
		}
	}
	return 0
}
