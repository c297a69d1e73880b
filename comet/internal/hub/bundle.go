package hub

import (
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/record"
	"ccomet/reactor"
)

// A client may wait for several channels on one connection. Then the
// connection's own subscriber is the head of a bundle, and is in no roster;
// each channel has a member, which is a subscriber like any other: with a
// cursor, in its channel's roster, behind or not by itself. One record more for
// the head, and none where there is one channel. overlay.go has what the fields mean.
//
// The client is sent that a channel is closed or refused; the response ends
// with the last. Its member stays in its place until then, since the id of an
// event has the cursors of all, in the order of the request.

// MaxBundle bounds the channels on one connection.
const MaxBundle = 64

// First returns a connection's first subscription, following the one behind
// another, 0 if there is none: all of them, with a bundle or without.
func (h *Hub) First(i uint32) uint32 {
	if sub := h.Subs.At(i); sub.Has(subBundle) {
		return sub.firstMember()
	}
	return i
}

func (h *Hub) following(i uint32) uint32 {
	if sub := h.Subs.At(i); sub.Has(SubMember) {
		return sub.nextMember()
	}
	return 0
}

// owner is the subscriber that a connection's word names: a member's head, or
// the subscriber itself.
func (h *Hub) owner(i uint32) uint32 {
	if sub := h.Subs.At(i); sub.Has(SubMember) {
		return sub.head()
	}
	return i
}

// newMembers gives a head its members, one for each channel; false: no record is
// free.
func (h *Hub) newMembers(head uint32, wants []Topic) bool {
	of := h.Subs.At(head)
	of.Flags |= subBundle
	for n := len(wants); n > 0; n-- {
		i := h.Subs.Alloc()
		if i == 0 {
			return false
		}
		w, sub, place := &wants[n-1], h.Subs.At(i), record.EpochNone
		if w.Place || w.Over() {
			place = w.Epoch // else it asks for the newest, of whatever epoch
		}
		*sub = Subscriber{
			Conn: of.Conn, Transport: of.Transport, Flags: of.Flags &^ subBundle,
		}
		sub.makeMember(head, of.firstMember())
		sub.setPlace(place)
		sub.begin(w)
		of.setFirstMember(i)
		if !w.Over() {
			of.addMembers(1)
		}
	}
	return true
}

// begins says whether a response's head is still to be written, and takes it
// for written from now on.
func (h *Hub) begins(i uint32) bool {
	if !h.Subs.At(i).Has(SubMember) {
		return true
	}
	begun := h.begun(i)
	h.Subs.At(h.owner(i)).setBegun()
	return !begun
}

// begun says whether a bundle's response has begun, to which i belongs.
func (h *Hub) begun(i uint32) bool {
	return h.Subs.At(i).Has(SubMember) && h.Subs.At(h.owner(i)).begun()
}

// endOne ends one subscription of an endless response, all of which is written. place
// is what a bundle keeps in its place for the ids of its events: why it has ended, or
// the epoch of its cursor.
func (h *Hub) endOne(i uint32, c reactor.Conn, place uint32) {
	owner := h.owner(i)
	if owner != i {
		sub := h.Subs.At(i)
		if sub.Roster != 0 {
			h.delist(sub.Roster, i)
			sub.Roster = 0
		}
		sub.setPlace(place)
		h.notBehind(sub)
		head := h.Subs.At(owner)
		if head.addMembers(-1); head.members() > 0 {
			return
		}
	}
	h.endStream(owner, c)
}

// waiting is the first subscription whose channel's home has it, 0 if there is
// none.
func (h *Hub) waiting(i uint32) uint32 {
	for i = h.First(i); i != 0 && h.Subs.At(i).Roster == 0; {
		i = h.following(i)
	}
	return i
}

// endsWith says whether a connection's response ends when subscription i does.
func (h *Hub) endsWith(i uint32) bool {
	return !h.Subs.At(i).Has(SubMember) || h.Subs.At(h.owner(i)).members() == 1
}

// placeOf is the epoch of a subscriber's cursor, or the word in its place (record.EpochNone…).
func (h *Hub) placeOf(sub *Subscriber) uint32 {
	switch {
	case sub.Roster != 0:
		return h.Rosters.At(sub.Roster).Gen
	case sub.Has(SubMember):
		return sub.place()
	}
	return record.EpochNone
}

// resetFor begins a batch for one subscriber. The ids of a member's events have
// what the client has seen of the channels before it and behind it, too.
func (h *Hub) resetFor(b *frame.Batch, i uint32) {
	sub := h.Subs.At(i)
	b.Reset(sub.framing(), h.placeOf(sub))
	b.Tell = sub.Has(subTell)
	if !sub.Has(SubMember) || !sub.Transport.Row().Events {
		return
	}
	side := &b.Before
	for m := h.First(h.owner(i)); m != 0; m = h.following(m) {
		if m == i {
			side = &b.After
			continue
		}
		if side == &b.After {
			*side = append(*side, ',')
		}
		other := h.Subs.At(m)
		*side = frame.AppendPlace(*side, other.Cursor-1, h.placeOf(other))
		if side == &b.Before {
			*side = append(*side, ',')
		}
	}
}
