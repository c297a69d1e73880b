package reactor

import (
	"errors"
	"slices"

	"github.com/valyala/bytebufferpool"
)

// A program with a different record layout, or another number of loops, cannot use the
// memory of a loop as it is. It makes its own loops and connections, from a description by
// names:
//
//  1. ConnsOf describes the connections of each loop, in addition to State.
//  2. NewLoopSince opens each of the new loops.
//  3. Mover.Move makes each connection, with a new record, in the epoll set of a new loop.
//     The old records and epoll sets stay unchanged: the old program can still go on with
//     them.

// Conns describes the connections of a loop: each column has an entry for each connection.
type Conns struct {
	Index, Gen []uint32 // of its Conn
	FD         []int32
	Tag        []uint8
	Flags      []string // names of the bits of Has, lowest bit first
	Has        []uint16
	Left       []int64  // milliseconds until its timer fires; negative: not armed
	Held       []uint32 // HeldState.Place of what it has borrowed; 0: nothing
}

// flagNames are the names of the flags, lowest bit first.
var flagNames = [...]string{
	"live", "paused", "readable", "ready", "blocked", "connecting", "ended", "told", "finishing", "lingering", "closing", "urgent", "output",
}

// ConnsOf describes the connections of a loop. The loop must be as State requires.
func ConnsOf(l *Loop) *Conns {
	c := &Conns{Flags: flagNames[:]}
	for i := uint32(1); i <= l.conns.Used(); i++ {
		r := l.conns.At(i)
		if r.flags&flagLive == 0 || r.fd < 0 {
			continue
		}
		left := int64(-1)
		if r.timer.Armed() {
			left = max(int64(int32(r.timer.Due()-l.Tick())), 0) * TickLength.Milliseconds()
		}
		c.Index, c.Gen = append(c.Index, i), append(c.Gen, r.gen)
		c.FD, c.Tag, c.Has = append(c.FD, r.fd), append(c.Tag, r.tag), append(c.Has, r.flags)
		c.Left, c.Held = append(c.Left, left), append(c.Held, r.held)
	}
	return c
}

// NewLoopSince opens a loop for connections of another program. Its ticks go on from those of one
// of that program's loops. Until its first turn, Release leaves connections open. With rehearsal
// the loop has no sockets: it must not turn.
func NewLoopSince(h Handler, cfg Config, of *LoopState, rehearsal bool) (*Loop, error) {
	l, err := NewLoop(h, cfg)
	if err != nil {
		return nil, err
	}
	l.untouched, l.anew, l.rehearses = true, true, rehearsal
	l.woken.Store(1) // connections are moved here: the first turn must not wait
	l.start = l.now.Add(-of.ticked())
	l.set(l.now)
	l.wheel.Advance(l.Tick())
	return l, nil
}

// errConns rejects an inconsistent list of connections.
var errConns = errors.New("reactor: the state of the connections is inconsistent")

// Mover makes connections from another program's description of those of one loop.
type Mover struct {
	*Conns
	st   *LoopState
	bits []uint16 // flag of each bit of Has
	held []int    // by place: index in st.Held, counted from 1; 0: none
	// frames are the frames of st, a copy for each loop: each copy counts its own holders.
	frames map[*Loop][]*Frame
}

// NewMover takes the State of a loop and its Conns. It does not read the loop's records.
func NewMover(st *LoopState, conns *Conns) (*Mover, error) {
	n := len(conns.Index)
	for _, of := range []int{len(conns.Gen), len(conns.FD), len(conns.Tag), len(conns.Has), len(conns.Left), len(conns.Held)} {
		if of != n {
			return nil, errConns
		}
	}
	m := &Mover{Conns: conns, st: st, frames: map[*Loop][]*Frame{}}
	for _, name := range conns.Flags {
		bit := slices.Index(flagNames[:], name)
		if bit < 0 {
			return nil, errConns
		}
		m.bits = append(m.bits, 1<<bit)
	}
	if st.HeldRoom < 0 || len(st.Held) > st.HeldRoom {
		return nil, errHeldState
	}
	m.held = make([]int, st.HeldRoom)
	for i, one := range st.Held {
		if int(one.Place) >= len(m.held) {
			return nil, errHeldState
		}
		m.held[one.Place] = i + 1
	}
	return m, nil
}

// Move makes the n-th connection a connection of a loop.
func (m *Mover) Move(n int, to *Loop) (Conn, error) {
	c, r := to.newConn(m.FD[n], m.Tag[n])
	if c == 0 || m.FD[n] < 0 {
		return 0, ErrNoRecord
	}
	for bit, flag := range m.bits {
		if m.Has[n]&(1<<bit) != 0 {
			r.flags |= flag
		}
	}
	if place := m.Held[n]; place != 0 {
		if int(place) >= len(m.held) || m.held[place] == 0 || !takeHeld(to, to.borrow(r), &m.st.Held[m.held[place]-1], m.framesOf(to)) {
			return 0, errHeldState
		}
	}
	if blocked := r.flags&flagBlocked != 0; blocked && (r.held == 0 || to.held[r.held].out == nil) {
		return 0, errHeldState
	} else if blocked {
		to.tally.Blocked++
	}
	if left := m.Left[n]; left >= 0 {
		to.wheel.Schedule(c.Index(), to.Tick()+Tick(min(left, farthest.Milliseconds())/TickLength.Milliseconds()))
	}
	if r.flags&flagReady != 0 {
		r.flags &^= flagReady
		to.ready(c.Index(), r)
	}
	if to.rehearses {
		return c, nil
	}
	mask := uint32(connEvents)
	if r.flags&(flagOutput|flagConnecting) != 0 {
		mask = outputEvents
	}
	return c, to.poller.add(r.fd, uint64(c), mask) // epoll reports readiness that exists already
}

// framesOf returns the copies of the frames that belong to a loop.
func (m *Mover) framesOf(to *Loop) []*Frame {
	list, known := m.frames[to]
	if !known {
		list = framesOf(m.st)
		m.frames[to] = list
	}
	return list
}

func framesOf(st *LoopState) []*Frame {
	list := make([]*Frame, len(st.Frames))
	for i, f := range st.Frames {
		list[i] = &Frame{Bytes: f.Bytes, Uncounted: f.Uncounted}
	}
	return list
}

// takeHeld restores what a connection has borrowed; false: the description is invalid.
func takeHeld(l *Loop, h *held, one *HeldState, frames []*Frame) bool {
	switch {
	case one.Frame < 0 || one.Frame > len(frames):
		return false
	case one.Frame > 0:
		f := frames[one.Frame-1]
		if one.Left < 0 || one.Left > len(f.Bytes) {
			return false
		}
		l.share(h, f)
		h.out = f.Bytes[len(f.Bytes)-one.Left:]
	case len(one.Out) > 0:
		h.own = &bytebufferpool.ByteBuffer{B: one.Out}
		h.out, h.kept = h.own.B, cap(h.own.B)
		l.heldBytes += h.kept
	}
	if len(one.In) > 0 {
		l.keepInput(h, &bytebufferpool.ByteBuffer{B: one.In})
	}
	return true
}

// AddCounts adds the counters of another loop to those of a loop that has not turned yet.
func AddCounts(l *Loop, t *Figures) {
	sum := &l.tally
	sum.BytesRead += t.BytesRead
	sum.BytesWritten += t.BytesWritten
	sum.Pauses += t.Pauses
	sum.Troubles += t.Troubles
	sum.Visits += t.Visits
	sum.TurnTimes.Sum += t.TurnTimes.Sum
	for i, n := range t.TurnTimes.Counts {
		sum.TurnTimes.Counts[i] += n
	}
	s := &l.stats
	s.accepted.Add(t.Accepted)
	s.refused.Add(t.Refused)
	s.turns.Add(t.Turns)
	s.writes.Add(t.Writes)
}
