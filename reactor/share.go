package reactor

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// How the loops of a Group share a goroutine.
//
// Mail from one loop to another wakes a thread, which often costs more than what it is
// woken for. So loops that have little to do all run on the goroutine of the first loop,
// one after the other. Mail between them then wakes no thread, and together they cost what
// one loop costs. While there is much to do, each loop runs on a goroutine of its own, as
// at the start.
//
// A loop still belongs to one goroutine at any time. It changes over between two turns,
// through a channel: an invited loop comes as a guest, and is sent back later.

// Shares of a processor's time.
const (
	lowLoad  = 0.7 // loops share a goroutine after the process, which also collects garbage, has used less for a while
	highLoad = 0.9 // they separate after that goroutine has used more for overloadTime without a rest

	shareAfter       = time.Second
	maxLowLoadFactor = 64 // bound of sharing.lowLoadTime, in units of its minimum: each peak of load would begin on one goroutine
	overloadTime     = 4 * time.Millisecond
	restTime         = 250 * time.Microsecond // a wait that is longer is a rest
)

// sharing is the state of this.
type sharing struct {
	invited atomic.Bool // guests may come; it becomes true only with mu held
	arrived chan *guest // it has room for all loops

	mu    sync.Mutex
	apart int           // calls of KeepApart that are in force, and 1 when the first loop has ended
	away  int           // loops that are not on goroutines of their own
	home  chan struct{} // closed when guests are sent back

	// Used by the first loop's goroutine only.
	party       []*guest      // the first loop and its guests
	poller      poller        // watches the epoll sets of the loops
	opened      bool          // the poller is open, while there are guests
	begins      int           // which loop a turn begins with: it changes, so that the first one does not take most of a shared listening socket
	all         busy          // of the process, while there are no guests
	here        busy          // of the goroutine, while there are guests
	rested      time.Time     // when the last rest ended
	joined      time.Time     // when guests were last invited
	lowLoadTime time.Duration // how long the load must be low before guests are invited

	minLowLoadTime time.Duration // lower bound of lowLoadTime: shareAfter
}

// guest is a loop that may run on the first loop's goroutine.
type guest struct {
	loop   *Loop
	back   chan struct{} // tells it that it is sent back
	ready  bool          // its epoll set has events
	ended  time.Time     // when its last turn ended, or up to when waitTime has shortened its sleep
	failed error         // error of a turn, which its own goroutine returns
}

func newSharing(loops []*Loop) *sharing {
	return &sharing{arrived: make(chan *guest, len(loops)), home: make(chan struct{}), party: []*guest{{loop: loops[0]}}, lowLoadTime: shareAfter, minLowLoadTime: shareAfter, all: busy{spent: processTime}, here: busy{spent: threadTime}}
}

// KeepApart returns when each loop runs on a goroutine of its own, and keeps it so until
// release is called. Meanwhile a loop may wait for another one at the end of a turn. If ctx
// is done first, it returns ctx's error and has no effect. Any goroutine may call it,
// except those of the loops.
func (g *Group) KeepApart(ctx context.Context) (release func(), err error) {
	s := g.sharing
	s.mu.Lock()
	s.apart++
	s.invited.Store(false)
	s.mu.Unlock()
	release = sync.OnceFunc(func() {
		s.mu.Lock()
		s.apart--
		s.mu.Unlock()
	})
	g.Loops[0].Wake()
	for {
		s.mu.Lock()
		away, home := s.away, s.home
		s.mu.Unlock()
		if away == 0 {
			return release, nil
		}
		select {
		case <-home:
		case <-ctx.Done():
			release()
			return nil, ctx.Err()
		}
	}
}

// runGuest is Run for a loop that may be a guest.
func (s *sharing) runGuest(l *Loop, first *Loop) error {
	running.Add(1)
	defer running.Add(-1)
	defer l.Release()
	g := &guest{loop: l, back: make(chan struct{}, 1)}
	for !l.stopped.Load() {
		if err := l.Turn(-1); err != nil {
			return err
		}
		if !s.invited.Load() || !s.leave(g) {
			continue
		}
		first.Wake()
		running.Add(-1)
		<-g.back
		running.Add(1)
		l.tally.Guest = false
		if g.failed != nil {
			return g.failed
		}
	}
	return nil
}

// leave makes a loop a guest, if guests may still come.
func (s *sharing) leave(g *guest) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.invited.Load() {
		g.loop.tally.Guest = true
		g.loop.tally.Visits++
		s.away++
		s.arrived <- g
		return true
	}
	return false
}

// runFirst is Run for the first loop.
func (s *sharing) runFirst(all []*Loop) error {
	running.Add(1)
	defer running.Add(-1)
	l := all[0]
	defer l.Release()
	defer s.end()
	for !l.stopped.Load() {
		var err error
		if len(s.party) == 1 {
			err = l.Turn(-1)
		} else {
			err = s.turn()
		}
		if err != nil {
			return err
		}
		for len(s.arrived) > 0 {
			s.receive(<-s.arrived, l.cfg.Clock())
		}
		if !s.invited.Load() {
			s.sendBack()
		}
		if len(s.party) > 1 {
			continue
		}
		if now := l.cfg.Clock(); now.Sub(s.all.since) >= s.lowLoadTime {
			if part, known := s.all.part(now); known && part < lowLoad {
				s.invite(all[1:], now)
			}
		}
	}
	return nil
}

// end lets no more guests come, and sends back those that are here.
func (s *sharing) end() {
	s.mu.Lock()
	s.apart++
	s.invited.Store(false)
	s.mu.Unlock()
	for len(s.arrived) > 0 {
		s.party = append(s.party, <-s.arrived)
	}
	s.sendBack()
}

// receive accepts a guest.
func (s *sharing) receive(g *guest, now time.Time) {
	g.ended = now
	s.party = append(s.party, g)
	var err error
	if len(s.party) == 2 {
		s.party[0].ended = now
		if err = s.poller.open(cap(s.arrived) + 2); err == nil {
			s.opened = true
			err = s.watch(0)
		}
	}
	if err == nil {
		err = s.watch(len(s.party) - 1)
	}
	if err != nil { // no descriptors, or no memory
		s.invited.Store(false)
	}
}

// watch adds the epoll set of a loop to the common poller.
func (s *sharing) watch(i int) error {
	return s.poller.add(int32(s.party[i].loop.poller.fd), uint64(i+1), unix.EPOLLIN) // 0 is wakeKey
}

// sendBack lets all guests run on their own goroutines again.
func (s *sharing) sendBack() {
	if len(s.party) == 1 {
		return
	}
	s.here.since = time.Time{}
	s.all.part(s.party[0].loop.cfg.Clock())
	guests := s.party[1:]
	for _, g := range s.party {
		g.ready = false // its own turn asks the kernel
	}
	s.party = s.party[:1]
	if s.opened {
		s.poller.close()
		s.opened = false
	}
	s.mu.Lock()
	s.away -= len(guests)
	close(s.home)
	s.home = make(chan struct{})
	s.mu.Unlock()
	for i, g := range guests {
		guests[i] = nil
		g.back <- struct{}{} // the channel has room
	}
}

// wait waits for all loops that are here, as Loop.wait does for one, and returns the time
// then. Loops whose epoll sets have events are marked as ready.
func (s *sharing) wait() (now time.Time, err error) {
	givesWay := false
	for _, g := range s.party {
		givesWay, g.loop.givesWay = givesWay || g.loop.givesWay, false
	}
	if givesWay {
		runtime.Gosched()
	}
	clock, timeout := s.party[0].loop.cfg.Clock, time.Duration(-1)
	began := clock()
	for _, g := range s.party {
		l := g.loop
		l.asleep.Store(1)
		d := g.waitTime(began)
		if l.woken.Load() != 0 {
			d = 0
		}
		if d >= 0 && (timeout < 0 || d < timeout) {
			timeout = d
		}
	}
	events, err := s.poller.wait(timeout)
	for _, g := range s.party {
		g.loop.asleep.Store(0)
	}
	if err != nil {
		return now, err
	}
	for i := range events {
		if n := int(eventKey(&events[i])); n > 0 {
			s.party[n-1].ready = true
		}
	}
	now = clock()
	if now.Sub(began) > restTime {
		s.rested, s.here.since = now, time.Time{}
	}
	return now, nil
}

// turn runs a turn of every loop here that has something to do.
func (s *sharing) turn() error {
	now, err := s.wait()
	if err != nil {
		return err
	}
	// Several rounds: mail from one loop to another does not wait for the kernel.
	s.begins++
	for round := range 3 {
		for i := range s.party {
			g := s.party[(i+s.begins)%len(s.party)]
			l := g.loop
			if l.stopped.Load() || g.failed != nil {
				s.invited.Store(false) // its own goroutine handles that
				continue
			}
			if !g.ready && l.woken.Load() == 0 && (round > 0 || g.waitTime(now) != 0) {
				continue
			}
			err := g.turn()
			switch {
			case err != nil && g == s.party[0]:
				return err
			case err != nil:
				g.failed = err
				s.invited.Store(false)
			}
			if s.overloaded(g.ended) {
				s.disperse(g.ended) // at once: the other loops turn on their own goroutines
				return nil
			}
		}
	}
	return nil
}

// waitTime returns how long the loop may wait. The turns of other loops do not lengthen it.
func (g *guest) waitTime(now time.Time) time.Duration {
	l := g.loop
	if l.sleep > 0 {
		l.sleep = max(l.sleep-max(now.Sub(g.ended), 0), 0)
		g.ended = now
	}
	return l.waitTime(-1, now)
}

// turn runs a turn of one of several loops. It asks the kernel only if the loop has events.
func (g *guest) turn() (err error) {
	l := g.loop
	var events []unix.EpollEvent
	polled := g.ready
	g.ready = false
	l.woken.Store(0) // as in Loop.wait
	if polled {
		events, err = l.poller.wait(0)
	}
	if err == nil {
		err = l.take(events, polled)
	}
	g.ended = l.cfg.Clock()
	l.tally.TurnTimes.end(&l.turning, g.ended.Sub(l.now))
	return err
}

// overloaded reports whether the load of the goroutine was high for overloadTime. It starts to
// measure only after a quarter of that without a rest: most turns are followed by a rest,
// and reading the CPU clock is a system call.
func (s *sharing) overloaded(now time.Time) bool {
	if s.here.since.IsZero() {
		if now.Sub(s.rested) > overloadTime/4 {
			s.here.part(now)
		}
		return false
	}
	if now.Sub(s.here.since) <= overloadTime {
		return false
	}
	part, known := s.here.part(now)
	return known && part > highLoad
}

// invite asks loops to come, unless KeepApart is in force.
func (s *sharing) invite(loops []*Loop, now time.Time) {
	s.mu.Lock()
	may := s.apart == 0
	s.invited.Store(may)
	s.mu.Unlock()
	if !may {
		return
	}
	s.joined = now
	for _, l := range loops {
		l.Wake()
	}
}

// disperse sends all guests away, because there is much to do. If they have come only a
// short time ago, it takes longer until they are invited again.
func (s *sharing) disperse(now time.Time) {
	s.invited.Store(false)
	if s.lowLoadTime *= 2; now.Sub(s.joined) > maxLowLoadFactor*s.minLowLoadTime {
		s.lowLoadTime = s.minLowLoadTime
	}
	s.lowLoadTime = min(s.lowLoadTime, maxLowLoadFactor*s.minLowLoadTime)
}
