package reactor

import (
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// sleeper is a loop whose goroutine sleeps, and what its handler is told.
type sleeper struct {
	*probe
	mail  *Mailbox[int]
	turns atomic.Int64 // of the goroutine's own that have ended
	ended chan error
	got   []int // whoever turns the loop writes it
	lent  []bool
	wish  time.Duration // of the handler
}

func newSleeper(t *testing.T) *sleeper {
	s := &sleeper{probe: newProbe(t, Config{}), ended: make(chan error, 1), wish: -1}
	s.mail = NewMailbox[int](s.loop)
	s.onTurnEnded = func() time.Duration {
		s.got = append(s.got, s.mail.Drain()...)
		s.lent = append(s.lent, s.loop.Lent())
		return s.wish
	}
	return s
}

// fallAsleep has a goroutine take a turn, for which nothing has come.
func (s *sleeper) fallAsleep() {
	go func() {
		err := s.loop.Turn(-1)
		s.turns.Add(1)
		s.ended <- err
	}()
	for s.loop.asleep.Load() == 0 || !s.isFree() {
		runtime.Gosched()
	}
}

// isFree says whether a loop can be taken.
func (s *sleeper) isFree() bool {
	if s.loop.owner.TryLock() {
		s.loop.owner.Unlock()
		return true
	}
	return false
}

// has says what a loop that sleeps has got, and how often it was lent.
func (s *sleeper) has() (got, lent int) {
	s.loop.owner.Lock()
	defer s.loop.owner.Unlock()
	for _, was := range s.lent {
		if was {
			lent++
		}
	}
	return len(s.got), lent
}

// wakes waits for the goroutine's turn to end.
func (s *sleeper) wakes() {
	s.t.Helper()
	if err := <-s.ended; err != nil {
		s.t.Fatal(err)
	}
}

// A loop that sleeps takes the turn that mail brings on the goroutine that has posted it, and its
// own goroutine sleeps on.
func TestLentTurn(t *testing.T) {
	s := newSleeper(t)
	s.fallAsleep()
	for n := range 3 {
		s.mail.Add(n)
		s.loop.WakeOrTurn()
		if got, lent := s.has(); got != n+1 || lent != n+1 {
			t.Fatalf("after mail %d the loop has got %d, in %d lent turns", n, got, lent)
		}
	}
	if n := s.turns.Load(); n != 0 {
		t.Fatalf("its goroutine has taken %d turns", n)
	}
	s.loop.Wake()
	s.wakes()
	if n := len(s.lent); n != 4 || s.lent[3] || s.loop.Lent() || !slices.Equal(s.got, []int{0, 1, 2}) {
		t.Fatalf("turns: %v, got %v", s.lent, s.got)
	}
	if st := s.loop.Stats(); st.Turns != 4 || st.Lent != 3 {
		t.Fatalf("%d turns are counted, %d of them lent", st.Turns, st.Lent)
	}
}

// The goroutine is woken for what a lent turn has left: work, a time that comes before it
// would wake, the end of the loop.
func TestLentTurnWakes(t *testing.T) {
	for name, leave := range map[string]func(*sleeper){
		"work":      func(s *sleeper) { s.wish = 0 },
		"a wish":    func(s *sleeper) { s.wish = time.Hour },
		"a timer":   func(s *sleeper) { s.loop.Timer(time.Hour, 0) },
		"listeners": func(s *sleeper) { s.loop.finishing = true },
		"the end":   func(s *sleeper) { s.loop.stopped.Store(true) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSleeper(t)
			first := true
			end := s.onTurnEnded
			s.onTurnEnded = func() time.Duration {
				if first {
					leave(s)
					first = false
				}
				return end()
			}
			s.fallAsleep()
			s.mail.Add(1)
			s.loop.WakeOrTurn()
			s.wakes()
			if len(s.lent) != 2 || !s.lent[0] || s.lent[1] {
				t.Fatalf("turns: %v", s.lent)
			}
		})
	}
}

// It is not woken for what is due when it would wake anyway.
func TestLentTurnLetsSleep(t *testing.T) {
	s := newSleeper(t)
	s.wish = time.Hour
	s.loop.sleep = time.Hour
	s.fallAsleep()
	for range 3 {
		s.now = s.now.Add(-time.Millisecond / 4) // due so much earlier
		s.mail.Add(1)
		s.loop.WakeOrTurn()
	}
	if wakes(s.loop) || s.turns.Load() > 0 {
		t.Fatal("its goroutine was woken")
	}
	s.loop.Wake()
	s.wakes()
}

// wakes says whether the loop's goroutine is to wake: a caller finds it woken already.
func wakes(l *Loop) bool { return l.woken.Load() != 0 }

// A loop that is awake, or whose turn is taken already, is woken as ever.
func TestNotLent(t *testing.T) {
	s := newSleeper(t)
	s.mail.Add(1)
	s.loop.WakeOrTurn() // it does not sleep: a turn follows
	if len(s.got) != 0 {
		t.Fatal("the turn of a loop that is awake was taken")
	}
	s.turn()
	if len(s.got) != 1 || s.lent[0] {
		t.Fatalf("got %v, lent: %v", s.got, s.lent)
	}
	s.fallAsleep()
	s.loop.owner.Lock() // another loop has it
	s.mail.Add(2)
	s.loop.WakeOrTurn()
	if len(s.got) != 1 {
		t.Fatal("two take the turn of one loop")
	}
	s.loop.owner.Unlock()
	s.wakes()
	if len(s.got) != 2 || s.lent[1] {
		t.Fatalf("got %v, lent: %v", s.got, s.lent)
	}
}

// Loops that post to each other, as they sleep and wake, lose no mail and keep its order.
func TestLoopsLendEachOther(t *testing.T) {
	const loops, rounds = 4, 2000
	type letter struct{ from, n int }
	var boxes [loops]*Mailbox[letter]
	var heard [loops][loops]int // [to][from]: the next number
	var left atomic.Int64
	left.Store(loops * rounds)
	done := make(chan struct{})
	g, err := NewGroup(loops, func(i int) (*Loop, error) {
		p := &probe{t: t, closed: map[Conn]error{}}
		sent := [loops]int{}
		p.onTurnEnded = func() time.Duration {
			for _, m := range boxes[i].Drain() {
				if m.from >= 0 {
					if m.n != heard[i][m.from] {
						t.Errorf("loop %d hears %d of loop %d, want %d", i, m.n, m.from, heard[i][m.from])
					}
					heard[i][m.from]++
				}
				if n := left.Add(-1); n == 0 {
					close(done)
				} else if n > 0 {
					to := (i + 1 + int(n)%(loops-1)) % loops
					boxes[to].Add(letter{i, sent[to]})
					sent[to]++
					boxes[to].Loop().WakeOrTurn()
				}
			}
			return -1
		}
		l, err := NewLoop(p, Config{})
		boxes[i] = NewMailbox[letter](l)
		return l, err
	})
	if err != nil {
		t.Fatal(err)
	}
	g.Start()
	for i := range loops {
		boxes[i].Post(letter{-1, 0})
	}
	<-done
	g.Stop()
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}
