package reactor

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// relay passes a message on to the next loop, by mail, until it has gone around.
type relay struct {
	quiet
	mail  *Mailbox[int]
	next  *relay
	came  atomic.Int64 // messages that have come here
	wish  atomic.Int64 // how long it wants to sleep; 0: no bound
	turns atomic.Int64
	tells atomic.Pointer[Figures]
	fails atomic.Bool                   // its system calls fail from now on
	busy  *atomic.Bool                  // common to all
	gone  atomic.Bool                   // its connection is closed
	waits atomic.Pointer[chan struct{}] // its next turn reports there that it has begun, and then waits to be told to end
	over  chan struct{}                 // a message has gone around
}

func (r *relay) Closed(Conn, error) { r.gone.Store(true) }

func (r *relay) TurnEnded(time.Time) time.Duration {
	r.turns.Add(1)
	figures := r.loop.Figures()
	r.tells.Store(&figures)
	if turn := r.waits.Swap(nil); turn != nil {
		*turn <- struct{}{}
		<-*turn
	}
	for _, left := range r.mail.Drain() {
		r.came.Add(1)
		switch {
		case left > 0:
			r.next.mail.Post(left - 1)
		case left < 0 && r.busy.Load(): // a message without end
			r.next.mail.Post(left)
		default:
			r.over <- struct{}{}
		}
	}
	if r.fails.Swap(false) {
		spare, _ := sysSpare()
		_ = unix.Dup3(spare, r.loop.poller.fd, unix.O_CLOEXEC)
		sysClose(int32(spare))
		r.loop.Timer(0, 0)
	}
	if wish := r.wish.Load(); wish > 0 {
		return time.Duration(wish)
	}
	return -1
}

// relays starts a group of n loops. It uses a whole processor while busy is set, and else
// nothing.
func relays(t *testing.T, n int, set func(*sharing)) (g *Group, all []*relay, busy *atomic.Bool) {
	t.Helper()
	busy = new(atomic.Bool)
	over := make(chan struct{}, 16)
	group, err := NewGroup(n, func(int) (*Loop, error) {
		r := &relay{over: over, busy: busy}
		var err error
		r.loop, err = NewLoop(r, Config{})
		if err != nil {
			return nil, err
		}
		r.mail = NewMailbox[int](r.loop)
		all = append(all, r)
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			t.Cleanup(func() { unix.Close(fds[1]) })
			_, err = r.loop.Adopt(fds[0], 0, nil)
		}
		return r.loop, err
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range all {
		r.next = all[(i+1)%n]
	}
	group.sharing.lowLoadTime, group.sharing.minLowLoadTime = 5*time.Millisecond, 5*time.Millisecond
	group.sharing.here.spent = func() (time.Duration, int) {
		if busy.Load() {
			return time.Duration(Monotonic()), 0
		}
		return 0, 0
	}
	group.sharing.all.spent = group.sharing.here.spent
	if set != nil {
		set(group.sharing)
	}
	group.Start()
	return group, all, busy
}

// around sends a message around, so many times, and waits for it.
func around(t *testing.T, all []*relay, times int) {
	t.Helper()
	all[0].mail.Post(times * len(all))
	select {
	case <-all[0].over:
	case <-time.After(time.Minute):
		t.Fatal("mail was lost")
	}
}

// guests returns how many loops are on the first one's goroutine.
func guests(g *Group) int {
	g.sharing.mu.Lock()
	defer g.sharing.mu.Unlock()
	return g.sharing.away
}

// await waits until that many are, and sends a message around now and then.
func await(t *testing.T, g *Group, all []*relay, want int) {
	t.Helper()
	for began := time.Now(); guests(g) != want; time.Sleep(time.Millisecond) {
		if around(t, all, 1); time.Since(began) > time.Minute {
			t.Fatalf("%d loops share the first one's goroutine, want %d", guests(g), want)
		}
	}
}

func stopped(t *testing.T, g *Group) {
	t.Helper()
	g.Stop()
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	if n := guests(g); n != 0 {
		t.Errorf("%d loops never came back", n)
	}
}

// Loops with little to do share a goroutine, handle mail there, and go back when they are told
// to, however often. If there is much to do they go back by themselves.
func TestSharing(t *testing.T) {
	g, all, _ := relays(t, 3, nil)
	await(t, g, all, 2)
	before := all[2].came.Load()
	around(t, all, 100)
	if n := all[2].came.Load() - before; n != 100 {
		t.Errorf("the last loop got %d messages, want 100", n)
	}
	told(t, all, true, 1)
	for i := range 3 {
		release, err := g.KeepApart(t.Context())
		other, again := g.KeepApart(t.Context())
		if err != nil || again != nil {
			t.Fatal(err, again)
		}
		if n := guests(g); n != 0 {
			t.Fatalf("%d loops are not on their own goroutines", n)
		}
		around(t, all, 100)
		told(t, all, false, uint64(i+1))
		release()
		release() // has no effect
		around(t, all, 1)
		if g.sharing.invited.Load() {
			t.Fatal("loops were invited while KeepApart holds")
		}
		other()
		await(t, g, all, 2)
	}
	around(t, all, 1)
	told(t, all, true, 4)
	stopped(t, g)
}

// told reports whether the loops' figures say that all but the first share its goroutine, and
// how often they have come to it.
func told(t *testing.T, all []*relay, guests bool, visits uint64) {
	t.Helper()
	for i, r := range all {
		want, times := guests, visits
		if i == 0 {
			want, times = false, 0
		}
		if f := r.tells.Load(); f.Guest != want || f.Visits != times {
			t.Errorf("loop %d reports %v and %d visits, want %v and %d", i, f.Guest, f.Visits, want, times)
		}
	}
}

// If there is much to do, loops go back to their own goroutines, and come again when there is
// little.
func TestSharingEnds(t *testing.T) {
	g, all, busy := relays(t, 3, nil)
	for range 3 {
		await(t, g, all, 2)
		busy.Store(true)
		all[0].mail.Post(-1)
		for began := time.Now(); guests(g) > 0; time.Sleep(time.Millisecond) {
			if time.Since(began) > time.Minute {
				t.Fatal("busy loops share a goroutine")
			}
		}
		busy.Store(false)
		<-all[0].over
	}
	stopped(t, g)
}

// Loops stay together while other threads of the process are busy, as in a garbage collection,
// and while the CPU time of their own thread is unknown.
func TestSharingBeside(t *testing.T) {
	for name, spent := range map[string]func() (time.Duration, int){
		"nothing": func() (time.Duration, int) { return 0, 0 },
		"unknown": func() (time.Duration, int) { now := Monotonic(); return time.Duration(now), int(now) },
	} {
		t.Run(name, func(t *testing.T) {
			var looks atomic.Int64
			g, all, busy := relays(t, 3, func(s *sharing) {
				s.here.spent = func() (time.Duration, int) { looks.Add(1); return spent() }
			})
			await(t, g, all, 2)
			busy.Store(true)
			all[0].mail.Post(-1)
			for began, first := time.Now(), looks.Load(); looks.Load() < first+10; time.Sleep(time.Millisecond) {
				if time.Since(began) > time.Minute {
					t.Fatal("the load was not measured")
				}
			}
			busy.Store(false)
			<-all[0].over
			around(t, all, 1)
			told(t, all, true, 1)
			stopped(t, g)
		})
	}
}

// A guest whose turn fails ends the group with that error, and no loop is left.
func TestSharingFails(t *testing.T) {
	for n := range 3 {
		g, all, _ := relays(t, 3, nil)
		await(t, g, all, 2)
		all[n].fails.Store(true)
		all[n].loop.Wake()
		if err := g.Wait(); err == nil || guests(g) != 0 {
			t.Errorf("loop %d fails: %v; %d loops share a goroutine", n, err, guests(g))
		}
	}
}

// Loops that cannot be separated in time, because one is in a turn, may share a goroutine
// again, as if KeepApart had not been called.
func TestSharingKeptTooLate(t *testing.T) {
	g, all, _ := relays(t, 2, nil)
	await(t, g, all, 1)
	turn := make(chan struct{})
	all[1].waits.Store(&turn)
	all[1].mail.Post(0)
	<-turn // it has begun
	late, cancel := context.WithCancel(t.Context())
	cancel()
	if release, err := g.KeepApart(late); release != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("kept apart: %v", err)
	}
	turn <- struct{}{}
	<-all[1].over
	await(t, g, all, 1)
	stopped(t, g)
}

// A single loop can be stopped while it is a guest; the others go on.
func TestSharingStop(t *testing.T) {
	g, all, _ := relays(t, 3, nil)
	await(t, g, all, 2)
	all[2].loop.Stop()
	for began := time.Now(); !all[2].gone.Load(); time.Sleep(time.Millisecond) {
		if time.Since(began) > time.Minute {
			t.Fatal("the loop did not stop")
		}
	}
	all[0].mail.Post(1)
	<-all[0].over
	stopped(t, g)
}

// A loop that shares a goroutine gets its turns when its handler wants them, and its timers,
// however often the others get theirs.
func TestSharingTime(t *testing.T) {
	g, all, _ := relays(t, 3, nil)
	await(t, g, all, 2)
	all[2].wish.Store(int64(20 * time.Millisecond))
	all[2].loop.Wake()
	for began, first := time.Now(), all[2].turns.Load(); all[2].turns.Load() < first+5; {
		all[0].mail.Post(0)
		<-all[0].over
		if time.Sleep(time.Millisecond); time.Since(began) > time.Minute {
			t.Fatal("the loop got no turn")
		}
	}
	stopped(t, g)
}
