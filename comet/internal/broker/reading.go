package broker

import (
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/record"
)

// MaxHistory is how many messages a client may ask for at once (/history).
const MaxHistory = 1000

// ReadHistory serves mail.ReadHistory: what a channel keeps is read without waiting for
// more. No channel is made; one that is there lives on, since its reader may come again.
//
// An answer has messages of up to mail.ReplayBytes, and says how many more there are: they
// are asked for one answer after the other, so that a long history is neither a long turn
// nor kept alive for a reader that is slow.
func (b *Broker) ReadHistory(m *mail.Mail) {
	i, code, later := b.admit(m, false)
	if later {
		return
	}
	r := m.Answer(mail.HistoryRead)
	r.Seq, r.Code = 1, code
	switch {
	case r.Code != mail.CodeOK:
	case i != 0:
		ch := b.channels.At(i)
		r.Seq = ch.Next
		r.SetEpoch(ch.Gen)
		if ch.subs == 0 {
			b.channels.extend(i, b.cfg.ChannelTimeout)
		}
		b.read(ch, m, &r)
	case m.Flag&mail.FlagGoOn == 0 && !isKnown(m, &r) && m.Flag&mail.FlagPlace != 0:
		r.Flag |= mail.FlagLost // with the life that it is a place of
	}
	b.Send(m.From, r)
}

// isKnown says whether the client has all that there is, and has it told so.
func isKnown(m, r *mail.Mail) bool {
	epoch, next := m.Tag()
	if m.Flag&mail.FlagTag == 0 || epoch != record.EpochOther && (epoch != r.Epoch() || next != r.Seq) {
		return false
	}
	r.Code = mail.CodeSame
	return true
}

// read answers with what a channel keeps from the place on that is wanted.
func (b *Broker) read(ch *Channel, m, r *mail.Mail) {
	var kept msg.Run
	var oldest int32
	room := msg.ObjectRoom(b.channels.name(ch))
	switch d := m.Seq - ch.Next; {
	case m.Flag&mail.FlagGoOn != 0:
		if kept, oldest = b.histories.from(ch, m.Seq); oldest != m.Seq || m.Epoch() != ch.Gen {
			return // they are gone
		}
	case isKnown(m, r):
		return
	case ch.isOfAnotherLife(m):
		r.Flag |= mail.FlagLost // with that
		kept, _ = b.histories.from(ch, b.histories.oldest(ch))
		kept.N = int(kept.Unbroken(ch.Next))
	case m.Flag&mail.FlagPlace == 0 && m.Seq == 0:
		if ch.history != 0 {
			kept = b.histories.At(ch.history).latest(m.Most()).Fit(b.cfg.PollMost, room)
		}
	case d < 0:
		if kept, oldest = b.histories.from(ch, m.Seq); oldest != m.Seq {
			r.Flag |= mail.FlagLost
		}
		kept.N = min(kept.N, m.Most())
		kept.N = int(kept.Unbroken(ch.Next)) // it is told of a gap when it asks for what comes behind
	}
	kept.N = min(kept.N, m.Most())
	if m.Flag&mail.FlagGoOn == 0 {
		kept = kept.Slice(b.cfg.PollMost, room)
	}
	given := kept.Slice(mail.ReplayBytes, room)
	r.Msg, r.N = given.First, int32(given.N)
	if given.N < kept.N {
		r.SetRest(kept.N-given.N, given.Behind().Seq)
	}
}
