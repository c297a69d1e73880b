package broker

import (
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/pool"
)

// These functions answer questions about channels, and report presence, if other servers share
// the log: they have subscribers of the same channels.

// control handles mail.Control.
func (r *remote) control(m *mail.Mail) {
	if m.Op != mail.OpCheck && m.Op != mail.OpInfo {
		r.propose(m)
		return
	}
	question := *m
	question.Kind, m.Buf = mail.Counted, nil
	r.Count(question)
}

// announce tells the listeners at all servers that a channel was created. With alive false, it
// first asks whether another server has the channel, and reports the end only if none has.
func (r *remote) announce(cname []byte, alive bool) {
	if !alive {
		r.Count(mail.Mail{Kind: mail.Counted, Op: mail.OpCheck, Buf: pool.NameBuffer(cname), Nlen: uint8(len(cname))})
		return
	}
	r.tell(cname, alive)
}

// tell sends the presence of a channel to the listeners at all servers.
func (r *remote) tell(cname []byte, alive bool) {
	r.b.Presence.tell(cname, alive)
	if r.Wanted() {
		r.Presence(cname, alive)
	}
}

// counted handles mail.Counted, the number of subscribers at other servers.
func (r *remote) counted(m *mail.Mail) {
	b := r.b
	if m.Conn == 0 { // this answers announce: does another server have the channel?
		if m.Flag&mail.FlagExist == 0 && b.channels.find(m.Cname()) == 0 {
			r.tell(m.Cname(), false)
		}
		return
	}
	a := m.Answer(mail.Done)
	others := m.Subscribers()
	i := b.channels.find(m.Cname())
	switch {
	case i != 0:
		b.control(i, m, &a)
	case m.Flag&mail.FlagExist == 0:
		a.Code = mail.CodeNone
	}
	a.SetSubscribers(a.Subscribers() + others)
	b.Send(m.From, a)
}

// signed handles OpSign after the log has committed it. The channel lives here as long as it is
// signed. The answer contains its token, so it waits until the epoch is known.
func (r *remote) signed(m *mail.Mail) {
	b, a := r.b, m.Answer(mail.Done)
	var i uint32
	if i, a.Code = b.findOrMake(m.Cname()); i != 0 {
		if m.Kind = mail.Control; b.parks(i, m) {
			return
		}
		b.attachments.states.At(i).state |= alive
		b.control(i, m, &a)
	}
	b.Send(m.From, a)
}
