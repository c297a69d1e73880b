package broker

import (
	"time"

	"ccomet/comet/internal/mail"
)

// Parking a request makes it wait until the log has answered (attach.go), or until this server
// has read a number.
//
// A client that comes from another server may want a number that this server has not read yet.
// Then the server asks the log. The answer may be out of date: a Redis that is no longer the
// master still answers a server that does not know the new master yet. If the client were told
// to go back, it would get messages twice. So its request waits until this server has read the
// number, or learns that the numbers continue elsewhere; then it asks the log again. After
// AttachTime, it assumes that the number was never assigned.

// parks makes a request wait if it needs the channel's position, or older messages than this
// server has. It reports whether the request waits.
func (b *Broker) parks(i uint32, m *mail.Mail) bool {
	t := b.attachments
	if t == nil {
		return false
	}
	w, older := t.waiting.answers[i], t.older(i, m)
	switch {
	case w != nil && w.holds:
		if t.serving == i { // the log was asked after the request had come
			m.Flag |= mail.FlagEnd
		}
	case m.Flag&mail.FlagEnd == 0 && t.is(i, attached) && b.channels.At(i).hasOtherEpoch(m):
		w = t.attach(i, fromAll, true)
		m.Flag |= mail.FlagEnd
	case w != nil && older != 0 && w.all:
	case !t.is(i, attached):
		w = t.attach(i, older, true)
	case t.is(i, unsettled) && older == 0:
		w = t.attach(i, b.channels.At(i).Next, true)
	case t.is(i, unsettled):
		w = t.attach(i, fromAll, true)
	case older != 0:
		w = t.attach(i, fromAll, false)
	case m.Flag&mail.FlagAhead != 0 || !b.channels.At(i).isBehind(m):
		return false
	case m.Flag&mail.FlagEnd != 0:
		t.waitForNumber(i, m)
		return true
	default:
		w = t.attach(i, b.channels.At(i).Next, true)
		m.Flag |= mail.FlagEnd
	}
	t.wait(i, w, m)
	return true
}

// wait appends a request to a wait. It extends the lease of a channel without subscribers.
func (t *attachments) wait(i uint32, w *wait, m *mail.Mail) {
	t.waiting.add(i, w, m, t.b.loop.Now())
	if t.b.channels.At(i).subs == 0 {
		t.b.channels.extend(i, t.b.cfg.ChannelTimeout)
	}
}

// isAsked reports whether requests wait for a channel. The receiver may be nil.
func (t *attachments) isAsked(i uint32) bool { return t != nil && t.waiting.has(i) }

// due returns how long the oldest request may still wait; below 0 if none waits. The receiver
// may be nil.
func (t *attachments) due(now time.Time) time.Duration {
	if t == nil {
		return -1
	}
	return t.waiting.due(now, t.b.cfg.AttachTime)
}

// older returns the first number that a request wants and this server lacks, if the log may
// have it. It returns 0 if the request needs no older messages.
func (t *attachments) older(i uint32, m *mail.Mail) int32 {
	ch, here := t.b.channels.At(i), t.is(i, attached)
	switch {
	case t.is(i, attached|whole), here && ch.isBehind(m):
		return 0
	case m.Kind == mail.Control, m.Kind == mail.ReadHistory && m.Seq == 0, here && ch.isOfAnotherLife(m):
		return fromAll
	case here && m.Seq-t.b.histories.oldest(ch) >= 0:
		return 0
	}
	return m.Seq
}

// isBehind reports whether the request wants a number of this life of the channel that this
// server has not read yet.
func (ch *Channel) isBehind(m *mail.Mail) bool {
	return m.Kind != mail.Control && m.Seq-ch.Next > 0 && !ch.hasOtherEpoch(m)
}

// waitForNumber makes a request wait until this server has read its number.
func (t *attachments) waitForNumber(i uint32, m *mail.Mail) {
	t.wait(i, t.waiting.forNumber(i), m)
}

// serveReached handles the requests whose numbers have been read. With elsewhere, the numbers
// continue elsewhere: all requests ask the log again.
func (t *attachments) serveReached(i uint32, elsewhere bool) {
	now := t.waiting.reached(i, t.b.channels.At(i), elsewhere)
	for k := range now {
		t.serve(&now[k])
	}
}

// giveUp handles the requests that have waited for a number for too long.
func (t *attachments) giveUp(i uint32) {
	w := t.waiting.overdue(i)
	for k := range w.mails {
		m := &w.mails[k]
		m.Flag |= mail.FlagAhead
		t.serve(m)
	}
}

// serveWaiting handles the requests and entries that have waited for a channel, in order.
func (t *attachments) serveWaiting(i uint32, w *wait) {
	gen := t.b.channels.At(i).Gen
	t.serving = i
	defer func() { t.serving = 0 }()
	for k := range w.mails {
		m := &w.mails[k]
		if _, is := answerKinds[m.Kind]; is {
			t.serve(m)
			continue
		}
		ch := t.b.channels.At(i)
		switch same := ch.Gen == gen && ch.state == channelLive; {
		case same && t.waiting.hold(i, *m):
			continue // a request before it has requested the position again
		case same && m.Kind == mail.Committed:
			t.apply(i, m)
		case same:
			t.applyEvent(i, m)
		}
		if m.Kind == mail.Committed {
			t.log.Taken(1)
		}
	}
	w.mails = nil
}

// serve handles a request that has waited.
func (t *attachments) serve(m *mail.Mail) {
	switch b := t.b; m.Kind {
	case mail.Join:
		b.Join(m)
	case mail.ClaimSession:
		b.Claim(m)
	case mail.ReadHistory:
		b.ReadHistory(m)
	case mail.Control:
		b.remote.signed(m)
	}
	m.Done()
}

// serveOrphans handles the requests whose channel was closed while they waited. Each finds or
// creates the channel that now has the name.
func (t *attachments) serveOrphans() {
	list := t.waiting.takeOrphans()
	for k := range list {
		t.serve(&list[k])
	}
}

// ExpireWaits refuses the requests that have waited for longer than AttachTime.
func (b *Broker) ExpireWaits(now time.Time) {
	t := b.attachments
	if t == nil {
		return
	}
	t.waiting.expire(now, b.cfg.AttachTime, func(i uint32, w *wait) {
		if t.waiting.numbers[i] == w {
			t.giveUp(i)
		} else {
			t.refuse(i, w)
		}
	})
}

// refuse refuses the requests of a wait. It keeps the entries of the log.
func (t *attachments) refuse(i uint32, w *wait) {
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
		t.b.Send(m.From, a)
	}
	clear(w.mails[len(kept):])
	w.mails = kept
	if t.b.channels.At(i).subs == 0 {
		t.b.channels.extend(i, t.b.cfg.ChannelTimeout)
	}
}

// answerKinds maps the kinds of requests that can wait to the kinds of their answers.
var answerKinds = map[mail.Kind]mail.Kind{
	mail.Join: mail.Joined, mail.ClaimSession: mail.SessionClaimed, mail.ReadHistory: mail.HistoryRead, mail.Control: mail.Done,
}
