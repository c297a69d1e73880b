package broker

import (
	"time"

	"ccomet/comet/internal/mail"
)

func (b *Broker) Control(m *mail.Mail) {
	if b.remote != nil {
		b.remote.control(m)
		return
	}
	r := m.Answer(mail.Done)
	var i uint32
	if m.Op == mail.OpSign {
		i, r.Code = b.findOrMake(m.Cname())
	} else if i = b.channels.find(m.Cname()); i == 0 {
		r.Code = mail.CodeNone
	}
	switch {
	case i != 0 && m.Op == mail.OpClose:
		b.propose(i, m)
		return
	case i != 0:
		b.control(i, m, &r)
		if m.Op == mail.OpClear {
			b.histories.drop(b.channels.At(i))
		}
	}
	b.Send(m.From, r)
}

// control fills in the answer to an operation on a channel, and extends its lease if it is
// signed.
func (b *Broker) control(i uint32, m, r *mail.Mail) {
	ch := b.channels.At(i)
	r.Seq = ch.Next
	if m.Op == mail.OpSign {
		b.channels.extend(i, time.Duration(m.Seconds())*time.Second)
		r.Seq = b.histories.oldest(ch)
	}
	r.SetSubscribers(ch.subs)
	r.SetEpoch(ch.Gen)
}

// MaxLease is the longest lease that /sign can set.
const MaxLease = 365 * 24 * time.Hour
