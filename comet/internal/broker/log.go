package broker

import (
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/record"
)

// A channel's log gives numbers to messages, keeps them and sends them to the loops that
// have subscribers. All that does so is here, and the rest of the broker only calls it:
//
//  1. propose has a message numbered. The broker's own log commits in the same call, and
//     the request is answered then. A log beyond the loop takes the proposal, and commits
//     when it comes back as mail (authority.go).
//  2. commit advances the channel's next number, keeps the message (history.go) and
//     delivers it, in the order of numbers.
//  3. replay answers from which message on a subscriber continues. The answer is mail, so
//     that it need not be ready in the same turn: with a log beyond the loop a subscription
//     waits until the channel is attached to it (parks).
//  4. addSubscriber and Leave keep which loops have subscribers.
//
// A position is an epoch (Channel.Gen) and a number.

// propose has the message of an operation on a channel numbered, and the request answered
// when it has its number.
func (b *Broker) propose(i uint32, m *mail.Mail) {
	if b.remote != nil {
		b.remote.propose(m)
		return
	}
	ch := b.channels.At(i)
	message := b.histories.newMessage(ch, m.Op.Message(), ch.Next, m.Proposed())
	b.commit(i, message)
	b.committed(m, message)
}

// committed answers a request whose message has its number.
func (b *Broker) committed(m *mail.Mail, message *msg.Message) {
	r := m.Answer(mail.Done)
	r.Seq = message.Seq
	b.Send(m.From, r)
}

// commit takes a message that has a channel's next number, keeps it, and has it
// delivered. A join notice has no number, and is only delivered. Behind a close, the
// channel's name leads to it no longer; the record is freed when its last subscriber has
// left, and until then its history serves those that are behind.
func (b *Broker) commit(i uint32, message *msg.Message) {
	ch := b.channels.At(i)
	if message.Kind == msg.JoinNotice {
		b.deliver(i, ch, message)
		return
	}
	ch.Next++
	if ch.Dialect == record.DialectCCometFresh {
		ch.Dialect = record.DialectCComet
	}
	if b.remote == nil { // else it counts where it was published
		b.published++
	}
	b.pinned.committed += message.Size()
	b.histories.keep(i, message)
	b.deliver(i, ch, message)
	if message.Kind == msg.Close {
		b.hide(i)
		if ch.subs == 0 {
			b.freeChannel(i)
		}
	}
}

// deliver mails a message to every loop that may have subscribers.
func (b *Broker) deliver(i uint32, ch *Channel, message *msg.Message) {
	if ch.loops == [2]uint32{} {
		return
	}
	ref := mail.Ref{Index: i, Gen: ch.Gen}
	for word, bits := range ch.loops {
		for to := uint8(word * 32); bits != 0; to, bits = to+1, bits>>1 {
			if bits&1 != 0 {
				b.totals.Delivering.Add(int64(mail.Weight(message))) // until a pump there lets go of it
				b.Send(to, mail.Mail{Kind: mail.Deliver, Ref: ref, Msg: message})
			}
		}
	}
}

// replay works out what a subscriber that wants messages from m.seq on is to
// be sent. Numbers wrap, so they are compared by signed difference.
func (b *Broker) replay(ch *Channel, m, r *mail.Mail) {
	r.Seq = ch.Next
	switch d := m.Seq - ch.Next; {
	case ch.isOfAnotherLife(m): // all that there is is news
		b.replayFrom(ch, b.histories.oldest(ch), m, r)
		r.Flag |= mail.FlagLost | mail.FlagOther
		r.SetLostFrom(m.Seq)
	case m.Flag&mail.FlagPlace == 0 && m.Seq == 0 || d > 0:
		r.Code = mail.CodeMoved
	case d < 0:
		if b.replayFrom(ch, m.Seq, m, r) != m.Seq {
			r.Flag |= mail.FlagLost
			r.SetLostFrom(m.Seq)
		}
	}
}

// isOfAnotherLife says whether the place that is wanted is of another life of the channel.
func (ch *Channel) isOfAnotherLife(m *mail.Mail) bool {
	return m.Flag&mail.FlagPlace != 0 && (m.Seq-ch.Next > 0 || m.Epoch() != record.EpochNone && m.Epoch() != ch.Gen)
}

// replayFrom has what is kept from number seq on sent, and returns the number that
// begins with.
func (b *Broker) replayFrom(ch *Channel, seq int32, m, r *mail.Mail) (oldest int32) {
	kept, oldest := b.histories.from(ch, seq)
	room := msg.ObjectRoom(b.channels.name(ch))
	if m.Flag&mail.FlagPoll != 0 {
		kept = kept.Slice(b.cfg.PollMost, room)
		if m.Flag&mail.FlagSayLost != 0 {
			kept.N = int(kept.Unbroken(ch.Next)) // it is told of a gap when it asks for what comes behind
		}
	} else if given := kept.Slice(mail.ReplayBytes, room); given.N < kept.N {
		kept = given
		r.Seq, r.Flag = kept.Behind().Seq, r.Flag|mail.FlagMore
	}
	r.Msg, r.N = kept.First, int32(kept.N)
	return oldest
}

// addSubscriber counts a subscriber that is going to wait, and answers what it needs to know of
// its channel. The first one of a loop has that loop receive what is committed.
func (b *Broker) addSubscriber(i uint32, m, r *mail.Mail) {
	ch := b.channels.At(i)
	r.Flag |= mail.FlagMember
	r.Ref, r.Name = b.channels.ref(i), ch.Name()
	ch.subs++
	ch.loops[m.From>>5] |= 1 << (m.From & 31)
	b.totals.Subscribers.Add(1)
	if b.remote != nil {
		b.remote.attached.At(i).state |= alive
	}
}

// Leave serves mail.Leave: subscribers have left. With the last of all, no loop receives
// what is committed any more.
func (b *Broker) Leave(m *mail.Mail) {
	ch := b.channels.of(m.Ref)
	ch.subs -= m.Subscribers()
	b.totals.Subscribers.Add(-int64(m.Subscribers()))
	if ch.subs > 0 {
		return
	}
	// All subscribers that ever joined have left, so no loop has a roster, nor will have.
	ch.loops = [2]uint32{}
	if ch.state == channelClosed {
		b.freeChannel(m.Ref.Index)
		return
	}
	b.channels.extend(m.Ref.Index, b.cfg.ChannelTimeout)
}
