package reactor

import "math/bits"

// A hierarchical timing wheel over records.
//
//  1. Level 0 has a slot for each of the next 64 ticks, level 1 for each of the next 64
//     spans of 64 ticks, and so on: four levels reach 2^24 ticks.
//  2. A slot is a doubly linked list through the records themselves (Timer), so an armed
//     timer needs no memory of its own.
//  3. When time enters a span of a higher level, the timers in its slot are distributed
//     over the lower levels. A timer is moved once a level on its way down.
//  4. Expired timers collect in one more list. Pop takes one at a time, so that the caller
//     decides how many it handles at once.
//
// Moving a timer to a later time is by far the most common operation: each request
// postpones the timeout of its connection. It only stores the new time. The record stays
// in its slot, and is linked into the right one when that slot comes up.

const (
	levels     = 4
	levelBits  = 6
	levelSlots = 1 << levelBits
	levelMask  = levelSlots - 1
	dueSlot    = levels * levelSlots // the list of expired timers
	reach      = 1<<(levels*levelBits) - 1
	headFlag   = 1 << 31 // in Timer.prev: the record is the first of a slot; the rest is the number of the slot
)

// Tick is a point in time, in a unit that the owner chooses (for a Loop: TickLength). It
// wraps around: compare the signed difference.
type Tick uint32

// Timer is the part of a record that the wheel uses: 12 bytes. The zero value is not
// armed.
type Timer struct {
	prev, next uint32
	due        Tick
}

// Armed reports whether the timer is in a wheel.
func (t *Timer) Armed() bool { return t.prev != 0 }

// Due returns when an armed timer expires.
func (t *Timer) Due() Tick { return t.due }

// Wheel holds the timers of the records of one slab. It belongs to one goroutine. An
// operation visits only timers that expire or move to a lower level.
type Wheel struct {
	at    func(uint32) *Timer
	now   Tick
	count int
	busy  [levels]uint64 // one bit for each slot that is not empty
	slots [levels*levelSlots + 1]uint32
}

// NewWheel makes a wheel at time now. at returns the Timer of a record.
func NewWheel(now Tick, at func(index uint32) *Timer) *Wheel {
	return &Wheel{at: at, now: now}
}

// WheelState is a wheel as plain data. The timers themselves lie in the records.
type WheelState struct {
	Now   Tick
	Count int
	Busy  [levels]uint64
	Slots [levels*levelSlots + 1]uint32
}

// State returns the state that Resume needs.
func (w *Wheel) State() WheelState { return WheelState{w.now, w.count, w.busy, w.slots} }

// Resume makes a new wheel continue with the timers of another one.
func (w *Wheel) Resume(st WheelState) {
	w.now, w.count, w.busy, w.slots = st.Now, st.Count, st.Busy, st.Slots
}

// Count returns the number of armed timers.
func (w *Wheel) Count() int { return w.count }

// Schedule arms the timer of record i, or moves it. A time in the past expires at the next
// tick.
func (w *Wheel) Schedule(i uint32, due Tick) {
	t := w.at(i)
	if t.Armed() {
		if int32(due-t.due) >= 0 {
			t.due = due // later: see the comment on top
			return
		}
		w.unlink(i, t)
	} else {
		w.count++
	}
	t.due = due
	w.place(i, t)
}

// Cancel disarms the timer of record i, if it is armed.
func (w *Wheel) Cancel(i uint32) {
	if t := w.at(i); t.Armed() {
		w.unlink(i, t)
		w.count--
	}
}

// Advance moves the time on to now. Timers that have expired by then are left for Pop.
func (w *Wheel) Advance(now Tick) {
	for int32(now-w.now) > 0 {
		if w.count == 0 {
			w.now = now
			return
		}
		w.now++
		for level := 1; level < levels && w.now&(1<<(level*levelBits)-1) == 0; level++ {
			w.deal(level*levelSlots + int(w.now>>(level*levelBits))&levelMask)
		}
		w.deal(int(w.now) & levelMask)
	}
}

// Pop disarms one expired timer and returns its record, or 0 if there is none.
func (w *Wheel) Pop() uint32 {
	for {
		i := w.slots[dueSlot]
		if i == 0 {
			return 0
		}
		t := w.at(i)
		w.unlink(i, t)
		if int32(t.due-w.now) <= 0 {
			w.count--
			return i
		}
		w.place(i, t) // it was moved later meanwhile
	}
}

// Pending reports whether Pop has something to return.
func (w *Wheel) Pending() bool { return w.slots[dueSlot] != 0 }

// Next returns how many ticks from the wheel's time the owner may sleep before Advance has
// something to do; false if no timer is armed. It may be early (for a slot to distribute,
// or a timer that was moved later), never late.
func (w *Wheel) Next() (ticks uint32, any bool) {
	if w.Pending() {
		return 0, true
	}
	for level := range levels {
		if w.busy[level] == 0 {
			continue
		}
		shift := level * levelBits
		span := uint32(w.now) >> shift
		ahead := bits.RotateLeft64(w.busy[level], -int(span+1)&levelMask) // bit 0: the next slot
		d := (span+uint32(bits.TrailingZeros64(ahead))+1)<<shift - uint32(w.now)
		if !any || d < ticks {
			ticks, any = d, true
		}
	}
	return ticks, any
}

// place links a timer into the slot of its time.
func (w *Wheel) place(i uint32, t *Timer) {
	d := int32(t.due - w.now)
	if d < 1 {
		d = 1
	}
	if d > reach {
		d = reach // the end of the wheel's range; it is placed again from there
	}
	level := (bits.Len32(uint32(d)) - 1) / levelBits
	at := uint32(w.now) + uint32(d)
	w.link(i, t, level*levelSlots+int(at>>(level*levelBits))&levelMask)
}

// deal empties a slot: expired timers go to the list of expired ones, the rest to their
// slots as of now.
func (w *Wheel) deal(slot int) {
	i := w.slots[slot]
	if i == 0 {
		return
	}
	w.slots[slot] = 0
	w.busy[slot/levelSlots] &^= 1 << (slot & levelMask)
	for i != 0 {
		t := w.at(i)
		next := t.next
		if int32(t.due-w.now) <= 0 {
			w.link(i, t, dueSlot)
		} else {
			w.place(i, t)
		}
		i = next
	}
}

func (w *Wheel) link(i uint32, t *Timer, slot int) {
	head := w.slots[slot]
	t.prev, t.next = headFlag|uint32(slot), head
	if head != 0 {
		w.at(head).prev = i
	}
	w.slots[slot] = i
	if slot < dueSlot {
		w.busy[slot/levelSlots] |= 1 << (slot & levelMask)
	}
}

func (w *Wheel) unlink(i uint32, t *Timer) {
	if t.next != 0 {
		w.at(t.next).prev = t.prev
	}
	if t.prev&headFlag == 0 {
		w.at(t.prev).next = t.next
	} else {
		slot := int(t.prev &^ headFlag)
		w.slots[slot] = t.next
		if t.next == 0 && slot < dueSlot {
			w.busy[slot/levelSlots] &^= 1 << (slot & levelMask)
		}
	}
	t.prev, t.next = 0, 0
}
