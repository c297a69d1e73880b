package broker

import (
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/pool"
)

// What is asked about a channel where a log beyond the loops has it (remote.go): other
// servers have subscribers of it, too.

// controlElsewhere serves mail.Control.
func (b *Broker) controlElsewhere(m *mail.Mail) {
	if m.Op != mail.OpCheck && m.Op != mail.OpInfo {
		b.remote.propose(m)
		return
	}
	question := *m
	question.Kind, m.Buf = mail.Counted, nil
	b.remote.Count(question)
}

// announceElsewhere tells the listeners of all servers that a channel is there, or goes, unless
// another server has it still.
func (b *Broker) announceElsewhere(cname []byte, alive bool) {
	if !alive {
		b.remote.Count(mail.Mail{Kind: mail.Counted, Op: mail.OpCheck, Buf: pool.NameBuffer(cname), Nlen: uint8(len(cname))})
		return
	}
	b.tellListeners(cname, alive)
	if b.remote.Wanted() {
		b.remote.Presence(cname, alive)
	}
}

// counted serves mail.Counted: how many subscribers other servers have.
func (b *Broker) counted(m *mail.Mail) {
	if m.Conn == 0 { // it is to be known whether a channel has gone
		if m.Flag&mail.FlagExist == 0 && b.find(m.Cname()) == 0 {
			b.tellListeners(m.Cname(), false)
			if b.remote.Wanted() {
				b.remote.Presence(m.Cname(), false)
			}
		}
		return
	}
	r := m.Answer(mail.Done)
	others := m.Subscribers()
	i := b.find(m.Cname())
	switch {
	case i != 0:
		b.control(i, m, &r)
	case m.Flag&mail.FlagExist == 0:
		r.Code = mail.CodeNone
	}
	r.SetSubscribers(r.Subscribers() + others)
	b.Send(m.From, r)
}

// signed serves OpSign, which the log knows of: the channel is here for as long as it is
// signed for, and its token is told when its epoch is known.
func (b *Broker) signed(m *mail.Mail) {
	r := m.Answer(mail.Done)
	var i uint32
	if i, r.Code = b.findOrMake(m.Cname()); i != 0 {
		if m.Kind = mail.Control; b.parks(i, m) {
			return
		}
		b.remote.attached.At(i).state |= alive
		b.control(i, m, &r)
	}
	b.Send(m.From, r)
}
