package reactor

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"time"

	"golang.org/x/sys/unix"
)

// How another program goes on with a loop (Config.Inheritable):
//
//  1. HoldInput: nothing more is read or accepted, so that what is under way comes to
//     its end within some turns.
//  2. State, when the loop does not turn: all that it is, as plain data. Its records stay
//     where they are, in the Arena.
//  3. Keep, of all descriptors that it names, and then the process executes the program.
//     The sockets, and the epoll set that knows them, are open there as they were.
//  4. ResumeLoop goes on.
//
// Where it comes to nothing, ReleaseInput has the loop go on as if nothing had been.

// LoopState is a loop as plain data. Descriptors in it are the process's.
type LoopState struct {
	Began       int64 // its ticks count from there, by the kernel's monotonic clock
	Parked      int64 // when it was written down, by the same: its ticks stand still from then on; 0: of a version that does not say
	Epoll, Wake int
	Arena       int
	Records     SlabState
	Wheel       WheelState
	Ready       []uint32 // to be read next turn
	Held        []HeldState
	Frames      []FrameState
	HeldRoom    int    // places of what is held, the unused ones included
	Rests       []Conn // timers of listeners
	Tally       Figures
}

// ticked is the time that a loop's ticks have counted so far.
func (st *LoopState) ticked() time.Duration {
	return time.Duration(cmp.Or(st.Parked, Monotonic()) - st.Began)
}

// HeldState is what one connection has borrowed.
type HeldState struct {
	Place uint32
	In    []byte // input not yet consumed
	Out   []byte // of its own, not yet written
	Frame int    // of Frames, counted from 1, that it holds the rest of; 0: none
	Left  int    // bytes of which
}

// FrameState is bytes that connections hold the rest of together.
type FrameState struct {
	Bytes     []byte
	Uncounted bool
}

// HoldInput has the loop neither read nor accept, until ReleaseInput. What is read
// already goes on, and what is held is written. Peers that end meanwhile are told of
// when it reads again. Ticks stand still from the last turn on, and with them all timers: no
// peer loses time while nothing is read. Call it on the loop's goroutine, or while the loop
// does not turn.
func (l *Loop) HoldInput() {
	l.holding = true
	for i := range l.listeners {
		if ln := &l.listeners[i]; ln.fd >= 0 && !ln.resting {
			_ = l.poller.remove(int32(ln.fd)) // what comes waits in the kernel
		}
	}
}

// readClock reads the time at the beginning of a turn. While input is held, ticks stand still.
func (l *Loop) readClock() {
	now := l.cfg.Clock()
	if l.holding {
		l.start = l.start.Add(now.Sub(l.now))
	}
	l.set(now)
}

// ReleaseInput undoes HoldInput, and is called in the same places.
func (l *Loop) ReleaseInput() {
	l.holding = false
	for i := range l.listeners {
		if ln := &l.listeners[i]; ln.fd >= 0 && !ln.resting {
			ln.resting = true // for no reason of its own
			l.resumeListening(i)
		}
	}
	l.Wake()
}

// holdEnd notes that the kernel has given up a connection, while nothing is read: it is
// read to its end when that is over.
func (l *Loop) holdEnd(c Conn, r *record) {
	if r.flags&flagPaused != 0 {
		l.broken(c, r, nil) // which reads nothing of a connection that is paused
		return
	}
	r.flags |= flagReadable | flagEnded
	l.ready(c.Index(), r)
}

// Quiet says whether nothing that is closed waits to be reaped.
func (l *Loop) Quiet() bool { return len(l.doomed) == 0 }

// Arena is where the loop's records lie, and others' may; nil where no other program
// can go on with them.
func (l *Loop) Arena() *Arena { return l.arena }

// State is the loop as it is, for ResumeLoop. Call it where HoldInput is in force, the
// loop Quiet, and not turning. What it returns shares memory with the loop.
func (l *Loop) State() *LoopState {
	now := Monotonic()
	st := &LoopState{
		Began: now - int64(l.now.Sub(l.start)), Parked: now,
		Epoll: l.poller.fd, Wake: l.poller.wakeFd, Arena: l.arena.fd,
		Records: l.conns.State(), Wheel: l.wheel.State(), Ready: l.readyList, HeldRoom: len(l.held),
		Tally: l.Figures(),
	}
	st.Tally.Writes += l.writes
	for i := range l.listeners {
		if ln := &l.listeners[i]; ln.fd >= 0 {
			st.Rests = append(st.Rests, ln.timer)
		}
	}
	frames := map[*Frame]int{}
	for i := 1; i < len(l.held); i++ {
		h := &l.held[i]
		one := HeldState{Place: uint32(i)}
		switch {
		case h.in == nil && h.out == nil:
			continue // free
		case h.frame != nil:
			if frames[h.frame] == 0 {
				st.Frames = append(st.Frames, FrameState{h.frame.Bytes, h.frame.Uncounted})
				frames[h.frame] = len(st.Frames)
			}
			one.Frame, one.Left = frames[h.frame], len(h.out)
		default:
			one.Out = h.out
		}
		if h.in != nil {
			one.In = h.in.B
		}
		st.Held = append(st.Held, one)
	}
	return st
}

// RecordType is that of a connection's record, whose layout must be the same in both
// programs.
func RecordType() reflect.Type { return reflect.TypeFor[record]() }

// FDs are the descriptors that the loop's State names, but for those of connections.
func (l *Loop) FDs() []int { return []int{l.poller.fd, l.poller.wakeFd, l.arena.fd} }

// Keep has descriptors stay open where the process executes a program, or no more.
func Keep(keep bool, fds ...int) error {
	flag := unix.FD_CLOEXEC
	if keep {
		flag = 0
	}
	var errs []error
	for _, fd := range fds {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, flag); err != nil {
			errs = append(errs, fmt.Errorf("reactor: descriptor %d: %w", fd, err))
		}
	}
	return errors.Join(errs...)
}

// ResumeLoop goes on with a loop of another program. The state's descriptors are its own
// from here on, but on an error. rehearsal makes a loop that has the records in a copy of
// its own, and none of the sockets: it must not turn.
func ResumeLoop(h Handler, cfg Config, st *LoopState, rehearsal bool) (*Loop, error) {
	cfg.Inheritable = true
	l := newLoop(h, cfg)
	var err error
	if l.arena, err = ResumeArena(st.Arena, rehearsal); err != nil {
		return nil, err
	}
	if err = l.conns.Resume(l.arena, st.Records); err == nil {
		err = resumeHeld(l, st)
	}
	if err == nil && rehearsal {
		err = l.poller.open(eventBatch)
	}
	if err != nil {
		l.conns.Release()
		return nil, err
	}
	if !rehearsal {
		l.poller.resume(st.Epoll, st.Wake, eventBatch)
		l.woken.Store(1) // it may have been written to the eventfd that the last one slept on
	}
	l.untouched = true
	l.wheel.Resume(st.Wheel)
	l.start = l.now.Add(-st.ticked())
	l.set(l.now)
	l.readyList = st.Ready
	resumeTally(l, &st.Tally)
	l.rests = st.Rests
	return l, nil
}

// begin is the first that a resumed loop does in its first turn. Until then it has changed
// nothing that the other program sees, which can go on itself: no record, and nothing in
// the epoll set.
func (l *Loop) begin() error {
	l.untouched = false
	for _, c := range l.rests {
		if r := l.record(c); r != nil && r.rests() {
			l.freeRecord(c.Index(), r)
		}
	}
	l.rests = nil
	for n := range l.listeners {
		if l.listeners[n].fd < 0 {
			continue
		}
		if err := l.takeTimer(n); err != nil {
			return err
		}
		l.resumeListening(n)
	}
	return nil
}

// resumeTally goes on counting.
func resumeTally(l *Loop, t *Figures) {
	l.tally = *t
	s := &t.Stats
	l.stats.open.Store(s.Open)
	l.stats.accepted.Store(s.Accepted)
	l.stats.refused.Store(s.Refused)
	l.stats.turns.Store(s.Turns)
	l.stats.writes.Store(s.Writes)
}

// errHeldState is a state in which what is held is not sound.
var errHeldState = errors.New("reactor: what is held for connections does not fit")

// resumeHeld takes back what connections have borrowed, in the places that their records
// name.
func resumeHeld(l *Loop, st *LoopState) error {
	if st.HeldRoom < 1 || len(st.Held) >= st.HeldRoom {
		return errHeldState
	}
	frames := framesOf(st)
	l.held = make([]held, st.HeldRoom)
	for i := range st.Held {
		one := &st.Held[i]
		if one.Place == 0 || int(one.Place) >= st.HeldRoom || !takeHeld(l, &l.held[one.Place], one, frames) {
			return errHeldState
		}
		l.stats.held.Add(1)
	}
	for i := len(l.held) - 1; i > 0; i-- {
		if h := &l.held[i]; h.in == nil && h.out == nil {
			h.free, l.heldFree = l.heldFree, uint32(i)
		}
	}
	return nil
}

// Unread is the input of a connection that was not consumed yet: it may be looked at
// until the loop turns again.
func (l *Loop) Unread(c Conn) []byte {
	if r := l.record(c); r != nil && r.held != 0 && l.held[r.held].in != nil {
		return l.held[r.held].in.B
	}
	return nil
}
