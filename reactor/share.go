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
// What crosses from one loop to another wakes a thread, which costs more than most of what
// it is woken for. So loops that have little to do all turn on the goroutine of the first,
// one after the other, and mail between them wakes none: they cost what one loop does.
// Where there is much to do each turns on a goroutine of its own, as at the start.
//
// A loop still is one goroutine's at any time. It changes between two turns, through a
// channel: a loop that is invited comes as a guest, and is sent back.

// Parts of a processor's time.
const (
	littleToDo = 0.7 // loops share a goroutine where for a while the process took less,
	muchToDo   = 0.9 // and are on their own again where that goroutine took more for a moment without a rest: the process also collects garbage

	shareAfter = time.Second
	waitMost   = 64 // times as long it is where much to do comes again and again: it would begin on one goroutine
	moment     = 4 * time.Millisecond
	rest       = 250 * time.Microsecond
)

// sharing is how far that has come.
type sharing struct {
	invited atomic.Bool // guests may come; it becomes true with mu held
	arrived chan *guest // there is room for all

	mu    sync.Mutex
	apart int           // calls of KeepApart that are in force; the end of the first loop is one
	away  int           // loops that are not on goroutines of their own
	home  chan struct{} // closed when some of them are again

	// Of the first loop's goroutine.
	party  []*guest      // the first loop, and its guests
	poller poller        // of the loops' epoll sets
	opened bool          // it is, while there are guests
	begins int           // which loop a turn begins with: what they share, a listening socket, is not the first one's
	all    busy          // the process, while there are no guests
	here   busy          // the goroutine, while there are
	rested time.Time     // a rest has ended
	joined time.Time     // when guests were invited last
	while  time.Duration // for which there is to be little to do before they are

	least time.Duration // shareAfter
}

// guest is a loop that may come to the first one's goroutine.
type guest struct {
	loop   *Loop
	back   chan struct{} // it is sent back
	ready  bool          // the kernel has something to report
	ended  time.Time     // its last turn; or up to when its handler's wish was brought
	failed error         // of its turn, for its own goroutine to tell
}

func newSharing(loops []*Loop) *sharing {
	return &sharing{arrived: make(chan *guest, len(loops)), home: make(chan struct{}), party: []*guest{{loop: loops[0]}}, while: shareAfter, least: shareAfter, all: busy{spent: processTime}, here: busy{spent: threadTime}}
}

// KeepApart returns when each loop turns on a goroutine of its own, and keeps it so until
// release is called: a loop may then wait for another one at the end of a turn. Where that
// has not come when ctx is done, it is the same as if it had not been called, and the error
// is ctx's. It may be called from any goroutine but the loops'.
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

// runGuest is Run of a loop that may be a guest.
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

// leave has a loop be a guest, if guests may still come.
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

// runFirst is Run of the first loop.
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
		if now := l.cfg.Clock(); now.Sub(s.all.since) >= s.while {
			if part, known := s.all.part(now); known && part < littleToDo {
				s.invite(all[1:], now)
			}
		}
	}
	return nil
}

// end has no guest come any more, and sends back those that are here.
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

// receive takes a guest in.
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
	if err != nil { // there are no descriptors, or no memory
		s.invited.Store(false)
	}
}

// watch has a loop's events be events of the party.
func (s *sharing) watch(i int) error {
	return s.poller.add(int32(s.party[i].loop.poller.fd), uint64(i+1), unix.EPOLLIN) // 0 is wakeKey
}

// sendBack has all guests turn on their own goroutines.
func (s *sharing) sendBack() {
	if len(s.party) == 1 {
		return
	}
	s.here.since = time.Time{}
	s.all.part(s.party[0].loop.cfg.Clock())
	guests := s.party[1:]
	for _, g := range s.party {
		g.ready = false // it asks the kernel itself
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
		g.back <- struct{}{} // there is room
	}
}

// wait has all that are here wait, as Loop.wait does, and says until when. Those are ready
// that the kernel has something to report to.
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
	if now.Sub(began) > rest {
		s.rested, s.here.since = now, time.Time{}
	}
	return now, nil
}

// turn is a Turn of all that are here.
func (s *sharing) turn() error {
	now, err := s.wait()
	if err != nil {
		return err
	}
	// Again: what one has for another, a message or an answer, does not wait for the kernel.
	s.begins++
	for round := range 3 {
		for i := range s.party {
			g := s.party[(i+s.begins)%len(s.party)]
			l := g.loop
			if l.stopped.Load() || g.failed != nil {
				s.invited.Store(false) // its own goroutine sees to that
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
			if s.tooMuch(g.ended) {
				s.disperse(g.ended) // at once: the rest of them turns elsewhere
				return nil
			}
		}
	}
	return nil
}

// waitTime is how long the loop may wait, of which no other's turn takes anything back.
func (g *guest) waitTime(now time.Time) time.Duration {
	l := g.loop
	if l.sleep > 0 {
		l.sleep = max(l.sleep-max(now.Sub(g.ended), 0), 0)
		g.ended = now
	}
	return l.waitTime(-1, now)
}

// turn is a turn of one of several, which asks the kernel only where that has something
// to report.
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

// tooMuch says whether for a moment there has been more to do than one goroutine should
// have. It measures nothing before there was no rest for a part of that: most turns are
// followed by a rest, and the clock is a system call.
func (s *sharing) tooMuch(now time.Time) bool {
	if s.here.since.IsZero() {
		if now.Sub(s.rested) > moment/4 {
			s.here.part(now)
		}
		return false
	}
	if now.Sub(s.here.since) <= moment {
		return false
	}
	part, known := s.here.part(now)
	return known && part > muchToDo
}

// invite has loops come, unless they are kept apart.
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

// disperse has no guest stay: there is much to do.
func (s *sharing) disperse(now time.Time) {
	s.invited.Store(false)
	if s.while *= 2; now.Sub(s.joined) > waitMost*s.least {
		s.while = s.least
	}
	s.while = min(s.while, waitMost*s.least)
}
