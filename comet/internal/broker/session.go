package broker

import (
	"time"
	"unsafe"

	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/record"
	"ccomet/reactor"
)

// session is a subscriber that has a name, as its channel's home knows it, so that the
// next subscriber of that name takes its place, whichever loops the two are on.
// It takes 24 bytes, the name, and a place in the index; other subscribers have none.
type session struct {
	link    uint32 // index chain
	channel uint32
	conn    reactor.Conn // the subscriber's, on its loop; 0: the record is free
	nameAt  uint32       // of the subscriber
	nameLen uint8
	loop    uint8
	_       uint16
}

var _ [24]byte = [unsafe.Sizeof(session{})]byte{}

func (k *session) Name() record.Name { return record.Name{At: k.nameAt, Len: k.nameLen} }

// hashSession mixes a subscriber's name and its channel for the index of sessions.
func (b *Broker) hashSession(channel uint32, sname []byte) uint32 {
	return uint32(b.homes.Hash(sname)) ^ mail.HashRef(0, channel)
}

// findSession returns the session of a name on a channel, or 0.
func (b *Broker) findSession(channel uint32, sname []byte) uint32 {
	i := b.sessionIndex.Head(b.hashSession(channel, sname))
	for i != 0 {
		k := b.sessions.At(i)
		if k.channel == channel && string(b.names.Get(k.Name())) == string(sname) {
			return i
		}
		i = k.link
	}
	return 0
}

// makeSession returns a new session, which has no connection yet; 0 when there is no
// memory.
func (b *Broker) makeSession(channel uint32, sname []byte) uint32 {
	at := b.names.Put(sname)
	if at.At == 0 {
		return 0
	}
	i := b.sessions.Alloc()
	if i == 0 {
		b.names.Drop(at)
		return 0
	}
	*b.sessions.At(i) = session{channel: channel, nameAt: at.At, nameLen: at.Len}
	b.sessionIndex.Insert(i)
	return i
}

func (b *Broker) freeSession(i uint32) {
	k := b.sessions.At(i)
	b.sessionIndex.Remove(i)
	b.names.Drop(k.Name())
	k.conn = 0
	b.sessions.Free(i)
}

// Claim serves mail.ClaimSession: it finds or makes the channel, and gives the subscriber
// the messages that it asks for where they are kept, and else a session. Either way an
// earlier subscriber of that name loses its session.
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
	at := b.findSession(i, m.Content())
	if at != 0 {
		b.Send(b.sessions.At(at).loop, mail.Mail{Kind: mail.SessionTaken, Conn: b.sessions.At(at).conn, Ref: mail.Ref{Index: i, Gen: ch.Gen}})
	}
	b.resume(ch, m, &r)
	if r.N > 0 {
		r.Buf, r.Nlen, m.Buf = m.Buf, m.Nlen, nil // the channel may be gone when this is read
	}
	if r.Code == mail.CodeOK && r.N == 0 {
		b.giveSession(i, at, m, &r)
	} else if at != 0 {
		b.freeSession(at)
	}
	if ch.subs == 0 {
		b.extend(i, b.cfg.ChannelTimeout)
	}
	b.Send(m.From, r)
}

// resume works out what a subscriber that waits for number m.seq is to be given:
// all that is kept from it on, nothing as yet, or that there is no such number. A
// channel cannot know while it has given no number, or is young: its clients may
// come from before a restart, or from an earlier channel of that name. If some
// backend has been quicker, what is kept is news to them, whatever its numbers;
// else the channel goes on from the highest number that any of them waits for.
func (b *Broker) resume(ch *Channel, m, r *mail.Mail) {
	young := b.remote == nil && (ch.Dialect == record.DialectCCometFresh || b.minute()-ch.born < youngMinutes)
	if !young {
		ch.born = b.minute() - youngMinutes // or it would be young again when the minutes have gone round
	}
	if young && m.Seq-ch.Next > 0 && m.Seq <= record.MaxSeqid+1 {
		if ch.history != 0 {
			m.Seq = b.oldest(ch)
		} else {
			ch.Next = m.Seq
		}
	}
	switch d := m.Seq - ch.Next; {
	case d > 0:
		r.Code = mail.CodeBeyond
	case d < 0:
		kept, _ := b.from(ch, m.Seq)
		kept = kept.Slice(b.cfg.PollMost, msg.ObjectRoom(m.Cname()))
		r.Msg, r.N = kept.First, int32(kept.N)
	}
}

// youngMinutes is how long clients have to come back to a channel that was made
// anew: they ask again every few seconds.
const youngMinutes = 3

// minute counts the loop's minutes, and wraps.
func (b *Broker) minute() uint8 {
	return uint8(b.loop.Tick() / reactor.Tick(time.Minute/reactor.TickLength))
}

// giveSession has a subscriber wait, in session at if there was one of its name: then it
// takes the place of another subscriber, and no limit applies.
func (b *Broker) giveSession(i, at uint32, m, r *mail.Mail) {
	if at == 0 {
		if b.full(i) {
			r.Code = mail.CodeFull
			return
		}
		if at = b.makeSession(i, m.Content()); at == 0 {
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

// ReleaseSession serves mail.ReleaseSession: a subscriber has left, and its session ends
// unless another connection has claimed it meanwhile.
func (b *Broker) ReleaseSession(m *mail.Mail) {
	if k := b.sessions.At(m.Session()); k.conn == m.Conn && k.loop == m.From {
		b.freeSession(m.Session())
	}
}
