package reactor

import (
	"math/rand/v2"
	"testing"
	"time"
)

// wheelModel is a wheel, and a naive model of what it should do.
type wheelModel struct {
	t      *testing.T
	w      *Wheel
	timers []Timer
	due    map[uint32]Tick // what was requested
	by     map[uint32]Tick // when it must have expired
}

func newWheelModel(t *testing.T, start Tick, n int) *wheelModel {
	m := &wheelModel{t: t, timers: make([]Timer, n+1), due: map[uint32]Tick{}, by: map[uint32]Tick{}}
	m.w = NewWheel(start, func(i uint32) *Timer { return &m.timers[i] })
	return m
}

func (m *wheelModel) schedule(i uint32, due Tick) {
	m.w.Schedule(i, due)
	m.due[i] = due
	m.by[i] = due
	if int32(due-m.w.now) < 1 {
		m.by[i] = m.w.now + 1
	}
}

func (m *wheelModel) cancel(i uint32) {
	m.w.Cancel(i)
	delete(m.due, i)
	delete(m.by, i)
}

// pop takes at most budget timers. If it gets fewer, no timer may be late.
func (m *wheelModel) pop(budget int) {
	m.t.Helper()
	for range budget {
		i := m.w.Pop()
		if i == 0 {
			for i, by := range m.by {
				if int32(by-m.w.now) <= 0 {
					m.t.Fatalf("at %d: %d was due at %d and did not run out", m.w.now, i, by)
				}
			}
			return
		}
		due, armed := m.due[i]
		if !armed || int32(due-m.w.now) > 0 {
			m.t.Fatalf("at %d: %d ran out; armed %v, due at %d", m.w.now, i, armed, due)
		}
		if m.timers[i] != (Timer{due: due}) {
			m.t.Fatalf("timer %d is linked after it expired: %+v", i, m.timers[i])
		}
		delete(m.due, i)
		delete(m.by, i)
	}
}

func (m *wheelModel) check() {
	m.t.Helper()
	if err := checkWheel(m.w); err != nil {
		m.t.Fatalf("at %d: %v", m.w.now, err)
	}
	if m.w.Count() != len(m.due) {
		m.t.Fatalf("%d armed, want %d", m.w.Count(), len(m.due))
	}
	ticks, any := m.w.Next()
	if any != (len(m.due) > 0) {
		m.t.Fatalf("Next says %v with %d armed", any, len(m.due))
	}
	if !m.w.Pending() && any && ticks == 0 {
		m.t.Fatal("Next wakes its owner for nothing")
	}
	for i, by := range m.by {
		if left := int32(by - m.w.now); left > 0 && ticks > uint32(left) {
			m.t.Fatalf("at %d: Next sleeps %d ticks, but %d is due in %d", m.w.now, ticks, i, left)
		}
	}
}

func TestWheelAgainstModel(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	rnd := rand.New(rand.NewPCG(seed, 2))
	starts := []Tick{0, 1, 63, 1<<24 - 3, 1<<31 - 70, 1<<32 - 5000, Tick(rnd.Uint32())}
	spans := []int32{1, 3, 64, 70, 4096, 5000, 1 << 18, 300_000, 1 << 24, 1 << 26}
	steps := []int32{1, 1, 2, 10, 63, 64, 65, 1000, 4096, 20_000}
	for _, start := range starts {
		const timers = 40
		m := newWheelModel(t, start, timers)
		for range 1500 {
			i := uint32(rnd.IntN(timers) + 1)
			switch rnd.IntN(8) {
			case 0:
				m.cancel(i)
			case 1: // a time in the past
				m.schedule(i, m.w.now-Tick(rnd.Int32N(100)))
			case 2, 3, 4:
				m.schedule(i, m.w.now+Tick(rnd.Int32N(spans[rnd.IntN(len(spans))])+1))
			default:
				m.w.Advance(m.w.now + Tick(rnd.Int32N(steps[rnd.IntN(len(steps))])+1))
				m.pop([]int{0, 1, 5, timers + 1}[rnd.IntN(4)])
			}
			m.check()
		}
		m.pop(timers + 1)
		m.check()
	}
}

// A timer beyond the wheel's reach is placed again and again until its time.
func TestWheelBeyondReach(t *testing.T) {
	m := newWheelModel(t, 1<<32-1000, 3)
	m.schedule(1, m.w.now+2*reach+12345)
	m.schedule(2, m.w.now+reach+1)
	m.schedule(3, m.w.now+reach)
	for len(m.due) > 0 {
		ticks, any := m.w.Next()
		if !any {
			t.Fatal("Next does not know of timers", m.due)
		}
		m.w.Advance(m.w.now + Tick(ticks))
		m.pop(4)
		m.check()
	}
}

// An owner that always sleeps as long as Next says finds each timer at its
// exact tick.
func TestWheelNextIsExactInTheEnd(t *testing.T) {
	for _, d := range []Tick{1, 2, 63, 64, 65, 127, 128, 4095, 4096, 4097, 262143, 262144, 1 << 22} {
		m := newWheelModel(t, 987_654, 1)
		m.schedule(1, m.w.now+d)
		turns := 0
		for m.w.Count() > 0 {
			ticks, _ := m.w.Next()
			m.w.Advance(m.w.now + Tick(ticks))
			m.pop(1)
			turns++
		}
		if m.w.now != 987_654+d || turns > levels+1 {
			t.Errorf("%d ticks took %d, in %d turns", d, m.w.now-987_654, turns)
		}
	}
}

// Moving a timer to a later time leaves it in its slot: that makes it cheap.
func TestWheelPostponeOnlyStores(t *testing.T) {
	m := newWheelModel(t, 0, 2)
	m.schedule(1, 10)
	before := m.timers[1].prev
	m.schedule(1, 1000)
	if m.timers[1].prev != before {
		t.Fatal("it moved")
	}
	m.w.Advance(999)
	m.pop(1)
	m.w.Advance(1000)
	m.pop(1)
	m.check()
	if m.w.Count() != 0 {
		t.Fatal("the timer is still armed")
	}
}

func TestWheelIdleSkipsAhead(t *testing.T) {
	m := newWheelModel(t, 5, 1)
	m.w.Advance(5 + 1<<30) // not a tick at a time
	m.schedule(1, m.w.now+1)
	m.w.Advance(m.w.now + 1)
	if m.w.Pop() != 1 {
		t.Fatal("lost")
	}
}

func BenchmarkWheel(b *testing.B) {
	const n = 1 << 16
	timers := make([]Timer, n+1)
	at := func(i uint32) *Timer { return &timers[i] }
	b.Run("schedule-and-cancel", func(b *testing.B) {
		w := NewWheel(0, at)
		i := uint32(0)
		for b.Loop() {
			i = i&(n-1) + 1
			w.Schedule(i, Tick(i)&1023+1)
			w.Cancel(i)
		}
	})
	b.Run("postpone", func(b *testing.B) {
		w := NewWheel(0, at)
		for i := uint32(1); i <= n; i++ {
			w.Schedule(i, 1000)
		}
		i := uint32(0)
		for b.Loop() {
			i = i&(n-1) + 1
			w.Schedule(i, timers[i].due+1)
		}
		for i := uint32(1); i <= n; i++ {
			w.Cancel(i)
		}
	})
	b.Run("advance-and-pop", func(b *testing.B) { // each timer is set again, 500 ticks ahead
		w := NewWheel(0, at)
		for i := uint32(1); i <= n; i++ {
			w.Schedule(i, Tick(i)%500+1)
		}
		for b.Loop() {
			i := w.Pop()
			for i == 0 {
				w.Advance(w.now + 1)
				i = w.Pop()
			}
			w.Schedule(i, w.now+500)
		}
	})
}
