package broker

import (
	"time"

	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/pool"
	"ccomet/comet/internal/record"
)

// remote is a broker's side of its authority.
//
// A channel is attached when somebody here asks for it, and detached when its record is
// freed. While it is attached, its next number is what the log's is, as far as this server
// has read it; what comes from the log in order is committed here as if it had been numbered
// here. What is asked of a channel before its place is known waits for that (remoteattach.go),
// as does what asks for older messages than there are here.
type remote struct {
	Authority
	b        *Broker
	attached record.Column[attachment]
	waiting  waiting
	serving  uint32 // a channel whose requests have waited, and are being served; 0: none
	open     int    // proposals that have not come back
	scans    []eventScan
	held     []mail.Mail // what came from the log behind an event that has not reached all channels
	skipped  uint64      // times that numbers of a channel were left out
}

// attachment is what a broker knows of a channel's place.
type attachment struct {
	index uint32 // of the last event of all channels that its number has seen
	state attachmentState
}

type attachmentState uint8

const (
	attached  attachmentState = 1 << iota
	whole                     // all that the log keeps is here
	unsettled                 // its next number must be asked for, or comes with its next message
	alive                     // it is signed, or has had subscribers here
)

func newRemote(b *Broker, a Authority) *remote {
	r := &remote{Authority: a, b: b, waiting: newWaiting()}
	b.histories.short = func(channel uint32) { r.attached.At(channel).state &^= whole } // the log may keep it
	return r
}

// is says whether a channel is in all of those states.
func (r *remote) is(i uint32, states attachmentState) bool {
	return r.attached.At(i).state&states == states
}

// propose hands a request to the authority, with the buffer that it is in.
func (r *remote) propose(m *mail.Mail) {
	r.open++
	proposal := *m
	proposal.Kind, proposal.Flag, m.Buf = mail.Committed, m.Flag|mail.FlagProposed, nil
	r.Propose(proposal)
}

// Depart has what was proposed leave for the authority, if there is one.
func (b *Broker) Depart() {
	if b.remote != nil && b.remote.open > 0 {
		b.remote.Depart()
	}
}

// FromLog serves what the authority posts. What comes in the log's order waits while an event
// goes through the channels.
func (b *Broker) FromLog(m *mail.Mail) {
	r := b.remote
	switch {
	case m.Kind == mail.Counted:
		r.counted(m)
	case m.Kind == mail.CountAsked:
		i := b.channels.find(m.Cname())
		question := *m
		if m.Buf = nil; i != 0 {
			r.Counted(question, b.channels.At(i).subs, true)
		} else {
			r.Counted(question, 0, false)
		}
	case m.Kind == mail.Committed && m.Flag&mail.FlagProposed != 0:
		r.proposed(m)
	case m.Kind == mail.Attached:
		r.attachedTo(m)
	case len(r.scans) > 0:
		r.held = append(r.held, *m)
		m.Buf = nil
	default:
		r.take(m)
	}
}

// take serves what comes in the log's order.
func (r *remote) take(m *mail.Mail) {
	if m.Kind != mail.Committed {
		r.begin(m)
		return
	}
	if i := r.b.channels.find(m.Cname()); i != 0 && r.waiting.hold(i, mail.Mail{Kind: mail.Committed, Msg: m.Msg, Op: m.Op, Seq: m.Seq}) {
		return
	} else if i != 0 {
		r.follow(i, m)
	}
	r.Taken(1)
}

// follow takes a channel on to what the log says of it.
func (r *remote) follow(i uint32, m *mail.Mail) {
	switch {
	case !r.is(i, attached):
	case m.Op == mail.OpClear:
		r.forget(i, m.Seq)
	case m.Msg == nil:
	case m.Msg.Kind == msg.JoinNotice:
		r.b.commit(i, m.Msg)
	default:
		r.commit(i, m.Msg)
		r.reached(i, false)
	}
}

// commit takes a message that has an explicit number, unless it is here already.
func (r *remote) commit(i uint32, message *msg.Message) {
	ch := r.b.channels.At(i)
	if message.Seq-ch.Next < 0 {
		return
	}
	r.skipTo(ch, message.Seq)
	r.attached.At(i).state &^= unsettled
	r.b.commit(i, message)
}

// skipTo leaves out the numbers of a channel before the next one, if there are any.
func (r *remote) skipTo(ch *Channel, next int32) {
	if next-ch.Next > 0 {
		r.skipped++
		ch.Next = next
	}
}

// forget lets go of the messages of a channel before a number.
func (r *remote) forget(i uint32, before int32) {
	r.b.histories.dropBefore(r.b.channels.At(i), before)
	r.attached.At(i).state |= whole
}

// proposed serves the answer to a proposal. Its message is committed at once where it is the
// channel's next.
func (r *remote) proposed(m *mail.Mail) {
	b := r.b
	m.Flag &^= mail.FlagProposed
	r.open--
	if m.Msg != nil && m.Msg.Kind != msg.JoinNotice { // which comes in order alone
		i := b.channels.find(m.Cname())
		if i != 0 && !r.waiting.holds(i) && r.attached.At(i).state&(attached|unsettled) == attached && m.Msg.Seq == b.channels.At(i).Next {
			b.commit(i, m.Msg)
			r.reached(i, false)
		}
		m.Seq = m.Msg.Seq
	}
	switch {
	case m.Conn == 0: // no request here waits for it
	case m.Code == mail.CodeOK && m.Op == mail.OpSign:
		r.signed(m)
	case m.Flag&mail.FlagBatch != 0:
		a := m.Answer(mail.BatchPublished)
		a.Buf = pool.NameBuffer(nil)
		a.Buf.B = mail.AppendResult(a.Buf.B, mail.Result{Place: m.Place(), Seq: m.Seq, Code: m.Code})
		b.Send(m.From, a)
	default:
		a := m.Answer(mail.Done)
		a.Code, a.Seq = m.Code, m.Seq
		b.Send(m.From, a)
	}
	switch {
	case m.Code != mail.CodeOK:
	case m.Op == mail.OpPublish && m.Msg == nil:
		b.keys.repeats++
	case m.Op == mail.OpPublish, m.Op == mail.OpClose, m.Op == mail.OpBroadcast:
		b.published++
	}
}

// detach lets the authority forget a channel that no name leads to any more.
func (r *remote) detach(i uint32) {
	if r.waiting.answers[i] != nil || r.is(i, attached) {
		if n := r.waiting.orphan(i); n > 0 {
			r.Taken(n)
		}
		r.Detach(r.b.channels.name(r.b.channels.At(i)))
	}
	*r.attached.At(i) = attachment{}
}

// busy says whether something is left to do that waits for nothing.
func (r *remote) busy() bool { return r != nil && (len(r.scans) > 0 || len(r.waiting.orphans) > 0) }

// due is how long the requests that wait may still do so: below zero, there are none.
func (r *remote) due(now time.Time) time.Duration {
	if r == nil {
		return -1
	}
	return r.waiting.due(now, r.b.cfg.AttachTime)
}
