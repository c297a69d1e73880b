package reactor

import (
	"bytes"
	"reflect"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// move lets two loops continue the connections of one, from its description by names, the
// last connection first, and then one loop those of both. It returns where each connection is
// now.
func (p *probe) move() map[Conn]Conn {
	p.t.Helper()
	p.loop.HoldInput()
	for !p.loop.Quiet() {
		p.turn()
	}
	halves := []*Loop{p.since(p.loop, false), p.since(p.loop, false)}
	first := p.moveTo([]*Loop{p.loop}, func(n int) *Loop { return halves[n%2] })
	whole := p.since(halves[0], false)
	second := p.moveTo(halves, func(int) *Loop { return whole })
	p.loop = whole
	now := map[Conn]Conn{}
	for before, at := range first {
		now[before[1].(Conn)] = second[[2]any{at[0], at[1]}][1].(Conn)
	}
	return now
}

// since makes a new loop whose ticks count as those of another one.
func (p *probe) since(of *Loop, rehearsal bool) *Loop {
	p.t.Helper()
	l, err := NewLoopSince(p, of.cfg, of.State(), rehearsal)
	if err != nil {
		p.t.Fatal(err)
	}
	return l
}

// moveTo moves all connections of some loops, and forgets those loops.
func (p *probe) moveTo(from []*Loop, to func(n int) *Loop) map[[2]any][2]any {
	p.t.Helper()
	now, rehearsed := map[[2]any][2]any{}, p.since(from[0], true)
	for _, l := range from {
		conns := ConnsOf(l)
		m, err := NewMover(l.State(), conns)
		if err != nil {
			p.t.Fatal(err)
		}
		for n := range slices.Backward(conns.Index) {
			if _, err := m.Move(n, rehearsed); err != nil {
				p.t.Fatal(err)
			}
			c, err := m.Move(n, to(n))
			if err != nil {
				p.t.Fatal(err)
			}
			now[[2]any{l, makeConn(conns.Index[n], conns.Gen[n])}] = [2]any{to(n), c}
		}
	}
	rehearsed.Release() // closes nothing that belongs to others
	for _, l := range from {
		if err := checkLoop(l); err != nil {
			p.t.Fatalf("after others have moved: %v", err)
		}
		l.poller.close()
		l.conns.Release()
	}
	for _, at := range now {
		if err := checkLoop(at[0].(*Loop)); err != nil {
			p.t.Fatal(err)
		}
	}
	return now
}

// TestMove: work under way on connections continues in other loops, exact to the byte and the
// tick.
func TestMove(t *testing.T) {
	p := newProbe(t, Config{Inheritable: true})
	p.onReceived = func(_ Conn, b []byte) int { return bytes.LastIndexByte(b, '\n') + 1 }
	partial, partialPeer := p.pair()
	stuck, stuckPeer := p.pair()
	shared, sharedPeer := p.pair()
	also, alsoPeer := p.pair()
	waiting, waitingPeer := p.pair()
	unread, unreadPeer := p.pair()
	partialPeer.send("whole\nhal")
	p.turn()
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	if err := p.loop.Write(stuck, big); err != nil {
		t.Fatal(err)
	}
	frame := &Frame{Bytes: big}
	for _, c := range []Conn{shared, also} {
		n, err := p.loop.TryWrite(c, big)
		if err != nil {
			t.Fatal(err)
		}
		p.loop.Hold(c, frame, n)
	}
	p.loop.Pause(waiting)
	p.loop.SetTimer(waiting, 2*time.Second)
	p.loop.HoldInput()
	unreadPeer.send("came too late\n")
	waitingPeer.closeWrite()
	p.turn()
	held, figures := p.loop.HeldOut(shared), p.loop.Figures()
	clear(p.got)
	now := p.move()
	if p.loop.HeldOut(now[shared]) != held || held == 0 || !p.loop.Blocked(now[stuck]) {
		t.Fatalf("held for the stuck readers: %d of %d", p.loop.HeldOut(now[shared]), held)
	}
	if f := p.loop.Figures(); f.Blocked != figures.Blocked || f.HeldBytes < figures.HeldBytes || f.InputBytes == 0 || f.Open != figures.Open || f.Held != figures.Held {
		t.Errorf("figures were %+v, and are %+v", figures, f)
	}
	partialPeer.send("f\n")
	p.until("all that was sent is read", func() bool {
		return string(p.got[now[partial]]) == "half\n" && string(p.got[now[unread]]) == "came too late\n" && slices.Contains(p.ended, now[waiting])
	})
	p.wantAll(big, stuckPeer, sharedPeer, alsoPeer)
	if p.loop.Tag(now[waiting]) != 7 {
		t.Errorf("the tag is %d", p.loop.Tag(now[waiting]))
	}
	p.later(1900 * time.Millisecond)
	if len(p.expired) > 0 {
		t.Errorf("expired too early: %v", p.expired)
	}
	p.later(200 * time.Millisecond)
	if !slices.Equal(p.expired, []Conn{now[waiting]}) {
		t.Errorf("expired: %v, want %v", p.expired, now[waiting])
	}
}

// TestConnsKnowRecord: a change that adds a field to a record, or a flag, must say here which
// column stands for it.
func TestConnsKnowRecord(t *testing.T) {
	mustKnow(t, reflect.TypeFor[record](), map[string]string{
		"fd": "FD", "gen": "Gen", "timer": "Left", "held": "Held", "user": "the handler's to say", "flags": "Has", "tag": "Tag", "_": "nothing",
	})
	if 1<<len(flagNames) != int(flagOutput)<<1 {
		t.Errorf("%d flags have names", len(flagNames))
	}
}

// TestMoveUnsound: invalid descriptions of connections are refused.
func TestMoveUnsound(t *testing.T) {
	p := newProbe(t, Config{Inheritable: true})
	p.pair()
	p.loop.HoldInput()
	for name, spoil := range map[string]func(*LoopState, *Conns){
		"a column that is short":    func(_ *LoopState, c *Conns) { c.Tag = nil },
		"a flag that is not known":  func(_ *LoopState, c *Conns) { c.Flags = []string{"live", "haunted"} },
		"held in no place":          func(_ *LoopState, c *Conns) { c.Held[0] = 9 },
		"no descriptor":             func(_ *LoopState, c *Conns) { c.FD[0] = -1 },
		"a descriptor that is none": func(_ *LoopState, c *Conns) { c.FD[0] = 1 << 20 },
		"blocked by nothing":        func(_ *LoopState, c *Conns) { c.Has[0] |= flagBlocked },
		"places that are none":      func(st *LoopState, _ *Conns) { st.HeldRoom = -1 },
		"a place beyond them":       func(st *LoopState, _ *Conns) { st.HeldRoom, st.Held = 2, []HeldState{{Place: 7}} },
	} {
		st, conns := p.loop.State(), ConnsOf(p.loop)
		spoil(st, conns)
		l := p.since(p.loop, false)
		m, err := NewMover(st, conns)
		if err == nil {
			_, err = m.Move(0, l)
		}
		if err == nil {
			t.Errorf("%s is taken", name)
		}
		l.Release()
	}
	if _, err := unix.FcntlInt(uintptr(ConnsOf(p.loop).FD[0]), unix.F_GETFD, 0); err != nil {
		t.Errorf("a connection that could not be moved was closed: %v", err)
	}
}
