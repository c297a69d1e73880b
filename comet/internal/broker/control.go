package broker

import (
	"time"

	"ccomet/comet/internal/mail"
)

// Control serves mail.Control.
func (b *Broker) Control(m *mail.Mail) {
	r := m.Answer(mail.Done)
	var i uint32
	if m.Op == mail.OpSign {
		i, r.Code = b.findOrMake(m.Cname())
	} else if i = b.find(m.Cname()); i == 0 {
		r.Code = mail.CodeNone
	}
	switch {
	case i != 0 && m.Op == mail.OpSign && b.parks(i, m):
		return
	case i != 0 && m.Op == mail.OpClose:
		b.propose(i, m)
		return
	case i != 0:
		ch := b.channels.At(i)
		r.Seq = ch.Next
		r.SetSubscribers(ch.subs)
		r.SetEpoch(ch.Gen)
		switch m.Op {
		case mail.OpSign:
			b.extend(i, time.Duration(m.Seconds())*time.Second)
			r.Seq = b.oldest(ch)
		case mail.OpClear:
			b.dropHistory(ch)
		}
	}
	b.Send(m.From, r)
}

// MaxLease is the longest that a channel may be signed for.
const MaxLease = 365 * 24 * time.Hour
