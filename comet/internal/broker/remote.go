package broker

import (
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/pool"
)

// remote is a broker's connection to a shared log: it proposes messages to the log, and handles
// what the log posts. Where the channels are in the log is in attachments.
type remote struct {
	Authority
	b     *Broker
	open  int // proposals without an answer yet
	scans []eventScan
	held  []mail.Mail // entries of the log that wait for an event scan to end
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
		r.b.attachments.attachAnswered(m)
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
	if i := r.b.channels.find(m.Cname()); i != 0 && r.b.attachments.waiting.hold(i, mail.Mail{Kind: mail.Committed, Msg: m.Msg, Op: m.Op, Seq: m.Seq}) {
		return
	} else if i != 0 {
		r.b.attachments.apply(i, m)
	}
	r.Taken(1)
}

// proposed handles the answer to a proposal. If the message has the channel's next number, it
// commits it at once. Otherwise the message is committed in the order of the log.
func (r *remote) proposed(m *mail.Mail) {
	b := r.b
	m.Flag &^= mail.FlagProposed
	r.open--
	if m.Msg != nil && m.Msg.Kind != msg.JoinNotice { // join notices are delivered only in the order of the log
		i := b.channels.find(m.Cname())
		if i != 0 && !r.b.attachments.waiting.holds(i) && r.b.attachments.states.At(i).state&(attached|unsettled) == attached && m.Msg.Seq == b.channels.At(i).Next {
			b.commit(i, m.Msg)
			r.b.attachments.serveReached(i, false)
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

// busy reports whether there is work for the next turn. The receiver may be nil.
func (r *remote) busy() bool {
	return r != nil && (len(r.scans) > 0 || len(r.b.attachments.waiting.orphans) > 0)
}

// quiet reports whether nothing but waiting requests is under way. The receiver may be nil.
func (r *remote) quiet() bool {
	return r == nil || r.open == 0 && len(r.scans) == 0 && len(r.held) == 0 && len(r.b.attachments.waiting.orphans) == 0
}
