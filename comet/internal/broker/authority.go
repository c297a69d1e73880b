package broker

import (
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/pool"
	"ccomet/comet/internal/record"
	"ccomet/reactor"
)

// Authority is a log beyond the loop, which numbers the messages of channels and keeps them
// in the place of the broker's own log. Its methods are called on the loop of the channels'
// home, and do not wait. What it answers it posts to that loop's inbox, from any goroutine:
//
//   - Propose: the same mail as mail.Committed, with Msg, or without it and with a Code.
//     It may post the messages of other servers as well, as mail.Committed with the
//     channel's name and no Conn.
//   - Attach: mail.Attached with the same Ref, the channel's Epoch, its next number and
//     what it keeps, as a run of messages that the authority uses no more.
//
// The messages of a channel come in the order of their numbers, without a gap; those that
// Attached has may come again. Every Propose is answered, within a time that the authority
// bounds: a server that drains waits for that. An Attach is answered when it can be, and
// subscriptions wait for it until their request times out.
type Authority interface {
	// Propose asks for a number for the message of an operation (Op.Message, Content) on a
	// channel (Cname).
	Propose(m mail.Mail)
	// Attach asks for a channel's place, and for what is committed from there on.
	Attach(channel mail.Ref, cname []byte)
	// Detach says that nothing here needs the channel's messages any more. The name is good
	// until it returns, as that of Attach is.
	Detach(channel mail.Ref, cname []byte)
}

// Inbox is where an authority or a judge posts what it answers.
type Inbox = *reactor.Mailbox[mail.Mail]

// remote is what a broker knows of its authority.
type remote struct {
	Authority
	attached record.Column[bool]    // by channel: its next number and its history are the authority's
	parked   map[uint32][]mail.Mail // by channel that is being attached: what waits for that, in order
	open     int                    // proposals that have not come back
}

// propose hands a request's message to the authority, with the buffer that it is in.
func (r *remote) propose(m *mail.Mail) {
	r.open++
	proposal := *m
	proposal.Kind, proposal.Flag, m.Buf = mail.Committed, m.Flag|mail.FlagProposed, nil
	r.Propose(proposal)
}

// broadcast hands over a message that no request waits for.
func (r *remote) broadcast(cname, content []byte) {
	m := mail.Mail{Op: mail.OpBroadcast, Buf: pool.NameBuffer(cname), Nlen: uint8(len(cname))}
	m.Buf.B = append(m.Buf.B, content...)
	r.propose(&m)
}

// Committed serves mail.Committed: a message has got its number, or will get none.
func (b *Broker) Committed(m *mail.Mail) {
	if m.Flag&mail.FlagProposed != 0 {
		m.Flag &^= mail.FlagProposed
		b.remote.open--
	}
	if m.Msg != nil {
		if i := b.find(m.Cname()); i != 0 {
			b.follow(i, m.Msg)
		}
	}
	if m.Conn == 0 {
		return // no request here waits for it
	}
	r := m.Answer(mail.Done)
	if r.Code = m.Code; m.Msg != nil {
		r.Seq = m.Msg.Seq
	}
	if m.Flag&mail.FlagBatch != 0 {
		answer := m.Answer(mail.BatchPublished)
		answer.Buf = pool.NameBuffer(nil)
		answer.Buf.B = mail.AppendResult(answer.Buf.B, mail.Result{Place: m.Place(), Seq: r.Seq, Code: r.Code})
		r = answer
	}
	b.Send(m.From, r)
}

// follow commits a message of the authority, if the channel does not have it yet.
func (b *Broker) follow(i uint32, message *msg.Message) {
	switch {
	case b.attaching(i):
		b.remote.parked[i] = append(b.remote.parked[i], mail.Mail{Kind: mail.Committed, Msg: message})
	case *b.remote.attached.At(i) && (message.Kind == msg.JoinNotice || message.Seq == b.channels.At(i).Next):
		b.commit(i, message)
	}
}

// parks keeps a request until its channel is attached to the authority, and says whether it
// has.
func (b *Broker) parks(i uint32, m *mail.Mail) bool {
	if b.remote == nil || *b.remote.attached.At(i) {
		return false
	}
	ch := b.channels.At(i)
	if !b.attaching(i) {
		b.remote.Attach(mail.Ref{Index: i, Gen: ch.Gen}, b.names.Get(ch.Name()))
	}
	b.remote.parked[i] = append(b.remote.parked[i], *m)
	m.Buf = nil
	if ch.subs == 0 {
		b.extend(i, b.cfg.ChannelTimeout)
	}
	return true
}

// attaching says whether a channel is being attached to the authority.
func (b *Broker) attaching(i uint32) bool {
	return b.remote != nil && len(b.remote.parked[i]) > 0
}

// Attached serves mail.Attached: a channel has its place, and what waited for that goes on.
func (b *Broker) Attached(m *mail.Mail) {
	ch := b.channel(m.Ref)
	if ch == nil {
		return
	}
	i := m.Ref.Index
	b.dropHistory(ch)
	for message, n := m.Msg, m.N; n > 0; n-- {
		next := message.Next // which keep sets
		b.keep(ch, message)
		message = next
	}
	ch.Next = m.Seq
	if epoch := m.Epoch(); epoch != record.EpochNone {
		ch.Gen = epoch
	}
	*b.remote.attached.At(i) = true
	parked := b.remote.parked[i]
	delete(b.remote.parked, i)
	for k := range parked {
		b.goOn(i, &parked[k])
		parked[k].Done()
	}
}

// goOn serves what has waited for a channel.
func (b *Broker) goOn(i uint32, m *mail.Mail) {
	switch m.Kind {
	case mail.Committed:
		b.follow(i, m.Msg)
	case mail.Join:
		b.Join(m)
	case mail.ClaimSession:
		b.Claim(m)
	case mail.ReadHistory:
		b.ReadHistory(m)
	case mail.Control:
		b.Control(m)
	}
}

// detach lets the authority forget a channel whose record is freed.
func (b *Broker) detach(i uint32) {
	if b.remote == nil || !*b.remote.attached.At(i) {
		return
	}
	ch := b.channels.At(i)
	*b.remote.attached.At(i) = false
	b.remote.Detach(mail.Ref{Index: i, Gen: ch.Gen}, b.names.Get(ch.Name()))
}
