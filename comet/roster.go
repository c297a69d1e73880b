package comet

import (
	"unsafe"
)

// roster is one channel's subscribers on one loop: the head of their list, and
// whom to ask about the channel. 32 bytes, and its place in the index beside.
type roster struct {
	link    uint32 // index chain
	index   uint32 // the channel's record at its home
	gen     uint32
	head    uint32 // first subscriber
	pump    uint32 // what is being delivered, 0: nothing
	left    uint32 // subscribers that left in this turn
	nameAt  uint32 // at the channel's home
	nameLen uint8
	home    uint8 // loop
	listed  bool  // among those that the turn's end looks at
	_       uint8
}

var _ [32]byte = [unsafe.Sizeof(roster{})]byte{}

func (r *roster) ref() ref { return ref{r.index, r.gen} }

// findRoster returns this loop's roster of a channel, or 0.
func (h *hub) findRoster(home uint8, ch ref) uint32 {
	i := h.rosterIndex.head(hashRef(home, ch.index))
	for i != 0 {
		r := h.rosters.At(i)
		if r.index == ch.index && r.gen == ch.gen && r.home == home {
			return i
		}
		i = r.link
	}
	return 0
}

// rosterFor returns the roster for a subscriber that has joined, new if need
// be; 0 when there is no memory.
func (h *hub) rosterFor(m *mail) uint32 {
	if i := h.findRoster(m.from, m.ref); i != 0 {
		return i
	}
	i := h.rosters.Alloc()
	if i == 0 {
		return 0
	}
	*h.rosters.At(i) = roster{index: m.ref.index, gen: m.ref.gen, home: m.from, nameAt: m.name.at, nameLen: m.name.len}
	h.rosterIndex.insert(i)
	return i
}

// rosterName is the channel's name, read where its home keeps it: which it
// does until the roster's last subscriber has been reported as left.
func (h *hub) rosterName(i uint32) []byte {
	r := h.rosters.At(i)
	return h.homes.name(r.home, name{r.nameAt, r.nameLen})
}

// enlist puts a subscriber into a roster.
func (h *hub) enlist(ri, i uint32) {
	r, sub := h.rosters.At(ri), h.subs.At(i)
	sub.roster, sub.next, sub.prev = ri, r.head, 0
	h.tally.subscribers[h.listensBy(i)]++
	if r.head != 0 {
		h.subs.At(r.head).prev = i
	}
	r.head = i
}

// delist takes a subscriber out of its roster. The channel's home is told when
// the turn ends, of all that left in it at once.
func (h *hub) delist(ri, i uint32) {
	r, sub := h.rosters.At(ri), h.subs.At(i)
	h.tally.subscribers[h.listensBy(i)]--
	if sub.next != 0 {
		h.subs.At(sub.next).prev = sub.prev
	}
	if sub.prev != 0 {
		h.subs.At(sub.prev).next = sub.next
	} else {
		r.head = sub.next
	}
	if r.pump != 0 {
		h.pumps[r.pump].pass(i, sub.next) // a delivery under way goes on behind it
	}
	h.passSurveys(i, sub.next)
	r.left++
	if !r.listed {
		r.listed = true
		h.departed = append(h.departed, ri)
	}
}

// reportDeparted tells the homes who has left, and frees rosters that are empty.
func (h *hub) reportDeparted() {
	for _, ri := range h.departed {
		r := h.rosters.At(ri)
		r.listed = false
		if r.left > 0 {
			h.send(r.home, mail{kind: mailLeave, ref: r.ref(), n: int32(r.left)})
			r.left = 0
		}
		if r.head == 0 {
			if r.pump != 0 {
				h.stopPump(r.pump)
			}
			h.rosterIndex.remove(ri)
			h.rosters.Free(ri)
		}
	}
	h.departed = emptied(h.departed)
}
