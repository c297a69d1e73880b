package reactor

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"time"

	"golang.org/x/sys/unix"
)

// Another program takes over a loop (Config.Inheritable) in these steps:
//
//  1. HoldInput: the loop no longer reads or accepts. So what is under way is finished within some
//     turns.
//  2. State, when the loop does not turn, returns the loop as plain data. The records stay in the
//     Arena.
//  3. Keep, for all descriptors in the State. Then the process executes the other program, in which
//     the sockets, and the epoll set with them, are still open.
//  4. ResumeLoop continues the loop.
//
// If this fails, ReleaseInput makes the loop continue as if nothing had happened.

// LoopState is a loop as plain data. It names descriptors of the process.
type LoopState struct {
	Began       int64 // time at which its ticks were 0, by the kernel's monotonic clock
	Parked      int64 // time of State, by the same clock: from then on its ticks stand still; 0: written by a version without it
	Epoll, Wake int
	Arena       int
	Records     SlabState
	Wheel       WheelState
	Ready       []uint32 // connections to read in the next turn
	Held        []HeldState
	Frames      []FrameState
	HeldRoom    int    // length of the list of what is held, free places included
	Rests       []Conn // timers of the listeners
	Tally       Figures
}

// ticked returns the time that the loop's ticks have counted so far.
func (st *LoopState) ticked() time.Duration {
	return time.Duration(cmp.Or(st.Parked, Monotonic()) - st.Began)
}

// HeldState is what one connection has borrowed.
type HeldState struct {
	Place uint32
	In    []byte // input not yet consumed
	Out   []byte // output of its own, not yet written
	Frame int    // number in Frames, from 1, of the frame that it writes; 0: none
	Left  int    // bytes of the frame that are not yet written
}

// FrameState is a frame: bytes that several connections still have to write.
type FrameState struct {
	Bytes     []byte
	Uncounted bool
}

// HoldInput makes the loop neither read nor accept, until ReleaseInput. It still handles what it has
// read, and writes what it holds. If a peer ends, the handler is told when the loop reads again.
// From the last turn on ticks stand still, and so do all timers: no peer loses time while nothing
// is read. Call it on the loop's goroutine, or while the loop does not turn.
func (l *Loop) HoldInput() {
	l.holding = true
	for i := range l.listeners {
		if ln := &l.listeners[i]; ln.fd >= 0 && !ln.resting {
			_ = l.poller.remove(int32(ln.fd)) // new connections wait in the kernel
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

// ReleaseInput undoes HoldInput. Call it where HoldInput may be called.
func (l *Loop) ReleaseInput() {
	l.holding = false
	for i := range l.listeners {
		if ln := &l.listeners[i]; ln.fd >= 0 && !ln.resting {
			ln.resting = true // set only so that resumeListening applies
			l.resumeListening(i)
		}
	}
	l.Wake()
}

// holdEnd records that the kernel has ended a connection while nothing is read. The connection is read
// to its end later.
func (l *Loop) holdEnd(c Conn, r *record) {
	if r.flags&flagPaused != 0 {
		l.broken(c, r, nil) // nothing is read from a paused connection
		return
	}
	r.flags |= flagReadable | flagEnded
	l.ready(c.Index(), r)
}

// Quiet reports whether no closed connection waits to be freed.
func (l *Loop) Quiet() bool { return len(l.doomed) == 0 }

// Arena returns the arena of the loop's records; other records may be in it. It is nil if no other
// program can take over the loop.
func (l *Loop) Arena() *Arena { return l.arena }

// State returns the loop's state, for ResumeLoop. HoldInput must be in force, and the loop Quiet and
// not turning. The result shares memory with the loop.
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

// RecordType returns the type of a connection's record. Its layout must be the same in both programs.
func RecordType() reflect.Type { return reflect.TypeFor[record]() }

// FDs returns the descriptors in the loop's State, except those of connections.
func (l *Loop) FDs() []int { return []int{l.poller.fd, l.poller.wakeFd, l.arena.fd} }

// Keep makes descriptors stay open when the process executes a program, or close then.
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

// ResumeLoop continues a loop of another program. From then on the loop owns the state's descriptors,
// except on an error. With rehearsal the loop has a copy of the records, and no sockets: it must not
// turn.
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
		l.woken.Store(1) // something may have been written to the eventfd of the other program's loop
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

// begin starts the first turn of a resumed loop. Until then the loop has changed nothing that the other
// program uses, neither a record nor the epoll set: the other program can still continue.
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

// resumeTally makes the loop continue the counters.
func resumeTally(l *Loop, t *Figures) {
	l.tally = *t
	s := &t.Stats
	l.stats.open.Store(s.Open)
	l.stats.accepted.Store(s.Accepted)
	l.stats.refused.Store(s.Refused)
	l.stats.turns.Store(s.Turns)
	l.stats.writes.Store(s.Writes)
}

// errHeldState rejects a state in which the data that connections have borrowed is inconsistent.
var errHeldState = errors.New("reactor: the state of held data is inconsistent")

// resumeHeld restores what connections have borrowed, in the places that their records name.
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

// Unread returns the input of a connection that was not consumed yet. It is valid until the loop's next
// turn.
func (l *Loop) Unread(c Conn) []byte {
	if r := l.record(c); r != nil && r.held != 0 && l.held[r.held].in != nil {
		return l.held[r.held].in.B
	}
	return nil
}
