package hub

import (
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/pool"
)

// laterJoins are the questions (mail.Join) of polls of several channels that wait until the
// first channel's home has answered, by index: the subscriber that each is for has that.
// There are as many as such polls have come in a turn or two, and they are let go together.
type laterJoins struct {
	list []mail.Mail // [0] is not used
	free []uint32
}

// put keeps a question.
func (l *laterJoins) put(m mail.Mail) uint32 {
	if n := len(l.free); n > 0 {
		i := l.free[n-1]
		l.free = l.free[:n-1]
		l.list[i] = m
		return i
	}
	if len(l.list) == 0 {
		l.list = append(l.list, mail.Mail{})
	}
	l.list = append(l.list, m)
	return uint32(len(l.list) - 1)
}

// take returns a question, which is kept no longer.
func (l *laterJoins) take(i uint32) mail.Mail {
	m := l.list[i]
	l.list[i] = mail.Mail{}
	l.free = append(l.free, i)
	return m
}

// live is how many are kept.
func (l *laterJoins) live() int { return max(len(l.list)-1, 0) - len(l.free) }

// trim gives back what a crowd of polls took, once they all have been asked for.
func (l *laterJoins) trim() {
	switch {
	case len(l.list) == 0 || l.live() > 0:
	case cap(l.list) > keepLaterJoins:
		*l = laterJoins{}
	default:
		l.list, l.free = pool.Emptied(l.list), pool.Emptied(l.free)
	}
}

// keepLaterJoins is how much room is kept for them: 64 KiB.
const keepLaterJoins = 1024

// subscribeRest asks for the channels of a poll that have not been asked for yet.
func (h *Hub) subscribeRest(owner uint32) {
	for i := owner; i != 0; i = h.Subs.following(i) {
		if at := h.Subs.At(i).takeLaterJoin(); at != 0 {
			m := h.laterJoins.take(at)
			h.subscribe(&m)
		}
	}
}

// dropLaterJoin drops the question that a subscriber which leaves has not asked.
func (h *Hub) dropLaterJoin(sub *Subscriber) {
	if at := sub.takeLaterJoin(); at != 0 {
		m := h.laterJoins.take(at)
		m.Done()
	}
}
