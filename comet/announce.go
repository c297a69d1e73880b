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
func (b *broker) announce(ch *channel, alive bool) {
	loops := b.totals.listening.Load()
	if loops == 0 || ch.dialect != dialectOurs {
		return
	}
	msg := &message{content: appendPresence(make([]byte, 0, int(ch.nameLen)+3), alive, b.names.get(ch.name()))}
	for to := uint8(0); loops != 0; to, loops = to+1, loops>>1 {
		if loops&1 != 0 {
			b.send(to, mail{kind: mailPresence, msg: msg})
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

// sweepOn goes on with the round, as far as it is paid up to by now.
func (b *broker) sweepOn(now time.Time) {
	p := &b.sweep
	if b.totals.listening.Load() == 0 {
		p.since = time.Time{}
		return
	}
	if p.since.IsZero() {
		p.since = now
	}
	used, each := b.channels.Used(), b.sweepTime()
	for range walkBudget {
		if now.Sub(p.since) < each {
			return
		}
		p.since = p.since.Add(each)
		if p.at++; p.at > used {
			p.at = 1
		}
		if used > 0 && b.channels.At(p.at).state == channelLive {
			b.announce(b.channels.At(p.at), true)
		}
	}
}

// sweepTime is the time that one channel's part of a round pays for.
func (b *broker) sweepTime() time.Duration {
	return b.cfg.ChannelTimeout / time.Duration(max(b.channels.Used(), 1))
}

// sweepDue is how long the round may wait: below zero, it is not under way.
func (b *broker) sweepDue(now time.Time) time.Duration {
	if b.sweep.since.IsZero() {
		return -1
	}
	left := b.sweepTime() - now.Sub(b.sweep.since)
	if left <= 0 {
		return 0
	}
	return min(max(left, reactor.TickLength), time.Second)
}
