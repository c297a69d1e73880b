package comet

import "ccomet/reactor"

// A client may wait for several channels on one connection. Then the
// connection's own subscriber is the head of a bundle, and stands in no roster;
// each channel has a member, which is a subscriber like any other: with a
// cursor, in its channel's roster, behind or not by itself. One record more for
// the head, and none where there is one channel.
//
//	          head    member
//	conn      its connection's, of both
//	next      first member; a member's place in its roster
//	noop      its counter   the member behind this one
//	cbAt      its callback  its head
//	cursor    members that are still subscribed
//	prev      1: begun    while it stands in no roster: the epoch of its place
//
// A channel that is closed, or refused, is told and left out; the response ends
// with the last. Its member stays in its place until then, since the id of an
// event has the cursors of all, in the order of the request.

// MaxBundle bounds the channels on one connection.
const MaxBundle = 64

// first returns a connection's first subscription, following the one behind
// another, 0 if there is none: all of them, with a bundle or without.
func (h *hub) first(i uint32) uint32 {
	if sub := h.subs.At(i); sub.has(subHead) {
		return sub.next
	}
	return i
}

func (h *hub) following(i uint32) uint32 {
	if sub := h.subs.At(i); sub.has(subMember) {
		return uint32(sub.noop)
	}
	return 0
}

// owner is the subscriber that a connection's word names: a member's head, or
// the subscriber itself.
func (h *hub) owner(i uint32) uint32 {
	if sub := h.subs.At(i); sub.has(subMember) {
		return sub.cbAt
	}
	return i
}

// newMembers gives a head its members, one for each channel; false: no record is
// free.
func (h *hub) newMembers(head uint32, wants []want) bool {
	of := h.subs.At(head)
	of.flags |= subHead
	for n := len(wants); n > 0; n-- {
		i := h.subs.Alloc()
		if i == 0 {
			return false
		}
		w, sub, place := &wants[n-1], h.subs.At(i), epochNone
		if w.place || w.over() {
			place = w.epoch // else it wants the newest, of whatever epoch
		}
		*sub = subscriber{
			conn: of.conn, noop: int32(of.next), prev: place, cbAt: head,
			transport: of.transport, flags: of.flags&^subHead | subMember,
		}
		sub.begin(w)
		of.next = i
		if !w.over() {
			of.cursor++
		}
	}
	return true
}

// begins says whether a response's head is still to be written, and takes it
// for written from now on.
func (h *hub) begins(i uint32) bool {
	if !h.subs.At(i).has(subMember) {
		return true
	}
	begun := h.begun(i)
	h.subs.At(h.owner(i)).prev = 1
	return !begun
}

// begun says whether a bundle's response has begun, to which i belongs.
func (h *hub) begun(i uint32) bool {
	return h.subs.At(i).has(subMember) && h.subs.At(h.owner(i)).prev != 0
}

// endOne ends one subscription of an endless response, all of which is written. place
// is what a bundle keeps in its place for the ids of its events: why it has ended, or
// the epoch of where it stands.
func (h *hub) endOne(i uint32, c reactor.Conn, place uint32) {
	owner := h.owner(i)
	if owner != i {
		sub := h.subs.At(i)
		if sub.roster != 0 {
			h.delist(sub.roster, i)
			sub.roster = 0
		}
		sub.prev = place
		h.notBehind(sub)
		head := h.subs.At(owner)
		if head.cursor--; head.cursor > 0 {
			return
		}
	}
	h.endStream(owner, c)
}

// waiting is the first subscription whose channel's home has it, 0 if there is
// none.
func (h *hub) waiting(i uint32) uint32 {
	for i = h.first(i); i != 0 && h.subs.At(i).roster == 0; {
		i = h.following(i)
	}
	return i
}

// endsWith says whether a connection's response ends when subscription i does.
func (h *hub) endsWith(i uint32) bool {
	return !h.subs.At(i).has(subMember) || h.subs.At(h.owner(i)).cursor == 1
}

// placeOf is the epoch of a subscriber's place, or what stands for it.
func (h *hub) placeOf(sub *subscriber) uint32 {
	switch {
	case sub.roster != 0:
		return h.rosters.At(sub.roster).gen
	case sub.has(subMember):
		return sub.prev
	}
	return epochNone
}

// resetFor begins a batch for one subscriber. The ids of a member's events have
// what the client has seen of the channels before it and behind it, too.
func (h *hub) resetFor(b *batch, i uint32) {
	sub := h.subs.At(i)
	b.reset(sub.framing(), h.placeOf(sub))
	b.tell = sub.has(subTell)
	if !sub.has(subMember) || !sub.transport.row().events {
		return
	}
	side := &b.before
	for m := h.first(h.owner(i)); m != 0; m = h.following(m) {
		if m == i {
			side = &b.after
			continue
		}
		if side == &b.after {
			*side = append(*side, ',')
		}
		other := h.subs.At(m)
		*side = appendPlace(*side, other.cursor-1, h.placeOf(other))
		if side == &b.before {
			*side = append(*side, ',')
		}
	}
}
