package broker

import (
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/record"
)

// When a request needs them, the broker asks the log for a channel's position (its next number
// and epoch) and for the messages that the log stores.
//
//   - If the channel is not attached, or is unsettled, entries of the log for it wait, too
//     (wait.holds). They are committed after the answer.
//   - If the request only needs older messages, they do not wait: the answer has only those.
//
// Requests wait for at most AttachTime and are then refused. The answer is still used for later
// requests.

// fromAll makes Authority.Attach return all messages that the log stores.
const fromAll = 1

// attach requests a channel's position, and the stored messages from a number on
// (Authority.Attach). With holds, entries of the log for the channel wait for the answer.
func (t *attachments) attach(i uint32, from int32, holds bool) *wait {
	w := t.waiting.forAnswer(i)
	w.left++
	w.all, w.holds = w.all || from == fromAll, w.holds || holds
	ch := t.b.channels.At(i)
	cname := t.b.channels.name(ch)
	t.log.Attach(t.b.channels.ref(i), cname, from)
	if w.left > 1 || t.is(i, attached) {
		t.log.Detach(cname) // a channel counts as attached once
	}
	return w
}

// attachAnswered handles mail.Attached: it gives the channel its position or older messages,
// and handles the requests that have waited.
func (t *attachments) attachAnswered(m *mail.Mail) {
	i := m.Ref.Index
	ch, w := t.b.channels.of(m.Ref), t.waiting.answers[i]
	if ch == nil || w == nil {
		return
	}
	a := t.states.At(i)
	// If the answer includes all events so far, it also gives an unsettled channel its next
	// number.
	fits, newer := true, w.holds
	if !newer && t.is(i, attached|unsettled) {
		newer = int32(m.Index()-a.index) >= 0
		fits = newer
	}
	switch {
	case a.state&attached == 0:
		t.setPlace(i, m)
	case m.AttachedEpoch() != record.EpochNone && m.AttachedEpoch() != ch.Gen:
		if w.holds && ch.state == channelLive { // this server has missed that it was closed
			t.b.commit(i, msg.New(msg.Close, ch.Next, nil))
			return // the requests are handled with a new channel of that name
		}
	case !fits, m.Seq-t.b.histories.oldest(ch) < 0: // the history has been restarted since the log was read
		fits, newer = false, false
	default:
		t.merge(i, m, newer)
	}
	if newer {
		a.state &^= unsettled
		if int32(m.Index()-a.index) > 0 {
			a.index = m.Index()
		}
	}
	if !fits {
		w.all = false // this answers the request for all messages, or is as old
	} else if m.Flag&mail.FlagMore == 0 || w.all {
		a.state |= whole
	}
	if w.left--; w.left == 0 && !fits {
		t.attach(i, fromAll, w.holds)
	} else if w.left == 0 {
		t.serveWaiting(i, t.waiting.answered(i))
	}
	t.serveReached(i, false)
}

// setPlace gives a channel its first position and history.
func (t *attachments) setPlace(i uint32, m *mail.Mail) {
	b, ch := t.b, t.b.channels.At(i)
	b.histories.drop(ch)
	for message, n := m.Msg, m.N; n > 0; n-- {
		next := message.After(n) // keep changes the link
		b.histories.keep(i, message)
		message = next
	}
	ch.Next = m.Seq
	if epoch := m.AttachedEpoch(); epoch != record.EpochNone {
		ch.Gen = epoch
	}
	*t.states.At(i) = attachment{index: m.Index(), state: attached}
	if m.Flag&mail.FlagExist != 0 {
		t.states.At(i).state |= alive
	}
}

// merge adds older messages to a channel that has a position. With newer, it also commits the
// messages that follow.
func (t *attachments) merge(i uint32, m *mail.Mail, newer bool) {
	ch := t.b.channels.At(i)
	oldest := t.b.histories.oldest(ch)
	var before, behind []*msg.Message
	for message, n := m.Msg, m.N; n > 0; n-- {
		next := message.After(n)
		if message.Seq-oldest < 0 {
			before = append(before, message)
		} else if newer && message.Seq-ch.Next >= 0 {
			behind = append(behind, message)
		}
		message = next
	}
	t.b.histories.keepBefore(i, before)
	for _, message := range behind {
		t.commit(i, message)
	}
	if newer {
		t.skipTo(ch, m.Seq)
	}
}
