package broker

import (
	"encoding/binary"

	"ccomet/comet/internal/handover"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/pool"
	"ccomet/reactor"
)

// With a shared log, a hand-over contains the position of each channel, and the requests
// that wait. It omits the entries of the log for channels whose position has been requested:
// the new program requests it again.

// attachmentsName is the name of the channels' positions in a hand-over.
const attachmentsName = "attachments"

// attachmentSize is the size of one position: record, index, state.
const attachmentSize = 4 + 4 + 1

// asksAgain is a further state in a hand-over: the new program must request the position again.
const asksAgain attachmentState = 1 << 7

// WaitingRequest is a subscription that waits for the log, in a hand-over.
type WaitingRequest struct {
	Session                     bool // ClaimSession; otherwise Join
	Loop                        uint8
	Conn                        uint64
	Subscriber                  uint32
	Seq                         int32
	Epoch                       uint32
	Poll, Exist, SayLost, Place bool
	Name, Rest                  []byte
}

// gaps returns how often numbers were skipped. The receiver may be nil.
func (t *attachments) gaps() uint64 {
	if t == nil {
		return 0
	}
	return t.skipped
}

// subscriptions returns the subscriptions that wait for the log. The receiver may be nil.
func (t *attachments) subscriptions() (list []WaitingRequest) {
	if t == nil {
		return nil
	}
	t.waiting.subscriptions(func(m *mail.Mail) {
		has := func(flag uint16) bool { return m.Flag&flag != 0 }
		list = append(list, WaitingRequest{
			Session: m.Kind == mail.ClaimSession, Loop: m.From, Conn: uint64(m.Conn), Subscriber: m.Subscriber(), Seq: m.Seq, Epoch: m.Epoch(),
			Poll: has(mail.FlagPoll), Exist: has(mail.FlagExist), SayLost: has(mail.FlagSayLost), Place: has(mail.FlagPlace),
			Name: m.Cname(), Rest: m.Content(),
		})
	})
	return list
}

// handOver writes the positions of the channels. The receiver may be nil.
func (t *attachments) handOver(to handover.Part) {
	if t == nil {
		return
	}
	var batch []byte
	for i := uint32(1); i <= t.b.channels.Used(); i++ {
		a := *t.states.At(i)
		if t.waiting.holds(i) {
			a.state |= asksAgain
		}
		if t.b.channels.At(i).state != channelLive || a.state&attached == 0 {
			continue
		}
		batch = binary.LittleEndian.AppendUint32(batch, i)
		batch = append(binary.LittleEndian.AppendUint32(batch, a.index), byte(a.state))
		if len(batch) > historyBatch {
			to.Raw(attachmentsName, batch)
			batch = batch[:0]
		}
	}
	if len(batch) > 0 {
		to.Raw(attachmentsName, batch)
	}
}

// resumeFrom takes over the channels of another program. It returns false if they are
// incomplete. Waiting subscriptions are handled again in the first turn.
func (t *attachments) resumeFrom(from *handover.Reader, st *Handover) bool {
	if t == nil {
		return true
	}
	for _, batch := range from.Raw(attachmentsName) {
		for ; len(batch) >= attachmentSize; batch = batch[attachmentSize:] {
			i := binary.LittleEndian.Uint32(batch)
			a := attachment{binary.LittleEndian.Uint32(batch[4:]), attachmentState(batch[8])}
			if !t.b.channels.Has(i) || t.b.channels.At(i).state != channelLive {
				return false
			}
			t.resumeAttached(i, a)
		}
		if len(batch) > 0 {
			return false
		}
	}
	for _, w := range st.Waiting {
		t.waiting.orphans = append(t.waiting.orphans, w.mail())
	}
	t.skipped = st.Gaps
	return true
}

// resumeAttached takes over a channel that was attached.
func (t *attachments) resumeAttached(i uint32, a attachment) {
	again := a.state&asksAgain != 0
	a.state &^= asksAgain
	*t.states.At(i) = a
	ch := t.b.channels.At(i)
	if t.log.Follow(t.b.channels.name(ch)); again {
		t.attach(i, ch.Next, true)
	}
}

// mail rebuilds the request.
func (w *WaitingRequest) mail() mail.Mail {
	kind := mail.Join
	if w.Session {
		kind = mail.ClaimSession
	}
	m := mail.OfSubscriber(kind, reactor.Conn(w.Conn), w.Subscriber)
	m.From, m.Seq = w.Loop, w.Seq
	m.SetEpoch(w.Epoch)
	for flag, is := range map[uint16]bool{mail.FlagPoll: w.Poll, mail.FlagExist: w.Exist, mail.FlagSayLost: w.SayLost, mail.FlagPlace: w.Place} {
		if is {
			m.Flag |= flag
		}
	}
	m.Buf, m.Nlen = pool.NameBuffer(w.Name), uint8(len(w.Name))
	m.Buf.B = append(m.Buf.B, w.Rest...)
	return m
}
