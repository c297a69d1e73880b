package broker

import (
	"time"

	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/record"
	"ccomet/reactor"
)

// What a channel's home tells the listeners to /psub (presence.go).

// sweep is a round through a home's channels, to say which live.
type sweep struct {
	at    uint32    // where it is
	since time.Time // what it is paid up to
}

// announce tells all listeners that a channel is there, or goes.
func (b *Broker) announce(ch *Channel, alive bool) {
	if !b.listened() || ch.Dialect != record.DialectOurs {
		return
	}
	cname := b.channels.name(ch)
	if b.remote == nil {
		b.tellListeners(cname, alive)
		return
	}
	b.remote.announce(cname, alive)
}

// listened says whether there are listeners, here or at another server.
func (b *Broker) listened() bool {
	return b.totals.Listening.Load() != 0 || b.remote != nil && b.remote.Wanted()
}

// tellListeners tells those that are here.
func (b *Broker) tellListeners(cname []byte, alive bool) {
	loops := b.totals.Listening.Load()
	if loops == 0 {
		return
	}
	message := msg.Of(0, 0, appendPresence(make([]byte, 0, len(cname)+3), alive, cname))
	for to := uint8(0); loops != 0; to, loops = to+1, loops>>1 {
		if loops&1 != 0 {
			b.Send(to, mail.Mail{Kind: mail.PresenceLine, Msg: message})
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

// SweepOn goes on with the round, as far as it is paid up to by now.
func (b *Broker) SweepOn(now time.Time) {
	p := &b.sweep
	if !b.listened() {
		p.since = time.Time{}
		return
	}
	if p.since.IsZero() {
		p.since = now
	}
	used, each := b.channels.Used(), b.sweepTime()
	for range ScanBudget {
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
func (b *Broker) sweepTime() time.Duration {
	return b.cfg.ChannelTimeout / time.Duration(max(b.channels.Used(), 1))
}

// sweepDue is how long the round may wait: below zero, it is not under way.
func (b *Broker) sweepDue(now time.Time) time.Duration {
	if b.sweep.since.IsZero() {
		return -1
	}
	left := b.sweepTime() - now.Sub(b.sweep.since)
	if left <= 0 {
		return 0
	}
	return min(max(left, reactor.TickLength), time.Second)
}
