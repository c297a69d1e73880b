package hub

import (
	"sync"

	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/pool"
)

// laterJoins stores join mails (mail.Join) of polls of several channels, which wait until
// the first channel's home has answered. The subscriber that a mail is for stores its
// index. There are as many as such polls have come in a turn or two. They lie in pieces
// from a pool: crowds of polls come again, and a list that grew for each would become
// garbage.
type laterJoins struct {
	pieces []*joinPiece
	used   uint32   // the highest index that was used; 0 is none
	free   []uint32 // free indexes up to it
}

// joinPiece is 4 KiB.
type joinPiece [64]mail.Mail

var joinPieces = sync.Pool{New: func() any { return new(joinPiece) }}

func (l *laterJoins) at(i uint32) *mail.Mail {
	return &l.pieces[i/uint32(len(joinPiece{}))][i%uint32(len(joinPiece{}))]
}

// put stores a mail and returns its index.
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

// take removes a mail and returns it.
func (l *laterJoins) take(i uint32) mail.Mail {
	m := *l.at(i)
	*l.at(i) = mail.Mail{}
	l.free = append(l.free, i)
	return m
}

// live returns how many mails are stored.
func (l *laterJoins) live() int { return int(l.used) - len(l.free) }

// trim gives back the pieces that a crowd of polls took, except one, when no mail is left.
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

// subscribeRest asks the homes of a poll's channels that were not asked yet.
func (h *Hub) subscribeRest(owner uint32) {
	for i := owner; i != 0; i = h.Subs.following(i) {
		if at := h.Subs.At(i).takeLaterJoin(); at != 0 {
			m := h.laterJoins.take(at)
			h.subscribe(&m)
		}
	}
}

// dropLaterJoin drops the mail of a subscriber that leaves before it was sent.
func (h *Hub) dropLaterJoin(sub *Subscriber) {
	if at := sub.takeLaterJoin(); at != 0 {
		m := h.laterJoins.take(at)
		m.Done()
	}
}
