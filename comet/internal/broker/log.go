package broker

import (
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/record"
)

// A channel's log numbers messages, stores them and sends them to the loops with subscribers.
// The rest of the broker uses only these functions:
//
//  1. propose requests a number for a message. The broker's own log commits the message and
//     answers the request in the same call. A shared log accepts the proposal, and the
//     message is committed when it comes back as mail (authority.go).
//  2. commit advances the channel's next number, stores the message (history.go) and delivers
//     it, in the order of the numbers.
//  3. replay determines from which message on a subscriber continues. The answer is mail, so it
//     need not be ready in the same turn: with a shared log, a subscription waits until the
//     channel is attached (parks).
//  4. addSubscriber and Leave maintain the set of loops with subscribers.
//
// A position is an epoch (Channel.Gen) and a number.

// propose requests a number for the message of an operation on a channel. The request is
// answered when the message has its number.
func (b *Broker) propose(i uint32, m *mail.Mail) {
	if b.remote != nil {
		b.remote.propose(m)
		return
	}
	ch := b.channels.At(i)
	message := b.histories.newMessage(ch, m.Op.MessageKind(), ch.Next, m.Proposed())
	b.commit(i, message)
	b.committed(m, message)
}

// committed answers a request whose message has its number.
func (b *Broker) committed(m *mail.Mail, message *msg.Message) {
	r := m.Answer(mail.Done)
	r.Seq = message.Seq
	b.Send(m.From, r)
}

// commit stores and delivers a message that has a channel's next number. A join notice has no
// number, and is only delivered. A close hides the channel; its record is freed when the last
// subscriber has left, and until then its history serves slow subscribers.
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
	if b.remote == nil { // else the server that published it counts it
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
				b.totals.Delivering.Add(int64(mail.Weight(message))) // until the loop's pump releases the message
				b.Send(to, mail.Mail{Kind: mail.Deliver, Ref: ref, Msg: message})
			}
		}
	}
}

// replay determines what a subscriber that wants messages from m.Seq on is sent. Numbers wrap
// around, so they are compared by signed difference.
func (b *Broker) replay(ch *Channel, m, r *mail.Mail) {
	r.Seq = ch.Next
	switch d := m.Seq - ch.Next; {
	case ch.isOfAnotherLife(m): // all stored messages are new to it
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

// isOfAnotherLife reports whether the wanted position cannot be of this life of the channel: its epoch
// is another one, or its number is too high.
func (ch *Channel) isOfAnotherLife(m *mail.Mail) bool {
	return m.Flag&mail.FlagPlace != 0 && (m.Seq-ch.Next > 0 || ch.hasOtherEpoch(m))
}

// hasOtherEpoch reports whether the wanted position has an epoch other than the channel's.
func (ch *Channel) hasOtherEpoch(m *mail.Mail) bool {
	return m.Flag&mail.FlagPlace != 0 && m.Epoch() != record.EpochNone && m.Epoch() != ch.Gen
}

// replayFrom adds the stored messages from number seq on to the answer, as many as fit. It
// returns the number of the first stored one.
func (b *Broker) replayFrom(ch *Channel, seq int32, m, r *mail.Mail) (oldest int32) {
	kept, oldest := b.histories.from(ch, seq)
	room := msg.ObjectRoom(b.channels.name(ch))
	if m.Flag&mail.FlagPoll != 0 {
		kept = kept.Slice(b.cfg.PollMost, room)
		if m.Flag&mail.FlagSayLost != 0 {
			kept.N = int(kept.Unbroken(ch.Next)) // the gap is reported when the client asks for the messages after it
		}
	} else if given := kept.Slice(mail.ReplayBytes, room); given.N < kept.N {
		kept = given
		r.Seq, r.Flag = kept.Behind().Seq, r.Flag|mail.FlagMore
	}
	r.Msg, r.N = kept.First, int32(kept.N)
	return oldest
}

// addSubscriber counts a subscriber that will wait, and adds to the answer what its hub needs.
// From then on its loop receives the channel's messages.
func (b *Broker) addSubscriber(i uint32, m, r *mail.Mail) {
	ch := b.channels.At(i)
	r.Flag |= mail.FlagMember
	r.Ref, r.Name = b.channels.ref(i), ch.Name()
	ch.subs++
	ch.loops[m.From>>5] |= 1 << (m.From & 31)
	b.totals.Subscribers.Add(1)
	if b.attachments != nil {
		b.attachments.states.At(i).state |= alive
	}
}

// Leave handles mail.Leave: subscribers have left. After the last one, no loop receives the
// channel's messages any more.
func (b *Broker) Leave(m *mail.Mail) {
	ch := b.channels.of(m.Ref)
	ch.subs -= m.Subscribers()
	b.totals.Subscribers.Add(-int64(m.Subscribers()))
	if ch.subs > 0 {
		return
	}
	// No loop has a roster any more, or a subscriber that is still joining.
	ch.loops = [2]uint32{}
	if ch.state == channelClosed {
		b.freeChannel(m.Ref.Index)
		return
	}
	b.channels.extend(m.Ref.Index, b.cfg.ChannelTimeout)
}
