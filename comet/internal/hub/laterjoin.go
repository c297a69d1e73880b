package hub

import (
	"sync"

	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/pool"
)

// laterJoins are the questions (mail.Join) of polls of several channels that wait until the
// first channel's home has answered, by index: the subscriber that each is for has that.
// There are as many as such polls have come in a turn or two. They lie in pieces that are
// borrowed: a crowd of polls comes again, and a list that grew for each would be garbage.
type laterJoins struct {
	pieces []*joinPiece
	used   uint32   // the highest index that was given; 0 is none
	free   []uint32 // of those up to it
}

// joinPiece is 4 KiB.
type joinPiece [64]mail.Mail

var joinPieces = sync.Pool{New: func() any { return new(joinPiece) }}

func (l *laterJoins) at(i uint32) *mail.Mail {
	return &l.pieces[i/uint32(len(joinPiece{}))][i%uint32(len(joinPiece{}))]
}

// put keeps a question.
func (l *laterJoins) put(m mail.Mail) (i uint32) {
	if n := len(l.free); n > 0 {
		i = l.free[n-1]
		l.free = l.free[:n-1]
	} else {
		l.used++
		if i = l.used; int(i)/len(joinPiece{}) == len(l.pieces) {
			l.pieces = append(l.pieces, joinPieces.Get().(*joinPiece))
		}
	}
	*l.at(i) = m
	return i
}

// take returns a question, which is kept no longer.
func (l *laterJoins) take(i uint32) mail.Mail {
	m := *l.at(i)
	*l.at(i) = mail.Mail{}
	l.free = append(l.free, i)
	return m
}

// live is how many are kept.
func (l *laterJoins) live() int { return int(l.used) - len(l.free) }

// trim gives back what a crowd of polls took, but for one piece, once they all have been
// asked for.
func (l *laterJoins) trim() {
	if l.used == 0 || l.live() > 0 {
		return
	}
	for i := 1; i < len(l.pieces); i++ {
		joinPieces.Put(l.pieces[i])
		l.pieces[i] = nil
	}
	l.pieces, l.free, l.used = l.pieces[:1], pool.Emptied(l.free), 0
}

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
