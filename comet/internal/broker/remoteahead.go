package broker

import (
	"ccomet/comet/internal/mail"
)

// A client that comes from another server may want a number that this server has not read yet.
// Then the server asks the log. The answer may be out of date: a Redis that is no longer the
// master still answers a server that does not know the new master yet. If the client were told
// to go back, it would get messages twice. So its request waits until this server has read the
// number, or learns that the numbers continue elsewhere; then it asks the log again. After
// AttachTime, it assumes that the number was never assigned.

// isBehind reports whether the request wants a number of this life of the channel that this
// server has not read yet.
func (ch *Channel) isBehind(m *mail.Mail) bool {
	return m.Kind != mail.Control && m.Seq-ch.Next > 0 && !ch.hasOtherEpoch(m)
}

// waitForNumber makes a request wait until this server has read its number.
func (r *remote) waitForNumber(i uint32, m *mail.Mail) {
	r.wait(i, r.waiting.forNumber(i), m)
}

// serveReached handles the requests whose numbers have been read. With elsewhere, the numbers
// continue elsewhere: all requests ask the log again.
func (r *remote) serveReached(i uint32, elsewhere bool) {
	now := r.waiting.reached(i, r.b.channels.At(i), elsewhere)
	for k := range now {
		r.serve(&now[k])
	}
}

// giveUp handles the requests that have waited for a number for too long.
func (r *remote) giveUp(i uint32) {
	w := r.waiting.overdue(i)
	for k := range w.mails {
		m := &w.mails[k]
		m.Flag |= mail.FlagAhead
		r.serve(m)
	}
}
