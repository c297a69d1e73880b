package broker

import "ccomet/comet/internal/mail"

// A mail with a run of messages (an answer to a subscription, or to a slow subscriber) refers
// to the first message, and so keeps all later messages of the channel in memory, even those
// dropped from the history, until the receiving loop has handled the mail. Usually that is one
// turn. If a loop stalls, this limit applies: publishes to channels of this home are refused.

// PinnedBytes is how many bytes may be published while a loop has an unread run.
const PinnedBytes = 32 << 20

// pinnedLook is how many bytes are published between two checks of what loops have read.
const pinnedLook = PinnedBytes / 16

// pinned limits the memory that unread runs keep alive.
type pinned struct {
	committed int // bytes of published messages, since the start
	looked    int // committed at the last check
	over      bool
	loops     []pinnedBy
}

// pinnedBy is the check of one loop.
type pinnedBy struct {
	at    uint64 // position, among the loop's mail, of the last run that is watched
	since int    // committed when it was sent, or later
}

// tooMuch reports whether a loop that does not read its mail keeps too much memory alive.
func (p *pinned) tooMuch(m *mail.Mailer) bool {
	return (p.committed-p.looked >= pinnedLook || p.over) && p.look(m)
}

// look checks what the loops have read.
func (p *pinned) look(m *mail.Mailer) (over bool) {
	if p.loops == nil {
		p.loops = make([]pinnedBy, m.Loops())
	}
	p.looked, p.over = p.committed, false
	for to := range p.loops {
		by := &p.loops[to]
		switch {
		case !m.HasRead(uint8(to), by.at):
			p.over = p.over || p.committed-by.since > PinnedBytes
		default: // everything sent before the last check is read
			if at, left := m.LastRun(uint8(to)); left {
				by.at, by.since = at, p.committed
			}
		}
	}
	return p.over
}
