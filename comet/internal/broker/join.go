package broker

import (
	"ccomet/comet/internal/limit"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/token"
)

// Join handles mail.Join. It finds or creates the channel, determines what the subscriber is
// sent, and counts the subscriber if it will wait.
func (b *Broker) Join(m *mail.Mail) {
	i, code, later := b.admit(m, true)
	if later {
		return
	}
	r := m.Answer(mail.Joined)
	r.Code = code
	if r.Code == mail.CodeOK && b.full(i) {
		r.Code = mail.CodeFull
	}
	if r.Code != mail.CodeOK {
		r.Buf, r.Nlen, m.Buf = m.Buf, m.Nlen, nil // the refusal names the channel
		b.Send(m.From, r)
		return
	}
	ch := b.channels.At(i)
	r.SetEpoch(ch.Gen)
	if m.Flag&mail.FlagPublish != 0 && b.tokens.Valid(m.Cname(), ch.Gen, token.Publish, m.Content()) {
		r.Flag |= mail.FlagPublish
	}
	b.replay(ch, m, &r)
	answered := r.Code == mail.CodeMoved || r.N > 0 || r.Flag&mail.FlagLost != 0 && m.Flag&mail.FlagSayLost != 0
	if m.Flag&mail.FlagPoll != 0 && answered {
		// The subscriber is not counted, so the channel may be gone when the hub handles this.
		// The answer must contain the name.
		r.Buf, r.Nlen, m.Buf = m.Buf, m.Nlen, nil
		if ch.subs == 0 {
			b.channels.extend(i, b.cfg.ChannelTimeout)
		}
	} else {
		b.addSubscriber(i, m, &r)
	}
	b.Send(m.From, r)
}

// full reports whether a channel has reached its maximum number of subscribers.
func (b *Broker) full(i uint32) bool {
	ceiling := b.cfg.MaxSubscribersPerChannel
	if ceiling == 0 || int(b.channels.At(i).subs) < ceiling {
		return false
	}
	b.totals.HitLimit(limit.Subscribers, ceiling, b.loop.Now())
	return true
}

// CatchUp handles mail.CatchUp: a slow subscriber can be written to again, and continues from
// its cursor.
func (b *Broker) CatchUp(m *mail.Mail) {
	r := m.Answer(mail.Backlog)
	ch := b.channels.of(m.Ref) // the channel exists while it has subscribers
	b.replay(ch, m, &r)
	if ch.state == channelClosed {
		r.Flag |= mail.FlagClosed
	}
	if r.Flag&mail.FlagLost != 0 && b.histories.oldest(ch)-m.Seq < 0 { // messages before the missing numbers are still stored
		r.Flag |= mail.FlagGoOn
	}
	b.Send(m.From, r)
}
