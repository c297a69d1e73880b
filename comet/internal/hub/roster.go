package hub

import (
	"errors"
	"unsafe"

	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/pool"
	"ccomet/comet/internal/record"
	"ccomet/reactor"
)

// Roster is one channel's subscribers on one loop: the head of their list, and the
// channel's home. 32 bytes, and its place in the index beside.
type Roster struct {
	link    uint32 // next in the index chain
	Index   uint32 // the channel's record at its home
	Gen     uint32
	Head    uint32 // first subscriber
	Pump    uint32 // its pump; 0: nothing is being delivered
	left    uint32 // subscribers that have left in this turn
	nameAt  uint32 // memory of the name, at the channel's home
	nameLen uint8
	Home    uint8 // the channel's home: a loop
	listed  bool  // it is in Hub.Departed
	_       uint8
}

var _ [32]byte = [unsafe.Sizeof(Roster{})]byte{}

func (r *Roster) ref() mail.Ref { return mail.Ref{Index: r.Index, Gen: r.Gen} }

// rosters are the rosters of a loop, found by channel.
type rosters struct {
	reactor.Slab[Roster]
	homes *record.Homes
	index *record.Index
}

func (t *rosters) open(homes *record.Homes) {
	t.homes = homes
	t.index = record.NewIndex(
		func(i uint32) *uint32 { return &t.At(i).link },
		func(i uint32) uint32 { r := t.At(i); return mail.HashRef(r.Home, r.Index) })
}

// begin prepares an empty table, in an arena, which may be nil.
func (t *rosters) begin(a *reactor.Arena) error {
	t.In(a)
	return t.index.Begin(a)
}

// resume continues with the rosters of another program.
func (t *rosters) resume(a *reactor.Arena, st *Handover) error {
	return errors.Join(t.Resume(a, st.Rosters), t.index.Resume(a, st.RosterIndex))
}

func (t *rosters) release() {
	t.Release()
	t.index.Release()
}

// find returns this loop's roster of a channel, or 0.
func (t *rosters) find(home uint8, ch mail.Ref) uint32 {
	i := t.index.Head(mail.HashRef(home, ch.Index))
	for i != 0 {
		r := t.At(i)
		if r.Index == ch.Index && r.Gen == ch.Gen && r.Home == home {
			return i
		}
		i = r.link
	}
	return 0
}

// of returns the roster for a subscriber that has joined, a new one if necessary; 0:
// there is no memory.
func (t *rosters) of(m *mail.Mail) uint32 {
	if i := t.find(m.From, m.Ref); i != 0 {
		return i
	}
	i := t.Alloc()
	if i == 0 {
		return 0
	}
	*t.At(i) = Roster{Index: m.Ref.Index, Gen: m.Ref.Gen, Home: m.From, nameAt: m.Name.At, nameLen: m.Name.Len}
	t.index.Insert(i)
	return i
}

func (t *rosters) drop(i uint32) {
	t.index.Remove(i)
	t.Free(i)
}

// name returns the channel's name, from the memory of its home. The home keeps it until
// the last subscriber of the roster was reported as left.
func (t *rosters) name(i uint32) []byte {
	r := t.At(i)
	return t.homes.Name(r.Home, record.Name{At: r.nameAt, Len: r.nameLen})
}

// enlist adds a subscriber to a roster.
func (h *Hub) enlist(ri, i uint32) {
	r, sub := h.Rosters.At(ri), h.Subs.At(i)
	sub.Roster, sub.Next, sub.prev = ri, r.Head, 0
	h.Tally.Subscribers[h.listensBy(i)]++
	if r.Head != 0 {
		h.Subs.At(r.Head).prev = i
	}
	r.Head = i
}

// delist removes a subscriber from its roster. When the turn ends, the channel's home is
// told how many have left.
func (h *Hub) delist(ri, i uint32) {
	r, sub := h.Rosters.At(ri), h.Subs.At(i)
	h.Tally.Subscribers[h.listensBy(i)]--
	if sub.Next != 0 {
		h.Subs.At(sub.Next).prev = sub.prev
	}
	if sub.prev != 0 {
		h.Subs.At(sub.prev).Next = sub.Next
	} else {
		r.Head = sub.Next
	}
	if r.Pump != 0 {
		h.Pumps.All[r.Pump].pass(i, sub.Next) // a delivery under way continues after it
	}
	h.Scans.pass(i, sub.Next)
	r.left++
	if !r.listed {
		r.listed = true
		h.Departed = append(h.Departed, ri)
	}
}

// ReportDeparted tells the homes how many subscribers have left, and frees empty rosters.
func (h *Hub) ReportDeparted() {
	for _, ri := range h.Departed {
		r := h.Rosters.At(ri)
		r.listed = false
		if r.left > 0 {
			h.Send(r.Home, mail.Left(r.ref(), r.left))
			r.left = 0
		}
		if r.Head == 0 {
			if r.Pump != 0 {
				h.Pumps.stop(r.Pump)
			}
			h.Rosters.drop(ri)
		}
	}
	h.Departed = pool.Emptied(h.Departed)
}
