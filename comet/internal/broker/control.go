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
		i, r.Code = b.FindOrMake(m.Cname())
	} else if i = b.Find(m.Cname()); i == 0 {
		r.Code = mail.CodeNone
	}
	if i != 0 {
		ch := b.Channels.At(i)
		r.Seq = ch.Next
		r.SetSubscribers(ch.Subs)
		r.SetEpoch(ch.Gen)
		switch m.Op {
		case mail.OpSign:
			b.Extend(i, time.Duration(m.Seconds())*time.Second)
			r.Seq = b.Oldest(ch)
		case mail.OpClose:
			b.EndChannel(i)
		case mail.OpClear:
			b.DropHistory(ch)
		}
	}
	b.Send(m.From, r)
}

// MaxLease is the longest that a channel may be signed for.
const MaxLease = 365 * 24 * time.Hour
