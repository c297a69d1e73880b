package broker

import (
	"time"

	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/pool"
	"ccomet/comet/internal/record"
)

// remote connects a broker to a shared log (Authority).
//
// A channel is attached to the log when a request first needs it, and detached when its record
// is freed. While it is attached, its next number is that of the log, as far as this server has
// read the log. Messages that the log sends in order are committed here as if this broker had
// numbered them. A request waits for the log's answer if its channel is not attached, or if it
// wants older messages than this server has (waiting.go, remoteattach.go).
type remote struct {
	Authority
	b        *Broker
	attached record.Column[attachment]
	waiting  waiting
	serving  uint32 // a channel whose waiting requests are being handled; 0: none
	open     int    // proposals without an answer yet
	scans    []eventScan
	held     []mail.Mail // entries of the log that wait for an event scan to end
	skipped  uint64      // how often numbers of a channel were skipped
}

// attachment is the state of a channel's connection to the log.
type attachment struct {
	index uint32 // of the last event of its partition that its next number includes
	state attachmentState
}

type attachmentState uint8

const (
	attached  attachmentState = 1 << iota
	whole                     // this server has every message that the log stores
	unsettled                 // its next number must be requested, or comes with its next message
	alive                     // it is signed, or has had subscribers here
)

func newRemote(b *Broker, a Authority) *remote {
	r := &remote{Authority: a, b: b, waiting: newWaiting()}
	b.histories.short = func(channel uint32) { r.attached.At(channel).state &^= whole } // the log may have more
	return r
}

// is reports whether a channel is in all of these states.
func (r *remote) is(i uint32, states attachmentState) bool {
	return r.attached.At(i).state&states == states
}

// propose passes a request with its buffer to the authority.
func (r *remote) propose(m *mail.Mail) {
	r.open++
	proposal := *m
	proposal.Kind, proposal.Flag, m.Buf = mail.Committed, m.Flag|mail.FlagProposed, nil
	r.Propose(proposal)
}

// Flush sends the proposals of this turn to the shared log, if there is one.
func (b *Broker) Flush() {
	if b.remote != nil && b.remote.open > 0 {
		b.remote.Flush()
	}
}

// FromLog handles a mail that the authority has posted. While an event scan runs, entries of
// the log that come after the event wait.
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
		r.attachAnswered(m)
	case len(r.scans) > 0:
		r.held = append(r.held, *m)
		m.Buf = nil
	default:
		r.takeOrdered(m)
	}
}

// takeOrdered handles an entry that must be handled in the order of the log.
func (r *remote) takeOrdered(m *mail.Mail) {
	if m.Kind != mail.Committed {
		r.beginScan(m)
		return
	}
	if i := r.b.channels.find(m.Cname()); i != 0 && r.waiting.hold(i, mail.Mail{Kind: mail.Committed, Msg: m.Msg, Op: m.Op, Seq: m.Seq}) {
		return
	} else if i != 0 {
		r.apply(i, m)
	}
	r.Taken(1)
}

// apply applies an entry of the log to its channel.
func (r *remote) apply(i uint32, m *mail.Mail) {
	switch {
	case !r.is(i, attached):
	case m.Op == mail.OpClear:
		r.dropBefore(i, m.Seq)
	case m.Msg == nil:
	case m.Msg.Kind == msg.JoinNotice:
		r.b.commit(i, m.Msg)
	default:
		r.commit(i, m.Msg)
		r.serveReached(i, false)
	}
}

// commit commits a message that the log has numbered, unless this server has it already.
func (r *remote) commit(i uint32, message *msg.Message) {
	ch := r.b.channels.At(i)
	if message.Seq-ch.Next < 0 {
		return
	}
	r.skipTo(ch, message.Seq)
	r.attached.At(i).state &^= unsettled
	r.b.commit(i, message)
}

// skipTo sets the next number of a channel to next if that is higher.
func (r *remote) skipTo(ch *Channel, next int32) {
	if next-ch.Next > 0 {
		r.skipped++
		ch.Next = next
	}
}

// dropBefore drops the messages of a channel below a number.
func (r *remote) dropBefore(i uint32, before int32) {
	r.b.histories.dropBefore(r.b.channels.At(i), before)
	r.attached.At(i).state |= whole
}

// proposed handles the answer to a proposal. If the message has the channel's next number, it
// commits it at once. Otherwise the message is committed in the order of the log.
func (r *remote) proposed(m *mail.Mail) {
	b := r.b
	m.Flag &^= mail.FlagProposed
	r.open--
	if m.Msg != nil && m.Msg.Kind != msg.JoinNotice { // join notices are delivered only in the order of the log
		i := b.channels.find(m.Cname())
		if i != 0 && !r.waiting.holds(i) && r.attached.At(i).state&(attached|unsettled) == attached && m.Msg.Seq == b.channels.At(i).Next {
			b.commit(i, m.Msg)
			r.serveReached(i, false)
		}
		m.Seq = m.Msg.Seq
	}
	switch {
	case m.Conn == 0: // no request waits for the answer
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

// detach detaches a channel whose name has been removed.
func (r *remote) detach(i uint32) {
	if r.waiting.answers[i] != nil || r.is(i, attached) {
		if n := r.waiting.orphan(i); n > 0 {
			r.Taken(n)
		}
		r.Detach(r.b.channels.name(r.b.channels.At(i)))
	}
	*r.attached.At(i) = attachment{}
}

// busy reports whether there is work for the next turn. The receiver may be nil.
func (r *remote) busy() bool { return r != nil && (len(r.scans) > 0 || len(r.waiting.orphans) > 0) }

// due returns how long the oldest request may still wait; below 0 if none waits. The receiver
// may be nil.
func (r *remote) due(now time.Time) time.Duration {
	if r == nil {
		return -1
	}
	return r.waiting.due(now, r.b.cfg.AttachTime)
}
