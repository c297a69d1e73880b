package broker

import (
	"time"

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
func (r *remote) attach(i uint32, from int32, holds bool) *wait {
	w := r.waiting.forAnswer(i)
	w.left++
	w.all, w.holds = w.all || from == fromAll, w.holds || holds
	ch := r.b.channels.At(i)
	cname := r.b.channels.name(ch)
	r.Attach(r.b.channels.ref(i), cname, from)
	if w.left > 1 || r.is(i, attached) {
		r.Detach(cname) // a channel counts as attached once
	}
	return w
}

// parks makes a request wait if it needs the channel's position, or older messages than this
// server has. It reports whether the request waits.
func (b *Broker) parks(i uint32, m *mail.Mail) bool {
	r := b.remote
	if r == nil {
		return false
	}
	w, older := r.waiting.answers[i], r.older(i, m)
	switch {
	case w != nil && w.holds:
		if r.serving == i { // the log was asked after the request had come
			m.Flag |= mail.FlagEnd
		}
	case m.Flag&mail.FlagEnd == 0 && r.is(i, attached) && b.channels.At(i).hasOtherEpoch(m):
		w = r.attach(i, fromAll, true)
		m.Flag |= mail.FlagEnd
	case w != nil && older != 0 && w.all:
	case !r.is(i, attached):
		w = r.attach(i, older, true)
	case r.is(i, unsettled) && older == 0:
		w = r.attach(i, b.channels.At(i).Next, true)
	case r.is(i, unsettled):
		w = r.attach(i, fromAll, true)
	case older != 0:
		w = r.attach(i, fromAll, false)
	case m.Flag&mail.FlagAhead != 0 || !b.channels.At(i).isBehind(m):
		return false
	case m.Flag&mail.FlagEnd != 0:
		r.waitForNumber(i, m)
		return true
	default:
		w = r.attach(i, b.channels.At(i).Next, true)
		m.Flag |= mail.FlagEnd
	}
	r.wait(i, w, m)
	return true
}

// wait appends a request to a wait. It extends the lease of a channel without subscribers.
func (r *remote) wait(i uint32, w *wait, m *mail.Mail) {
	r.waiting.add(i, w, m, r.b.loop.Now())
	if r.b.channels.At(i).subs == 0 {
		r.b.channels.extend(i, r.b.cfg.ChannelTimeout)
	}
}

// isAsked reports whether requests wait for a channel. The receiver may be nil.
func (r *remote) isAsked(i uint32) bool { return r != nil && r.waiting.has(i) }

// lives reports whether an attached channel is signed, at any server, or has had subscribers.
// If the receiver is nil, every channel lives.
func (r *remote) lives(i uint32) bool { return r == nil || r.is(i, alive) }

// older returns the first number that a request wants and this server lacks, if the log may
// have it. It returns 0 if the request needs no older messages.
func (r *remote) older(i uint32, m *mail.Mail) int32 {
	ch, here := r.b.channels.At(i), r.is(i, attached)
	switch {
	case r.is(i, attached|whole), here && ch.isBehind(m):
		return 0
	case m.Kind == mail.Control, m.Kind == mail.ReadHistory && m.Seq == 0, here && ch.isOfAnotherLife(m):
		return fromAll
	case here && m.Seq-r.b.histories.oldest(ch) >= 0:
		return 0
	}
	return m.Seq
}

// attachAnswered handles mail.Attached: it gives the channel its position or older messages,
// and handles the requests that have waited.
func (r *remote) attachAnswered(m *mail.Mail) {
	i := m.Ref.Index
	ch, w := r.b.channels.of(m.Ref), r.waiting.answers[i]
	if ch == nil || w == nil {
		return
	}
	a := r.attached.At(i)
	// If the answer includes all events so far, it also gives an unsettled channel its next
	// number.
	fits, newer := true, w.holds
	if !newer && r.is(i, attached|unsettled) {
		newer = int32(m.Index()-a.index) >= 0
		fits = newer
	}
	switch {
	case a.state&attached == 0:
		r.setPlace(i, m)
	case m.AttachedEpoch() != record.EpochNone && m.AttachedEpoch() != ch.Gen:
		if w.holds && ch.state == channelLive { // this server has missed that it was closed
			r.b.commit(i, msg.New(msg.Close, ch.Next, nil))
			return // the requests are handled with a new channel of that name
		}
	case !fits, m.Seq-r.b.histories.oldest(ch) < 0: // the history has been restarted since the log was read
		fits, newer = false, false
	default:
		r.merge(i, m, newer)
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
		r.attach(i, fromAll, w.holds)
	} else if w.left == 0 {
		r.serveWaiting(i, r.waiting.answered(i))
	}
	r.serveReached(i, false)
}

// setPlace gives a channel its first position and history.
func (r *remote) setPlace(i uint32, m *mail.Mail) {
	b, ch := r.b, r.b.channels.At(i)
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
	*r.attached.At(i) = attachment{index: m.Index(), state: attached}
	if m.Flag&mail.FlagExist != 0 {
		r.attached.At(i).state |= alive
	}
}

// merge adds older messages to a channel that has a position. With newer, it also commits the
// messages that follow.
func (r *remote) merge(i uint32, m *mail.Mail, newer bool) {
	ch := r.b.channels.At(i)
	oldest := r.b.histories.oldest(ch)
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
	r.b.histories.keepBefore(i, before)
	for _, message := range behind {
		r.commit(i, message)
	}
	if newer {
		r.skipTo(ch, m.Seq)
	}
}

// serveWaiting handles the requests and entries that have waited for a channel, in order.
func (r *remote) serveWaiting(i uint32, w *wait) {
	gen := r.b.channels.At(i).Gen
	r.serving = i
	defer func() { r.serving = 0 }()
	for k := range w.mails {
		m := &w.mails[k]
		if _, is := answerKinds[m.Kind]; is {
			r.serve(m)
			continue
		}
		ch := r.b.channels.At(i)
		switch same := ch.Gen == gen && ch.state == channelLive; {
		case same && r.waiting.hold(i, *m):
			continue // a request before it has requested the position again
		case same && m.Kind == mail.Committed:
			r.apply(i, m)
		case same:
			r.applyEvent(i, m)
		}
		if m.Kind == mail.Committed {
			r.Taken(1)
		}
	}
	w.mails = nil
}

// serve handles a request that has waited.
func (r *remote) serve(m *mail.Mail) {
	switch b := r.b; m.Kind {
	case mail.Join:
		b.Join(m)
	case mail.ClaimSession:
		b.Claim(m)
	case mail.ReadHistory:
		b.ReadHistory(m)
	case mail.Control:
		r.signed(m)
	}
	m.Done()
}

// serveOrphans handles the requests whose channel was closed while they waited. Each finds or
// creates the channel that now has the name.
func (r *remote) serveOrphans() {
	list := r.waiting.takeOrphans()
	for k := range list {
		r.serve(&list[k])
	}
}

// ExpireWaits refuses the requests that have waited for longer than AttachTime.
func (b *Broker) ExpireWaits(now time.Time) {
	r := b.remote
	if r == nil {
		return
	}
	r.waiting.expire(now, b.cfg.AttachTime, func(i uint32, w *wait) {
		if r.waiting.numbers[i] == w {
			r.giveUp(i)
		} else {
			r.refuse(i, w)
		}
	})
}

// refuse refuses the requests of a wait. It keeps the entries of the log.
func (r *remote) refuse(i uint32, w *wait) {
	w.since = noRequests
	kept := w.mails[:0]
	for _, m := range w.mails {
		answer, is := answerKinds[m.Kind]
		if !is {
			kept = append(kept, m)
			continue
		}
		a := m.Answer(answer)
		a.Code = mail.CodeNoLog
		a.Buf, a.Nlen, m.Buf = m.Buf, m.Nlen, nil // some refusals contain the channel's name
		r.b.Send(m.From, a)
	}
	clear(w.mails[len(kept):])
	w.mails = kept
	if r.b.channels.At(i).subs == 0 {
		r.b.channels.extend(i, r.b.cfg.ChannelTimeout)
	}
}

// answerKinds maps the kinds of requests that can wait to the kinds of their answers.
var answerKinds = map[mail.Kind]mail.Kind{
	mail.Join: mail.Joined, mail.ClaimSession: mail.SessionClaimed, mail.ReadHistory: mail.HistoryRead, mail.Control: mail.Done,
}
