package reactor

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// handOver has another loop go on, as one of another program would: it is given nothing
// but what has been written down, and the descriptors. Where that mayFail and does, the
// loop goes on itself.
func (p *probe) handOver(mayFail bool) {
	p.t.Helper()
	old := p.loop
	old.HoldInput()
	for !old.Quiet() {
		p.turn()
	}
	var text bytes.Buffer
	if err := gob.NewEncoder(&text).Encode(old.State()); err != nil {
		p.t.Fatal(err)
	}
	var st LoopState
	if err := gob.NewDecoder(&text).Decode(&st); err != nil {
		p.t.Fatal(err)
	}
	rehearsal := st
	var err error
	if rehearsal.Arena, err = sysDup(st.Arena); err != nil {
		p.t.Fatal(err)
	}
	rehearsed, err := ResumeLoop(p, old.cfg, &rehearsal, true)
	if err != nil && mayFail {
		unix.Close(rehearsal.Arena)
		old.ReleaseInput()
		return
	} else if err != nil {
		p.t.Fatal(err)
	}
	if err := checkLoop(rehearsed); err != nil {
		p.t.Fatal(err)
	}
	rehearsed.conns.Release()
	rehearsed.arena.Close()
	rehearsed.poller.close()
	if err := checkLoop(old); err != nil {
		p.t.Fatalf("after a rehearsal: %v", err)
	}
	if p.loop, err = ResumeLoop(p, old.cfg, &st, false); err != nil {
		p.t.Fatal(err)
	}
	// Its ticks have stood still, however long that took.
	if now, before := p.loop.now.Sub(p.loop.start), old.now.Sub(old.start); now != before {
		p.t.Fatalf("the loop had ticked for %v, and then for %v after the hand-over", before, now)
	}
	old.conns.Release() // its mapping alone
	if err := checkLoop(p.loop); err != nil {
		p.t.Fatal(err)
	}
}

// TestHandOver: what is under way on connections goes on in the other loop, to the byte
// and to the tick.
func TestHandOver(t *testing.T) {
	p := newProbe(t, Config{Inheritable: true})
	half := func(_ Conn, b []byte) int { return bytes.LastIndexByte(b, '\n') + 1 }
	p.onReceived = half
	partial, partialPeer := p.pair()
	stuck, stuckPeer := p.pair()
	shared, sharedPeer := p.pair()
	waiting, waitingPeer := p.pair()
	unread, unreadPeer := p.pair()
	bare := p.loop.Timer(3*time.Second, 9)
	partialPeer.send("whole\nhal")
	p.turn()
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	if err := p.loop.Write(stuck, big); err != nil {
		t.Fatal(err)
	}
	n, err := p.loop.TryWrite(shared, big)
	if err != nil {
		t.Fatal(err)
	}
	p.loop.Hold(shared, &Frame{Bytes: big}, n)
	p.loop.Pause(waiting)
	p.loop.SetTimer(waiting, 2*time.Second)
	p.loop.SetUser(waiting, 77)
	p.loop.HoldInput()
	unreadPeer.send("came too late\n")
	waitingPeer.closeWrite()
	p.turn()
	if len(p.got[unread]) > 0 || len(p.ended) > 0 {
		t.Fatalf("while input is held: read %q, ended %v", p.got[unread], p.ended)
	}
	blocked, held := p.loop.Blocked(stuck), p.loop.HeldOut(shared)
	p.handOver(false)
	if !blocked || !p.loop.Blocked(stuck) || p.loop.HeldOut(shared) != held || held == 0 {
		t.Fatalf("held for the stuck readers: %v, %v, %d of %d", blocked, p.loop.Blocked(stuck), p.loop.HeldOut(shared), held)
	}
	partialPeer.send("f\n")
	p.until("all that was sent is read", func() bool {
		return string(p.got[partial]) == "whole\nhalf\n" && string(p.got[unread]) == "came too late\n" && slices.Contains(p.ended, waiting)
	})
	p.wantAll(big, stuckPeer, sharedPeer)
	if p.loop.User(waiting) != 77 || p.loop.Tag(waiting) != 7 {
		t.Errorf("the handler's word is %d, the tag %d", p.loop.User(waiting), p.loop.Tag(waiting))
	}
	p.later(1900 * time.Millisecond)
	if len(p.expired) > 0 {
		t.Errorf("expired too early: %v", p.expired)
	}
	p.later(200 * time.Millisecond)
	p.later(time.Second)
	if !slices.Equal(p.expired, []Conn{waiting, bare}) {
		t.Errorf("expired: %v, want %v", p.expired, []Conn{waiting, bare})
	}
}

// wantAll has peers read all that was held for them.
func (p *probe) wantAll(want []byte, peers ...*peer) {
	p.t.Helper()
	for _, peer := range peers {
		var got []byte
		p.until("all that was held is written", func() bool {
			data, _ := peer.take()
			got = append(got, data...)
			return len(got) >= len(want)
		})
		if !bytes.Equal(got, want) {
			p.t.Error("held data arrived damaged")
		}
	}
}

// TestHoldInput: a loop that goes on by itself has lost nothing, and takes up its
// listeners again.
func TestHoldInput(t *testing.T) {
	p := newProbe(t, Config{Inheritable: true})
	ln, err := Listen("127.0.0.1:0", SocketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.loop.AddListener(ln, 1); err != nil {
		t.Fatal(err)
	}
	gone, gonePeer := p.tcpPair()
	p.loop.HoldInput()
	fd, err := dial(ln.Addr(), "", SocketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	late := newPeer(t, fd)
	gonePeer.send("last words")
	gonePeer.reset()
	for range 20 {
		if err := p.loop.Turn(time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	if len(p.opened) > 0 || p.wasClosed(gone) {
		t.Fatalf("while input is held: opened %v, closed %v", p.opened, p.closed)
	}
	p.loop.ReleaseInput()
	late.send("hello")
	p.until("all is told", func() bool {
		return len(p.opened) == 1 && string(p.got[p.opened[0]]) == "hello" && p.wasClosed(gone)
	})
}

// TestHoldInputTimers: ticks stand still while nothing is read, however long that is, for a loop
// that goes on by itself as for another one.
func TestHoldInputTimers(t *testing.T) {
	for _, handedOver := range []bool{false, true} {
		p := newProbe(t, Config{Inheritable: true})
		c, _ := p.pair()
		p.loop.SetTimer(c, 2*time.Second)
		p.later(time.Second)
		tick := p.loop.Tick()
		p.loop.HoldInput()
		p.later(time.Minute) // what is under way comes to its end
		p.now = p.now.Add(time.Minute)
		if handedOver {
			p.handOver(false)
		} else {
			p.turn()
			p.loop.ReleaseInput()
		}
		if now := p.loop.Tick(); now != tick || len(p.expired) > 0 {
			t.Errorf("handed over %v: the tick was %d, and is %d; expired: %v", handedOver, tick, now, p.expired)
		}
		p.later(900 * time.Millisecond)
		if len(p.expired) > 0 {
			t.Errorf("handed over %v: expired too early", handedOver)
		}
		p.later(200 * time.Millisecond)
		if !slices.Equal(p.expired, []Conn{c}) {
			t.Errorf("handed over %v: expired: %v, want %v", handedOver, p.expired, c)
		}
	}
}

// TestInheritable: accepted sockets stay open over exec where the loop may be handed
// over, and nowhere else.
func TestInheritable(t *testing.T) {
	for _, inheritable := range []bool{false, true} {
		p := newProbe(t, Config{Inheritable: inheritable})
		ln, err := Listen("127.0.0.1:0", SocketOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.loop.AddListener(ln, 1); err != nil {
			t.Fatal(err)
		}
		fd, err := dial(ln.Addr(), "", SocketOptions{})
		if err != nil {
			t.Fatal(err)
		}
		newPeer(t, fd)
		p.until("it is accepted", func() bool { return len(p.opened) == 1 })
		flags, err := unix.FcntlInt(uintptr(p.loop.Fd(p.opened[0])), unix.F_GETFD, 0)
		if err != nil {
			t.Fatal(err)
		}
		if open := flags&unix.FD_CLOEXEC == 0; open != inheritable {
			t.Errorf("inheritable %v: stays open over exec: %v", inheritable, open)
		}
	}
}

// TestResumeRefusesUnsound: a state that cannot be is an error, and no crash.
func TestResumeRefusesUnsound(t *testing.T) {
	for name, spoil := range map[string]func(*LoopState){
		"records of another size":      func(st *LoopState) { st.Records.Size = 40 },
		"more records than memory":     func(st *LoopState) { st.Records.Used = 1 << 20 },
		"a chunk beyond the end":       func(st *LoopState) { st.Records.Chunks[0] = 1 << 40 },
		"a free record that is none":   func(st *LoopState) { st.Records.Free = st.Records.Used + 1 },
		"no memory":                    func(st *LoopState) { st.Arena = 1 << 20 },
		"held in no place":             func(st *LoopState) { st.Held = []HeldState{{Place: 7}} },
		"held in a place that is none": func(st *LoopState) { st.HeldRoom = 0 },
		"a frame that is none":         func(st *LoopState) { st.HeldRoom, st.Held = 2, []HeldState{{Place: 1, Frame: 3}} },
	} {
		p := newProbe(t, Config{Inheritable: true})
		p.pair()
		p.loop.HoldInput()
		st := *p.loop.State()
		arena, err := sysDup(st.Arena)
		if err != nil {
			t.Fatal(err)
		}
		st.Arena, st.Records.Chunks = arena, slices.Clone(st.Records.Chunks)
		spoil(&st)
		if l, err := ResumeLoop(p, p.loop.cfg, &st, true); err == nil {
			t.Errorf("%s: resumed as %v", name, l)
		}
		unix.Close(arena)
	}
}

// handedOver says of each field of a loop how another one comes to it.
var handedOver = map[string]string{
	"cfg": "given", "handler": "given", "poller": "State", "conns": "State", "wheel": "State", "start": "State", "now": "the clock", "tick": "the clock",
	"in": "new", "held": "State", "heldBytes": "counted", "inputBytes": "counted", "heldFree": "made of held", "buffers": "new",
	"readyList": "State", "readySpare": "new", "doomed": "empty: Quiet", "listeners": "given, without the timers of the old ones",
	"reserve": "new", "reserveSpent": "new", "signals": "none: Notify is called anew", "cancels": "none: Notify is called anew",
	"loop": "given", "finishing": "no: the listeners are open", "whole": "no: no rush has begun", "many": "no: no rush has begun", "holding": "no", "untouched": "yes", "turning": "no", "anew": "no", "rehearses": "given", "rests": "State", "released": "no", "arena": "State", "acceptFlags": "cfg", "sleep": "new",
	"stats": "State.Tally", "writes": "none: TurnEnded was called", "tally": "State.Tally",
	"watchMu": "free", "watchers": "none: they are others'", "watchesEnded": "no", "after": "none: the turn is over", "givesWay": "no", "asleep": "no", "woken": "yes", "wakers": "none", "stopped": "no",
}

// TestHandOverKnowsLoop: a change that adds a field to a loop, or to what is held, says here
// whether a loop that goes on has it.
func TestHandOverKnowsLoop(t *testing.T) {
	mustKnow(t, reflect.TypeFor[Loop](), handedOver)
	mustKnow(t, reflect.TypeFor[held](), map[string]string{
		"in": "In", "out": "Out, Left", "own": "Out", "frame": "Frame", "kept": "counted", "taken": "counted", "err": "none: Quiet", "free": "made anew",
	})
	mustKnow(t, reflect.TypeFor[Frame](), map[string]string{"Bytes": "Bytes", "Uncounted": "Uncounted", "holders": "counted"})
	mustKnow(t, reflect.TypeFor[Wheel](), map[string]string{"at": "given", "now": "Now", "count": "Count", "busy": "Busy", "slots": "Slots"})
}

func mustKnow(t *testing.T, of reflect.Type, known map[string]string) {
	t.Helper()
	var unknown []string
	fields := 0
	for _, field := range reflect.VisibleFields(of) {
		if field.Anonymous {
			continue // its own fields are visible
		}
		if fields++; known[field.Name] == "" {
			unknown = append(unknown, field.Name)
		}
	}
	if len(unknown) > 0 {
		t.Errorf("%v: decide whether %s is handed over", of, strings.Join(unknown, ", "))
	}
	if len(known) != fields {
		t.Errorf("%v has %d fields, and %d are known here", of, fields, len(known))
	}
}

// TestArenaOfNothing: slabs without an arena are as they were.
func TestArenaOfNothing(t *testing.T) {
	var s Slab[[8]byte]
	s.In(nil)
	if s.Alloc() != 1 || s.State().Chunks != nil {
		t.Errorf("state: %s", fmt.Sprint(s.State()))
	}
	s.Release()
}
