package broker

import (
	"time"

	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/record"
)

// A channel's place, and what the log keeps of it, are asked for when a request needs them.
//
//   - Of a channel that is not attached, or is unsettled, what comes from the log waits as well
//     (wait.holds), so that it is committed behind what the answer has.
//   - Of one whose older messages are asked for it does not: the answer gives those alone.
//
// Requests wait for AttachTime at the longest. Then they are refused, and the channel goes on
// to be attached for others that come.

// fromAll is, for Authority.Attach, all that the log keeps.
const fromAll = 1

// attach asks for a channel's place, and what is kept from a number on (Authority.Attach).
func (r *remote) attach(i uint32, from int32, holds bool) *wait {
	w := r.waiting.forAnswer(i)
	w.left++
	w.all, w.holds = w.all || from == fromAll, w.holds || holds
	ch := r.b.channels.At(i)
	cname := r.b.channels.name(ch)
	r.Attach(r.b.channels.ref(i), cname, from)
	if w.left > 1 || r.is(i, attached) {
		r.Detach(cname) // it is attached once
	}
	return w
}

// parks keeps a request until its channel's place is known, and as much of what the log
// keeps as it asks for; it says whether it has.
func (b *Broker) parks(i uint32, m *mail.Mail) bool {
	r := b.remote
	if r == nil {
		return false
	}
	w, older := r.waiting.answers[i], r.older(i, m)
	switch {
	case w != nil && w.holds:
		if r.serving == i { // that was asked since it has come
			m.Flag |= mail.FlagEnd
		}
	case m.Flag&mail.FlagEnd == 0 && r.is(i, attached) && b.channels.At(i).isOtherLife(m):
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
		r.awaits(i, m)
		return true
	default:
		w = r.attach(i, b.channels.At(i).Next, true)
		m.Flag |= mail.FlagEnd
	}
	r.wait(i, w, m)
	return true
}

// wait keeps a request.
func (r *remote) wait(i uint32, w *wait, m *mail.Mail) {
	r.waiting.add(i, w, m, r.b.loop.Now())
	if r.b.channels.At(i).subs == 0 {
		r.b.channels.extend(i, r.b.cfg.ChannelTimeout)
	}
}

// isAsked says whether requests wait for a channel. The receiver may be nil.
func (r *remote) isAsked(i uint32) bool { return r != nil && r.waiting.has(i) }

// lives says whether a channel that is attached has been signed, at whichever server, or
// has had subscribers. The receiver may be nil: then each channel that is there does.
func (r *remote) lives(i uint32) bool { return r == nil || r.is(i, alive) }

// older is from which number on a request wants messages that are not here, but may be kept
// by the log: 0: there is none.
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

// attachedTo serves mail.Attached: a channel has its place, or older messages, and what has
// waited for that goes on.
func (r *remote) attachedTo(m *mail.Mail) {
	i := m.Ref.Index
	ch, w := r.b.channels.of(m.Ref), r.waiting.answers[i]
	if ch == nil || w == nil {
		return
	}
	a := r.attached.At(i)
	// Where the next number is not known, an answer that has seen why gives it as well.
	fits, newer := true, w.holds
	if !newer && r.is(i, attached|unsettled) {
		newer = int32(m.Index()-a.index) >= 0
		fits = newer
	}
	switch {
	case a.state&attached == 0:
		r.begun(i, m)
	case m.AttachedEpoch() != record.EpochNone && m.AttachedEpoch() != ch.Gen:
		if w.holds && ch.state == channelLive { // that it was closed was missed
			r.b.commit(i, msg.New(msg.Close, ch.Next, nil))
			return // what waits is served by another channel of that name
		}
	case !fits, m.Seq-r.b.histories.oldest(ch) < 0: // since it was read, what is kept here has begun anew
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
		w.all = false // it was the answer to that, or is as old
	} else if m.Flag&mail.FlagMore == 0 || w.all {
		a.state |= whole
	}
	if w.left--; w.left == 0 && !fits {
		r.attach(i, fromAll, w.holds)
	} else if w.left == 0 {
		r.goOn(i, r.waiting.answered(i))
	}
	r.reached(i, false)
}

// begun gives a channel its place, which it has not had yet.
func (r *remote) begun(i uint32, m *mail.Mail) {
	b, ch := r.b, r.b.channels.At(i)
	b.histories.drop(ch)
	for message, n := m.Msg, m.N; n > 0; n-- {
		next := message.After(n) // before keep sets it
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

// merge gives a channel that has its place already what the log keeps before what it has,
// and, if that was asked for, publishes what comes behind it.
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

// goOn serves what has waited for a channel.
func (r *remote) goOn(i uint32, w *wait) {
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
			continue // what was served before it has asked for the channel's place
		case same && m.Kind == mail.Committed:
			r.follow(i, m)
		case same:
			r.reach(i, m)
		}
		if m.Kind == mail.Committed {
			r.Taken(1)
		}
	}
	w.mails = nil
}

// serve serves a request that has waited.
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

// serveOrphans serves the requests whose channel was closed while they waited: each finds or
// makes the channel that has the name now.
func (r *remote) serveOrphans() {
	list := r.waiting.takeOrphans()
	for k := range list {
		r.serve(&list[k])
	}
}

// ExpireWaits refuses the requests that have waited for too long.
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

// refuse refuses the requests of a wait.
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
		a.Buf, a.Nlen, m.Buf = m.Buf, m.Nlen, nil // some refusals name the channel
		r.b.Send(m.From, a)
	}
	clear(w.mails[len(kept):])
	w.mails = kept
	if r.b.channels.At(i).subs == 0 {
		r.b.channels.extend(i, r.b.cfg.ChannelTimeout)
	}
}

// answerKinds are what requests that wait are answered with.
var answerKinds = map[mail.Kind]mail.Kind{
	mail.Join: mail.Joined, mail.ClaimSession: mail.SessionClaimed, mail.ReadHistory: mail.HistoryRead, mail.Control: mail.Done,
}
