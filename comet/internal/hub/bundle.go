package hub

import (
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/record"
	"ccomet/reactor"
)

// A client may wait for several channels on one connection. Then each channel has a member
// of a bundle. A member is a subscriber like any other: it has a cursor, is in its
// channel's roster, and may fall behind by itself. The first member is the head: the
// connection's word names it, and it has what concerns the response as a whole. So a
// further channel costs one record. overlay.go describes the fields.
//
// If a channel is closed or refused, the client is told so; the response ends with the
// last channel. Until then the ended member keeps its place, because the id of an event
// contains the cursors of all channels, in the order of the request.

// MaxBundle bounds the channels on one connection.
const MaxBundle = 64

// following returns the next subscription of the same connection, 0 if there is none.
func (t *subscribers) following(i uint32) uint32 {
	switch sub := t.At(i); {
	case sub.Has(subHead):
		return sub.second()
	case sub.Has(SubMember):
		return sub.nextMember()
	}
	return 0
}

// owner returns the subscriber that the connection's word names: a member's head, or the
// subscriber itself.
func (t *subscribers) owner(i uint32) uint32 {
	if sub := t.At(i); sub.Has(SubMember) && !sub.Has(subHead) {
		return sub.head()
	}
	return i
}

// makeBundle makes a subscriber the head of a bundle, with a member for each channel;
// false: no record is free.
func (t *subscribers) makeBundle(head uint32, wants []Topic) bool {
	of, plain := t.At(head), *t.At(head)
	of.Flags |= SubMember | subHead
	of.await(&wants[0])
	for n := len(wants) - 1; n > 0; n-- {
		i := t.Alloc()
		if i == 0 {
			return false
		}
		sub := t.At(i)
		*sub = Subscriber{Conn: plain.Conn, Transport: plain.Transport, Flags: plain.Flags &^ subTell}
		sub.makeMember(head, of.second())
		sub.begin(&wants[n])
		sub.await(&wants[n])
		of.setSecond(i)
	}
	return true
}

// await stores the epoch from which a member resumes, or that it waits for nothing.
func (sub *Subscriber) await(w *Topic) {
	place := record.EpochNone
	if w.Place || w.Over() {
		place = w.Epoch // otherwise it asks for the newest message, of any epoch
	}
	sub.setPlace(place)
	if w.Over() {
		sub.Flags |= subOver
	}
}

// begins reports whether the head of the response must still be written, and marks it as
// written.
func (t *subscribers) begins(i uint32) bool {
	begun := t.begun(i)
	t.At(t.owner(i)).Flags |= subBegun
	return !begun
}

// begun reports whether the response to which subscription i belongs has begun.
func (t *subscribers) begun(i uint32) bool { return t.At(t.owner(i)).Has(subBegun) }

// keepCallback stores the name of the JSONP callback of a connection's response, in the
// record of its only channel, or of its last; false: there is no memory.
func (t *subscribers) keepCallback(sub *Subscriber, cb []byte) bool {
	if len(cb) == 0 {
		return true
	}
	name := t.callbacks.Put(cb)
	if name.At == 0 {
		return false
	}
	sub.callbackLen = name.Len
	if sub.Has(subHead) {
		t.last(sub).setLastCallback(name.At)
	} else {
		sub.link = name.At
	}
	return true
}

// callback returns the name of the JSONP callback of a connection's response.
func (t *subscribers) callback(sub *Subscriber) record.Name {
	at := sub.link
	if sub.Has(subHead) {
		at = t.last(sub).lastCallback()
	}
	return record.Name{At: at, Len: sub.callbackLen}
}

// last returns the last member of a bundle.
func (t *subscribers) last(head *Subscriber) *Subscriber {
	sub := t.At(head.second())
	for !sub.Has(subLast) {
		sub = t.At(sub.nextMember())
	}
	return sub
}

// endOne ends one subscription of an endless response, all of which is written. A member
// of a bundle stores place for the ids of its events: why it has ended, or the epoch of
// its cursor.
func (h *Hub) endOne(i uint32, c reactor.Conn, place uint32) {
	if h.Subs.At(i).socket() {
		h.Sockets.endTopic(i, c)
		return
	}
	if sub := h.Subs.At(i); sub.Has(SubMember) {
		if sub.Roster != 0 {
			h.delist(sub.Roster, i)
			sub.Roster, sub.Next = 0, 0
		}
		sub.setPlace(place)
		h.notBehind(sub)
		if last := h.Subs.endsWith(i); !last {
			sub.Flags |= subOver
			return
		}
	}
	h.endStream(h.Subs.owner(i), c)
}

// waiting returns the first subscription of an owner that is in a roster, 0 if there is
// none.
func (t *subscribers) waiting(i uint32) uint32 {
	for i != 0 && t.At(i).Roster == 0 {
		i = t.following(i)
	}
	return i
}

// endsWith reports whether a connection's response ends when subscription i ends.
func (t *subscribers) endsWith(i uint32) bool {
	for other := t.owner(i); other != 0; other = t.following(other) {
		if other != i && !t.At(other).Has(subOver) {
			return false
		}
	}
	return true
}

// placeOf returns the epoch of a subscriber's cursor, or a special value
// (record.EpochNone…).
func (h *Hub) placeOf(sub *Subscriber) uint32 {
	switch {
	case sub.Roster != 0:
		return h.Rosters.At(sub.Roster).Gen
	case sub.Has(SubMember):
		return sub.place()
	}
	return record.EpochNone
}

// resetFor starts a batch for one subscriber. The ids of a member's events also contain
// the places of the channels before and after it.
func (h *Hub) resetFor(b *frame.Batch, i uint32) {
	sub := h.Subs.At(i)
	b.Reset(sub.framing(), h.placeOf(sub))
	b.Tell = sub.Has(subTell)
	if !sub.Has(SubMember) || !sub.Transport.Row().Events {
		return
	}
	side := &b.Before
	for m := h.Subs.owner(i); m != 0; m = h.Subs.following(m) {
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
