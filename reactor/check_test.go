package reactor

import (
	"fmt"
	"slices"
)

// checkWheel walks all slots of a wheel: links and bitmaps must be right, and
// no timer may be in a slot that comes up after its time.
func checkWheel(w *Wheel) error {
	seen := map[uint32]bool{}
	for slot, head := range w.slots {
		if level := slot / levelSlots; slot < dueSlot {
			if busy := w.busy[level]>>(slot&levelMask)&1 == 1; busy != (head != 0) {
				return fmt.Errorf("wheel: slot %d: busy is %v, its head %d", slot, busy, head)
			}
		}
		before := headFlag | uint32(slot)
		for i := head; i != 0; i = w.at(i).next {
			t := w.at(i)
			if seen[i] {
				return fmt.Errorf("wheel: %d is linked twice", i)
			}
			seen[i] = true
			if t.prev != before {
				return fmt.Errorf("wheel: %d in slot %d: prev is %#x, want %#x", i, slot, t.prev, before)
			}
			if slot < dueSlot {
				if at := slotTime(w, slot); int32(t.due-at) < 0 && at != w.now+1 {
					return fmt.Errorf("wheel: %d is due at %d, but slot %d comes up at %d", i, t.due, slot, at)
				}
			}
			before = i
		}
	}
	if len(seen) != w.count {
		return fmt.Errorf("wheel: count is %d, linked are %d", w.count, len(seen))
	}
	return nil
}

// slotTime returns when a slot comes up next.
func slotTime(w *Wheel, slot int) Tick {
	shift := slot / levelSlots * levelBits
	span := uint32(w.now) >> shift
	ahead := (uint32(slot)-span-1)&levelMask + 1
	return Tick((span + ahead) << shift)
}

// checkLoop walks everything a loop has, between two turns.
func checkLoop(l *Loop) error {
	if err := checkWheel(l.wheel); err != nil {
		return err
	}
	free, err := freeRecords(l)
	if err != nil {
		return err
	}
	owner := map[uint32]uint32{}
	armed, open, live, blocked := 0, 0, 0, 0
	for i := uint32(1); i <= l.conns.Used(); i++ {
		r := l.conns.At(i)
		if r.flags&flagLive == 0 {
			if r.flags != 0 || r.held != 0 || r.timer.Armed() || !free[i] {
				return fmt.Errorf("record %d is not live, but flags %#x, held %d, timer %+v, free %v", i, r.flags, r.held, r.timer, free[i])
			}
			continue
		}
		live++
		if r.fd >= 0 {
			open++
		}
		if r.timer.Armed() {
			armed++
		}
		if r.flags&flagBlocked != 0 {
			blocked++
		}
		if free[i] {
			return fmt.Errorf("record %d is both live and free", i)
		}
		if err := checkRecord(l, i, r); err != nil {
			return err
		}
		if r.held != 0 {
			if owner[r.held] != 0 {
				return fmt.Errorf("held %d is borrowed by %d and %d", r.held, owner[r.held], i)
			}
			owner[r.held] = i
		}
	}
	if armed != l.wheel.Count() || int64(open) != l.stats.open.Load() || live != l.conns.Live() {
		return fmt.Errorf("%d armed, %d open, %d live; counted as %d, %d, %d",
			armed, open, live, l.wheel.Count(), l.stats.open.Load(), l.conns.Live())
	}
	if int64(blocked) != l.tally.Blocked {
		return fmt.Errorf("%d blocked, counted as %d", blocked, l.tally.Blocked)
	}
	if len(l.doomed) != 0 {
		return fmt.Errorf("%d doomed between turns", len(l.doomed))
	}
	return checkHeld(l, owner)
}

// checkRecord checks one live record, between two turns.
func checkRecord(l *Loop, i uint32, r *record) error {
	fail := func(what string) error { return fmt.Errorf("record %d (flags %#x): %s", i, r.flags, what) }
	if r.flags&flagClosing != 0 {
		return fail("closing, but not reaped")
	}
	if listed := slices.Contains(l.readyList, i); r.flags&flagReady != 0 && !listed {
		return fail("ready, but not listed")
	}
	if r.flags&flagLingering != 0 && (r.flags&(flagBlocked|flagFinishing) != 0 || r.held != 0) {
		return fail("lingering with output held")
	}
	if r.flags&flagFinishing != 0 && r.flags&flagBlocked == 0 {
		return fail("finishing with nothing to finish")
	}
	if r.flags&(flagFinishing|flagLingering) != 0 && (r.flags&flagPaused == 0 || !r.timer.Armed()) {
		return fail("finishing without a timer, or not paused")
	}
	if r.fd < 0 && r.flags&^flagPaused != flagLive {
		return fail("a bare timer with a connection's flags")
	}
	blocked := r.flags&flagBlocked != 0
	if r.held == 0 {
		if blocked {
			return fail("blocked, but nothing held")
		}
		return nil
	}
	h := &l.held[r.held]
	switch {
	case blocked != (len(h.out) > 0):
		return fail(fmt.Sprintf("blocked is %v, %d bytes held", blocked, len(h.out)))
	case h.own != nil && !blocked:
		return fail("an output buffer with no output")
	case h.in == nil && h.out == nil:
		return fail("borrows for nothing")
	case h.err != nil:
		return fail("an error, but not closing")
	case (h.own != nil || h.frame != nil) != blocked || h.own != nil && h.frame != nil:
		return fail("what is held is nobody's, or both its own and shared")
	case h.taken > 0 != (h.in != nil):
		return fail("input that does not count, or counts and is not there")
	case h.in != nil && len(h.in.B) > l.cfg.MaxInput:
		return fail("more input than allowed")
	}
	return nil
}

// freeRecords walks the slab's free list.
func freeRecords(l *Loop) (map[uint32]bool, error) {
	free := map[uint32]bool{}
	for i := l.conns.free; i != 0; i = *l.conns.freeLink(i) {
		if free[i] || i > l.conns.Used() {
			return nil, fmt.Errorf("slab: %d is free twice, or was never used", i)
		}
		free[i] = true
	}
	if len(free)+l.conns.Live() != int(l.conns.Used()) {
		return nil, fmt.Errorf("slab: %d free and %d live of %d used", len(free), l.conns.Live(), l.conns.Used())
	}
	return free, nil
}

// checkHeld checks that everything borrowed has an owner, and that the rest is
// free.
func checkHeld(l *Loop, owner map[uint32]uint32) error {
	output, input, shared := 0, 0, map[*Frame]int{}
	for i := range l.held {
		h := &l.held[i]
		output, input = output+h.kept, input+h.taken
		if h.frame != nil {
			if shared[h.frame]++; shared[h.frame] == 1 {
				output += h.frame.size()
			}
		}
	}
	for f, n := range shared {
		if f.holders != n {
			return fmt.Errorf("a frame has %d holders, and counts %d", n, f.holders)
		}
	}
	if output != l.heldBytes || input != l.inputBytes {
		return fmt.Errorf("%d bytes of output and %d of input are held, %d and %d are counted", output, input, l.heldBytes, l.inputBytes)
	}
	free := map[uint32]bool{}
	for i := l.heldFree; i != 0; i = l.held[i].free {
		if free[i] || owner[i] != 0 {
			return fmt.Errorf("held %d is free twice, or free and borrowed by %d", i, owner[i])
		}
		free[i] = true
		if h := l.held[i]; h.in != nil || h.out != nil || h.own != nil || h.err != nil {
			return fmt.Errorf("held %d is free, but keeps something", i)
		}
	}
	if len(free)+len(owner) != len(l.held)-1 || int64(len(owner)) != l.stats.held.Load() {
		return fmt.Errorf("held: %d free, %d borrowed (counted as %d), of %d", len(free), len(owner), l.stats.held.Load(), len(l.held)-1)
	}
	return nil
}
