package broker

import (
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/pool"
)

// Questions about channels, and presence, if a log is shared with other servers: they
// have subscribers of the same channels.

// control serves mail.Control.
func (r *remote) control(m *mail.Mail) {
	if m.Op != mail.OpCheck && m.Op != mail.OpInfo {
		r.propose(m)
		return
	}
	question := *m
	question.Kind, m.Buf = mail.Counted, nil
	r.Count(question)
}

// announce tells the listeners of all servers that a channel has come to life, or has
// ended if no other server has it.
func (r *remote) announce(cname []byte, alive bool) {
	if !alive {
		r.Count(mail.Mail{Kind: mail.Counted, Op: mail.OpCheck, Buf: pool.NameBuffer(cname), Nlen: uint8(len(cname))})
		return
	}
	r.tell(cname, alive)
}

// tell sends the listeners of all servers the presence of a channel.
func (r *remote) tell(cname []byte, alive bool) {
	r.b.Presence.tell(cname, alive)
	if r.Wanted() {
		r.Presence(cname, alive)
	}
}

// counted serves mail.Counted, the number of subscribers at other servers.
func (r *remote) counted(m *mail.Mail) {
	b := r.b
	if m.Conn == 0 { // announce has asked whether a channel has ended
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

// signed serves OpSign when the log has committed it: the channel lives here for as long
// as it is signed, and the answer has its token when its epoch is known.
func (r *remote) signed(m *mail.Mail) {
	b, a := r.b, m.Answer(mail.Done)
	var i uint32
	if i, a.Code = b.findOrMake(m.Cname()); i != 0 {
		if m.Kind = mail.Control; b.parks(i, m) {
			return
		}
		r.attached.At(i).state |= alive
		b.control(i, m, &a)
	}
	b.Send(m.From, a)
}
