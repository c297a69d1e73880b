package broker

import (
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/record"
)

// MaxHistory is the maximum number of messages in an answer of /history.
const MaxHistory = 1000

// ReadHistory handles mail.ReadHistory. It answers with stored messages and never waits for new
// ones. It creates no channel, but extends the lease of an existing one, since the reader may
// return.
//
// An answer has at most mail.ReplayBytes of messages, and the number of those that follow. The
// web requests these with further mails. So a long history neither blocks a turn, nor is it
// kept in memory for a slow reader.
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
		r.Flag |= mail.FlagLost // the messages of the epoch that the client knows are lost
	}
	b.Send(m.From, r)
}

// isKnown reports whether the client's tag is current, and sets the answer to that.
func isKnown(m, r *mail.Mail) bool {
	epoch, next := m.Tag()
	if m.Flag&mail.FlagTag == 0 || epoch != record.EpochOther && (epoch != r.Epoch() || next != r.Seq) {
		return false
	}
	r.Code = mail.CodeSame
	return true
}

// read adds to the answer the stored messages from the wanted position on.
func (b *Broker) read(ch *Channel, m, r *mail.Mail) {
	var kept msg.Run
	var oldest int32
	room := msg.ObjectRoom(b.channels.name(ch))
	switch d := m.Seq - ch.Next; {
	case m.Flag&mail.FlagGoOn != 0:
		if kept, oldest = b.histories.from(ch, m.Seq); oldest != m.Seq || m.Epoch() != ch.Gen {
			return // the messages have been dropped
		}
	case isKnown(m, r):
		return
	case ch.isOfAnotherLife(m):
		r.Flag |= mail.FlagLost // the messages of the other epoch are lost
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
		kept.N = int(kept.Unbroken(ch.Next)) // the gap is reported when the client asks for the messages after it
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
