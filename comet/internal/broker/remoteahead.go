package broker

import (
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/record"
)

// A client may want a number that this server does not know of yet, since another server has told
// the client of it. The log is asked then. It may know no better: a master that is one no longer
// answers a server that has not heard of the next one. To send the client back would double what
// it has, so its request waits until this server has come to that number, or hears that numbers
// go on elsewhere, which has the log be asked once more. After AttachTime it is taken for a place
// that nobody has told.

// isBehind says whether a client wants a number of this life of the channel that this server
// does not know of yet.
func (ch *Channel) isBehind(m *mail.Mail) bool {
	return m.Kind != mail.Control && m.Seq-ch.Next > 0 && (m.Flag&mail.FlagPlace == 0 || m.Epoch() == record.EpochNone || m.Epoch() == ch.Gen)
}

// isOtherLife says whether a client comes from another life of the channel: one that has ended, or
// one that this server has not heard of yet, since it has read no further. The log is asked then:
// to take a later life for an earlier one would send the client back.
func (ch *Channel) isOtherLife(m *mail.Mail) bool {
	return m.Kind != mail.Control && m.Flag&mail.FlagPlace != 0 && m.Epoch() != record.EpochNone && m.Epoch() != ch.Gen
}

// awaits keeps a request until its number is known here.
func (r *remote) awaits(i uint32, m *mail.Mail) {
	r.wait(i, r.waiting.forNumber(i), m)
}

// reached serves the requests whose numbers are known now. With elsewhere the numbers go on
// elsewhere, and the log is asked again for all of them.
func (r *remote) reached(i uint32, elsewhere bool) {
	now := r.waiting.reached(i, r.b.channels.At(i), elsewhere)
	for k := range now {
		r.serve(&now[k])
	}
}

// giveUp serves the requests that have waited for a number for long enough.
func (r *remote) giveUp(i uint32) {
	w := r.waiting.overdue(i)
	for k := range w.mails {
		m := &w.mails[k]
		m.Flag |= mail.FlagAhead
		r.serve(m)
	}
}
