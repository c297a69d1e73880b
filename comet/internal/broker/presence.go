package broker

import (
	"slices"
	"time"

	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/record"
	"ccomet/reactor"
)

// Presence tells the listeners to /psub about a home's channels: when a channel is created or
// deleted; periodically, that a channel exists; and to a new listener, which channels exist.
type Presence struct {
	b        *Broker
	listings []mail.Mail // requests for a list, which wait for a turn's budget
	at       uint32      // record that the round has reached
	since    time.Time   // time up to which the round is done; zero: no round
}

// announce tells all listeners that a channel was created, still exists, or is deleted.
func (p *Presence) announce(ch *Channel, alive bool) {
	if !p.listened() || ch.Dialect != record.DialectOurs {
		return
	}
	cname := p.b.channels.name(ch)
	if p.b.remote == nil {
		p.tell(cname, alive)
		return
	}
	p.b.remote.announce(cname, alive)
}

// listened reports whether there are listeners, at this server or another one.
func (p *Presence) listened() bool {
	return p.b.totals.Listening.Load() != 0 || p.b.remote != nil && p.b.remote.Wanted()
}

// tell tells the listeners at this server.
func (p *Presence) tell(cname []byte, alive bool) {
	loops := p.b.totals.Listening.Load()
	if loops == 0 {
		return
	}
	message := msg.Of(0, 0, appendPresence(make([]byte, 0, len(cname)+3), alive, cname))
	for to := uint8(0); loops != 0; to, loops = to+1, loops>>1 {
		if loops&1 != 0 {
			p.b.Send(to, mail.Mail{Kind: mail.PresenceLine, Msg: message})
		}
	}
}

// appendPresence appends the line for a channel.
func appendPresence(dst []byte, alive bool, cname []byte) []byte {
	if alive {
		dst = append(dst, "1 "...)
	} else {
		dst = append(dst, "0 "...)
	}
	return append(append(dst, cname...), '\n')
}

// Began handles mail.Listening: it tells the other servers that there are listeners here, once for
// all loops.
func (p *Presence) Began() {
	if p.b.ID == 0 && p.b.remote != nil && p.b.totals.Listening.Load() != 0 {
		p.b.remote.Listens(false)
	}
}

// AnnounceAll handles mail.ListAsked: the round goes through all channels without a pause.
func (p *Presence) AnnounceAll(now time.Time) { p.since = now.Add(-p.b.cfg.ChannelTimeout) }

// SweepOn continues the round, as far as it is due by now.
func (p *Presence) SweepOn(now time.Time) {
	if !p.listened() {
		p.since = time.Time{}
		return
	}
	if p.since.IsZero() {
		p.since = now
	}
	channels, each := &p.b.channels, p.sweepTime()
	for range ScanBudget {
		if now.Sub(p.since) < each {
			return
		}
		p.since = p.since.Add(each)
		if p.at++; p.at > channels.Used() {
			p.at = 1
		}
		if channels.Used() > 0 && channels.At(p.at).state == channelLive {
			p.announce(channels.At(p.at), true)
		}
	}
}

// sweepTime is the interval between two channels of a round.
func (p *Presence) sweepTime() time.Duration {
	return p.b.cfg.ChannelTimeout / time.Duration(max(p.b.channels.Used(), 1))
}

// due returns the time until the next channel of the round, or a negative value if there is no
// round.
func (p *Presence) due(now time.Time) time.Duration {
	if p.since.IsZero() {
		return -1
	}
	left := p.sweepTime() - now.Sub(p.since)
	if left <= 0 {
		return 0
	}
	return min(max(left, reactor.TickLength), time.Second)
}

// List handles mail.ListChannels. The first request of a listener goes to the first loop, which asks
// the other servers for their channels.
func (p *Presence) List(m *mail.Mail) {
	if p.b.ID == 0 && m.Record() == 1 && p.b.remote != nil {
		p.b.remote.Listens(true)
	}
	p.listings = append(p.listings, *m)
}

// RunListings answers requests for a list, within the turn's budget.
func (p *Presence) RunListings() {
	left, n := ScanBudget, 0
	for ; n < len(p.listings) && left > 0; n++ {
		p.list(&p.listings[n], &left)
	}
	p.listings = slices.Delete(p.listings, 0, n)
}

func (p *Presence) list(m *mail.Mail, left *int) {
	channels := &p.b.channels
	r, at := m.Answer(mail.ChannelsListed), m.Record()
	var lines []byte
	end := channels.Used()
	for i := channels.next(&at, end, left); i != 0; i = channels.next(&at, end, left) {
		if ch := channels.At(i); ch.Dialect == record.DialectOurs {
			lines = appendPresence(lines, true, channels.name(ch))
		}
	}
	if len(lines) > 0 {
		r.Msg = msg.Of(0, 0, lines)
	}
	r.SetRecord(at)
	if at > end {
		r.Flag |= mail.FlagEnd
	}
	p.b.Send(m.From, r)
}
