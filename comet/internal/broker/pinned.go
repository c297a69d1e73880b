package broker

import "ccomet/comet/internal/mail"

// A mail that has a run of messages (an answer to a subscription, or to one that fell
// behind) keeps alive what is published behind them, be it kept by its channel or not, until
// the loop that it is for has read it. That is a turn's worth. Where a loop is stuck in a
// turn it is bounded: then publishes to channels of this home are refused.

// PinnedBytes is how much may be published while a loop does not read a run that it was sent.
const PinnedBytes = 32 << 20

// pinnedLook is how much is published between two looks at what loops have read.
const pinnedLook = PinnedBytes / 16

// pinned watches that what loops do not read keeps little alive.
type pinned struct {
	committed int // bytes of messages, since the start
	looked    int // what that was at the last look
	over      bool
	loops     []pinnedBy
}

// pinnedBy is a loop that has runs of messages to read.
type pinnedBy struct {
	at    uint64 // the last of those that are watched, among the mails that arrive there
	since int    // what was committed before it
}

// tooMuch says whether a loop that does not read keeps too much alive.
func (p *pinned) tooMuch(m *mail.Mailer) bool {
	return (p.committed-p.looked >= pinnedLook || p.over) && p.look(m)
}

// look looks at what loops have read.
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
		default: // all that was sent before the last look
			if at, left := m.LastRun(uint8(to)); left {
				by.at, by.since = at, p.committed
			}
		}
	}
	return p.over
}
