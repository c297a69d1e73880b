package broker

import (
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/record"
)

// A client that comes from another server may want a number that this server has not read
// yet. Then the log is asked. Its answer may be out of date: a Redis that has ceased to
// be the master still answers a server that has not heard of the new one. If the client
// were told to go back, it would get messages twice. So its request waits until this
// server has read that number, or learns that the numbers continue elsewhere; then the
// log is asked once more. After AttachTime the number is taken for one that was never
// given.

// isBehind says whether the request wants a number of this life of the channel that this
// server does not know yet.
func (ch *Channel) isBehind(m *mail.Mail) bool {
	return m.Kind != mail.Control && m.Seq-ch.Next > 0 && (m.Flag&mail.FlagPlace == 0 || m.Epoch() == record.EpochNone || m.Epoch() == ch.Gen)
}

// isOtherLife says whether the request is for another life of the channel: one that has
// ended, or one that this server has not read of yet. The log must be asked which: if a
// later life were taken for an earlier one, the client would be sent back.
func (ch *Channel) isOtherLife(m *mail.Mail) bool {
	return m.Kind != mail.Control && m.Flag&mail.FlagPlace != 0 && m.Epoch() != record.EpochNone && m.Epoch() != ch.Gen
}

// waitForNumber has a request wait until its number is known here.
func (r *remote) waitForNumber(i uint32, m *mail.Mail) {
	r.wait(i, r.waiting.forNumber(i), m)
}

// serveReached serves the requests whose numbers are known now. With elsewhere the
// numbers continue elsewhere, and all requests ask the log again.
func (r *remote) serveReached(i uint32, elsewhere bool) {
	now := r.waiting.reached(i, r.b.channels.At(i), elsewhere)
	for k := range now {
		r.serve(&now[k])
	}
}

// giveUp serves the requests that have waited too long for a number.
func (r *remote) giveUp(i uint32) {
	w := r.waiting.overdue(i)
	for k := range w.mails {
		m := &w.mails[k]
		m.Flag |= mail.FlagAhead
		r.serve(m)
	}
}
