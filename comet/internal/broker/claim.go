package broker

import (
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/record"
)

// Claim handles mail.ClaimSession. It finds or creates the channel, and gives the subscriber
// either the stored messages that it asks for or, if there are none, a session. In both cases
// an earlier subscriber of that name loses its session.
func (b *Broker) Claim(m *mail.Mail) {
	r := m.Answer(mail.SessionClaimed)
	var i uint32
	if i, r.Code = b.findOrMake(m.Cname()); r.Code != mail.CodeOK {
		b.Send(m.From, r)
		return
	}
	if b.parks(i, m) {
		return
	}
	ch := b.channels.At(i)
	at := b.sessions.find(i, m.Content())
	if at != 0 {
		b.Send(b.sessions.At(at).loop, mail.Mail{Kind: mail.SessionTaken, Conn: b.sessions.At(at).conn, Ref: b.channels.ref(i)})
	}
	b.resume(ch, m, &r)
	if r.N > 0 {
		r.Buf, r.Nlen, m.Buf = m.Buf, m.Nlen, nil // the channel may be gone when the hub handles this
	}
	if r.Code == mail.CodeOK && r.N == 0 {
		b.giveSession(i, at, m, &r)
	} else if at != 0 {
		b.sessions.drop(at)
	}
	if ch.subs == 0 {
		b.channels.extend(i, b.cfg.ChannelTimeout)
	}
	b.Send(m.From, r)
}

// resume determines what a subscriber that waits for number m.Seq gets: the stored messages
// from that number on, none yet, or an error if the number does not exist yet.
//
// A channel that has given no number, or is young, cannot judge that: its clients may come from
// before a restart or from an earlier channel of that name, and wait for higher numbers. If
// messages were published already, such a client gets all stored messages. Otherwise the
// channel continues from the highest number that any of them waits for.
func (b *Broker) resume(ch *Channel, m, r *mail.Mail) {
	young := b.remote == nil && (ch.Dialect == record.DialectCCometFresh || b.channels.minute()-ch.born < youngMinutes)
	if !young {
		ch.born = b.channels.minute() - youngMinutes // else the channel would be young again after 256 minutes
	}
	if young && m.Seq-ch.Next > 0 && m.Seq <= record.MaxSeqid+1 {
		if ch.history != 0 {
			m.Seq = b.histories.oldest(ch)
		} else {
			ch.Next = m.Seq
		}
	}
	switch d := m.Seq - ch.Next; {
	case d > 0:
		r.Code = mail.CodeBeyond
	case d < 0:
		kept, _ := b.histories.from(ch, m.Seq)
		kept = kept.Slice(b.cfg.PollMost, msg.ObjectRoom(m.Cname()))
		r.Msg, r.N = kept.First, int32(kept.N)
	}
}

// youngMinutes is how long clients have to return to a channel that was created again. They
// poll every few seconds.
const youngMinutes = 3

// giveSession makes a subscriber wait. at is the session of its name, if there is one: then it
// replaces another subscriber, and the limit does not apply.
func (b *Broker) giveSession(i, at uint32, m, r *mail.Mail) {
	if at == 0 {
		if b.full(i) {
			r.Code = mail.CodeFull
			return
		}
		if at = b.sessions.add(i, m.Content()); at == 0 {
			r.Code = mail.CodeNoMemory
			return
		}
	}
	k := b.sessions.At(at)
	k.conn, k.loop = m.Conn, m.From
	r.Seq = b.channels.At(i).Next
	r.SetSession(at)
	b.addSubscriber(i, m, r)
}

// ReleaseSession handles mail.ReleaseSession: a subscriber has left. Its session is freed
// unless another connection has claimed it.
func (b *Broker) ReleaseSession(m *mail.Mail) {
	if k := b.sessions.At(m.Session()); k.conn == m.Conn && k.loop == m.From {
		b.sessions.drop(m.Session())
	}
}
