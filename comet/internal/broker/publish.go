package broker

import (
	"ccomet/comet/internal/limit"
	"ccomet/comet/internal/mail"
)

// Publish handles mail.Publish.
func (b *Broker) Publish(m *mail.Mail) {
	key := keyed{key: b.keys.own(m.Key())}
	i := b.channels.find(m.Cname())
	if seq, ok := b.keys.repeated(i, &key); ok {
		r := m.Answer(mail.Done)
		r.Seq = seq
		b.Send(m.From, r)
		return
	}
	i, code, seconds := b.channelFor(i, m.Cname(), m.Op != mail.OpNotice)
	if i != 0 {
		b.propose(i, m)
		b.keys.keep(i, &key, b.channels.At(i).Next-1)
		return
	}
	r := m.Answer(mail.Done)
	r.Code = code
	r.SetSeconds(seconds)
	b.Send(m.From, r)
}

// channelFor returns the channel for a message, and extends its lease: that of record i, or a
// new one if i is 0. If it returns 0, code is the reason: the channel cannot be created; it is
// rated, and exceeds its rate (then seconds is the time to wait); or too much is undelivered.
func (b *Broker) channelFor(i uint32, cname []byte, rated bool) (of uint32, code mail.Code, seconds int32) {
	if b.totals.Delivering.Load() > int64(b.cfg.MaxDelivering) || b.pinned.tooMuch(b.Mailer) {
		b.totals.HitLimit(limit.Held, b.cfg.MaxDelivering, b.loop.Now())
		return 0, mail.CodeDelivering, 0
	}
	if i == 0 {
		if i, code = b.newChannel(cname); code != mail.CodeOK {
			return 0, code, 0
		}
	}
	if rated && b.rates.ceiling > 0 {
		if wait, ok := b.rates.take(i, b.loop.Now()); !ok {
			b.totals.HitLimit(limit.PublishRatePerChannel, b.cfg.PublishRatePerChannel, b.loop.Now())
			return 0, mail.CodeTooFast, int32(limit.WholeSeconds(wait))
		}
	}
	if b.channels.At(i).subs == 0 {
		b.channels.extend(i, b.cfg.ChannelTimeout)
	}
	return i, mail.CodeOK, 0
}
