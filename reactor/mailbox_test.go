package reactor

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestMailboxIsInOrder(t *testing.T) {
	p := newProbe(t, Config{})
	box := NewMailbox[int](p.loop)
	if len(box.Drain()) != 0 {
		t.Fatal("a new mailbox is not empty")
	}
	next := 0
	for round := range 100 {
		for i := range round {
			box.Post(3*(next+i), 3*(next+i)+1, 3*(next+i)+2)
		}
		box.Post()
		for i, m := range box.Drain() {
			if m != 3*next+i {
				t.Fatalf("round %d: mail %d is %d", round, i, m)
			}
		}
		next += round
	}
}

// Drained messages are dropped, and a queue that a rush has made large is not kept.
func TestMailboxLetsGo(t *testing.T) {
	p := newProbe(t, Config{})
	box := NewMailbox[*int](p.loop)
	for range keepQueue * 2 {
		box.Post(new(int))
	}
	batch := box.Drain()
	box.Drain()
	for _, m := range batch {
		if m != nil {
			t.Fatal("it still refers to its content")
		}
	}
	if cap(box.spare) > keepQueue || cap(box.queue) > keepQueue {
		t.Fatal("it still has the memory of the rush")
	}
}

// A goroutine that a turn has made runnable runs before the loop waits, if the loop yields to
// it: with one processor nothing else can run it.
func TestMailboxGivesWay(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const turns = 200
	for _, gives := range []bool{false, true} {
		p := newProbe(t, Config{})
		box := NewMailbox[int](p.loop)
		told, ran, seen := make(chan struct{}, 1), atomic.Int32{}, 0
		go func() {
			for range told {
				ran.Add(1)
			}
		}()
		for turn := range int32(turns) {
			told <- struct{}{}
			if gives {
				box.GiveWay()
			}
			if err := p.loop.Turn(0); err != nil {
				t.Fatal(err)
			}
			if ran.Load() == turn+1 {
				seen++
			}
			for ran.Load() != turn+1 {
				runtime.Gosched()
			}
		}
		close(told)
		if few := seen < turns/2; few == gives { // now and then the scheduler may run another goroutine first
			t.Errorf("it gives way: %v, and in %d of %d turns the goroutine has run before the wait is over", gives, seen, turns)
		}
	}
}

// letter is numbered by its sender.
type letter struct{ from, number int }

// postman is a handler that sleeps until mail comes.
type postman struct {
	probe
	box  *Mailbox[letter]
	next []int
	left int
}

func (p *postman) TurnEnded(time.Time) time.Duration {
	for _, m := range p.box.Drain() {
		if m.number != p.next[m.from] {
			p.t.Errorf("from %d came %d, want %d", m.from, m.number, p.next[m.from])
		}
		p.next[m.from] = m.number + 1
		p.left--
	}
	if p.left == 0 {
		p.loop.Stop()
	}
	return -1
}

// Many goroutines post to a loop that sleeps whenever it can, and only mail wakes it: after one
// lost wake-up it would sleep for ever.
func TestMailboxFromManyLosesNoWakeUp(t *testing.T) {
	const producers, each = 8, 3000
	p := &postman{probe: probe{t: t, closed: map[Conn]error{}}, next: make([]int, producers), left: producers * each}
	loop, err := NewLoop(p, Config{})
	if err != nil {
		t.Fatal(err)
	}
	p.loop = loop
	p.box = NewMailbox[letter](loop)
	var all sync.WaitGroup
	for from := range producers {
		all.Go(func() {
			for n := range each {
				p.box.Post(letter{from, n})
			}
		})
	}
	if err := loop.Run(); err != nil {
		t.Fatal(err)
	}
	all.Wait()
}

// The same, but each letter is answered before the next is written, so that the loop goes to
// sleep between any two.
func TestMailboxPingPong(t *testing.T) {
	const rounds = 3000
	p := &probe{t: t, closed: map[Conn]error{}}
	loop, err := NewLoop(p, Config{})
	if err != nil {
		t.Fatal(err)
	}
	p.loop = loop
	box := NewMailbox[int](loop)
	answers := make(chan int, 1)
	p.onTurnEnded = func() time.Duration {
		for _, m := range box.Drain() {
			answers <- m
		}
		return -1
	}
	ran := make(chan error)
	go func() { ran <- loop.Run() }()
	for i := range rounds {
		box.Post(i)
		if got := <-answers; got != i {
			t.Fatal(got, i)
		}
	}
	loop.Stop()
	if err := <-ran; err != nil {
		t.Fatal(err)
	}
}

func BenchmarkMailbox(b *testing.B) {
	p := newProbe(b, Config{})
	box := NewMailbox[letter](p.loop)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		box.Post(letter{number: n})
		if n++; n&255 == 0 {
			box.Drain()
		}
	}
}
