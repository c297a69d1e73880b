package comet

import (
	"sync/atomic"
	"time"

	"ccomet/reactor"
)

// How a server ends without harm to anybody:
//
//  1. Drain says by when. Each loop sees it when its turn ends (drainOn), takes
//     whoever has connected already, and closes its listeners, so that another
//     process can have their addresses.
//  2. arrange: it goes through its connections, some a turn. What is idle is
//     closed, but for the admin side, where publishing goes on. Who waits is
//     given a time to go, spread over what is left (depart). A request under way
//     is answered.
//  3. When its time comes it is sent away in a manner that has its client come
//     back (sendAway).
//  4. watch: it goes through them once more, and stays at whoever is still there.
//  5. When nobody is left on any loop, or the time is up, no request is served
//     any more. Two rounds of marks go from each loop to each, behind all other
//     mail: after the first, whatever was taken has its number; after the second,
//     whoever sent it has been answered.
//  6. The last loop to come so far has the state written, and all loops stopped.
type drain struct {
	*drainClock
	loop  *reactor.Loop
	rng   *spread
	phase drainPhase
	wait  time.Duration // until it is to be gone on with; below zero: something else brings that
	turns int           // since the listeners were told to finish
	at    uint32        // the next connection to be looked at
	marks [2]int        // that have come, of each round
}

type drainPhase uint8

const (
	drainNone      drainPhase = iota
	drainClosing              // the listeners' last connections may bring a request
	drainArranging            // step 2
	drainWatching             // step 4
	drainGone                 // nobody is left on this loop
	drainEnding               // nothing is served; the first round of marks
	drainNumbered             // the second
	drainQuiet
)

// drainClock is what all loops know of the end.
type drainClock struct {
	epoch    time.Time
	deadline atomic.Int64 // nanoseconds from epoch to the end; 0: none is near
	span     atomic.Int64 // nanoseconds that the drain takes
	gone     atomic.Int32 // loops where nobody is left
	quiet    atomic.Int32 // loops that are through
}

// closingTurns is how many turns it takes until what the last connections that
// were accepted had sent already has been received.
const closingTurns = 3

// Drain ends the server within d. Its listeners close at once; who waits is sent
// away in a manner that has clients come back with their cursors, not all at
// once but spread over the time there is; requests under way are finished, and
// what backends send on open connections is served to the end. It ends before its
// time when nobody is left. d of 0 or less is at once. Called again, the nearer end
// counts. Any goroutine may call it; Wait tells when all is over.
func (srv *Server) Drain(d time.Duration) {
	d = max(d, 0)
	end := max(int64(srv.cfg.Clock().Sub(srv.epoch)+d), 1)
	for {
		old := srv.deadline.Load()
		if old != 0 && old <= end {
			return
		}
		if srv.deadline.CompareAndSwap(old, end) {
			break
		}
	}
	if srv.span.CompareAndSwap(0, int64(d)) && d > 0 {
		srv.cfg.Log.Info().Dur("drain-time", d).Int64("connections", srv.connections()).Msg("draining: the listeners are closed, clients are sent away")
	}
	if d == 0 && !srv.finishes() {
		srv.group.Stop()
		return
	}
	srv.wakeAll()
}

func (srv *Server) wakeAll() {
	for _, s := range srv.shards {
		s.loop.Wake()
	}
}

// finishes says whether anything is to be done when nothing is served any more: to
// write the state, or to leave to another process what it has.
func (srv *Server) finishes() bool { return srv.state != nil || srv.handedOver.Load() }

// on says whether the end is near.
func (d *drain) on() bool { return d.phase != drainNone }

// parting says whether a connection ends with the response under way.
func (s *shard) parting(c reactor.Conn) bool { return s.drain.on() && s.side(c) != sideAdmin }

// left is what is left of the drain.
func (d *drain) left(now time.Time) time.Duration {
	return time.Duration(d.deadline.Load()) - now.Sub(d.epoch)
}

// drainOn goes on with the end, if it is near, and returns when it wants to go on
// again.
func (s *shard) drainOn(now time.Time) time.Duration {
	if s.srv.deadline.Load() == 0 {
		return -1
	}
	d := s.drain
	left, loops := s.drain.left(now), s.loops()
	if d.phase < drainEnding && (left <= 0 || int(s.srv.gone.Load()) == loops) {
		s.stopListening(false)
		d.phase = drainEnding
		s.mark(0)
	}
	switch d.phase {
	case drainNone:
		d.phase = drainClosing
		s.stopListening(true)
		s.cancelHandlers(0)
		return 0
	case drainClosing:
		if d.turns++; d.turns < closingTurns {
			return 0
		}
		d.phase, d.at = drainArranging, 1
		return 0
	case drainArranging:
		if s.arrange() {
			d.phase, d.at = drainWatching, 1
		}
		return 0
	case drainWatching:
		return s.watch(left)
	case drainEnding:
		if d.marks[0] == loops && len(s.walks) == 0 {
			d.phase = drainNumbered
			s.mark(1)
		}
	case drainNumbered:
		if d.marks[1] == loops && len(s.answering) == 0 {
			d.phase = drainQuiet
			s.srv.quieted()
		}
	}
	if d.phase < drainEnding {
		return left
	}
	return -1 // a mail wakes it
}

// mark tells every loop that this one has come to the end of a round.
func (s *shard) mark(round int32) {
	s.sendAll(mail{kind: mailMark, n: round})
}

// arrange goes on with the walk through the connections, and says whether it is
// through.
func (s *shard) arrange() bool {
	d := s.drain
	for range walkBudget {
		if d.at > s.loop.Indexes() {
			return true
		}
		if c := s.loop.ConnAt(d.at); c != 0 {
			s.arrangeOne(c)
		}
		d.at++
	}
	return false
}

func (s *shard) arrangeOne(c reactor.Conn) {
	st, i := s.state(c)
	if leave := connStates[st].leave; leave != nil {
		leave(s, i, c)
	}
}

// depart gives a connection the time at which it is sent away, spread over what
// is left but for its last tenth: what is written to it then has that to arrive.
func (d *drain) depart(c reactor.Conn) {
	ticks := d.left(d.loop.Now()) * 9 / 10 / reactor.TickLength
	d.loop.SetTimerAt(c, d.loop.Tick()+1+reactor.Tick(d.rng.next()%uint64(max(ticks, 1))))
}

// sendAway ends what a connection waits for, so that its client comes back: a
// poll with a noop, anything else in the middle. CComet's dialect has no answer
// that a client would not take for an error, so its polls are cut too.
func (s *shard) sendAway(owner uint32, c reactor.Conn) {
	sub, waiting := s.subs.At(owner), s.waiting(owner)
	switch {
	case s.loop.Blocked(c) || sub.transport.row().sessions:
	case waiting == 0: // its channel's home has not answered yet
		s.drain.depart(c)
		return
	case sub.poll():
		sub.flags |= subClose
		s.finishEmptyPoll(owner, waiting)
		return
	case sub.transport.row().events:
		s.object = appendObject(s.object[:0], kindError503, s.rosterName(s.subs.At(waiting).roster), 0, stopping)
		s.scratch = appendFrame(s.scratch[:0], sub.framing(), s.object, eventID{retry: s.leaveTime()})
		_ = s.loop.Write(c, s.scratch) // a lost connection is told to Closed
		s.endStream(owner, c)
		return
	}
	s.loop.Close(c)
}

const stopping = "the server is stopping"

// retryJitter is how much the times that browsers are told differ.
const retryJitter = 1000 // milliseconds

// leaveTime is when a browser is told to come back, in milliseconds: after as
// long as the drain takes. Then this server is gone, and who serves in its place
// sees them come spread as they went. Sooner, a proxy might have nobody to ask, and
// its 502 would end a browser's asking for good.
func (s *shard) leaveTime() int64 {
	return s.srv.span.Load()/int64(time.Millisecond) + int64(s.rng.next()%retryJitter)
}

// watch goes on to see whether anybody is left whose leaving is worth waiting
// for, and returns when it wants to look again.
func (s *shard) watch(left time.Duration) time.Duration {
	d := s.drain
	for range walkBudget {
		if d.at > s.loop.Indexes() {
			d.phase = drainGone
			if int(s.srv.gone.Add(1)) == s.loops() {
				s.srv.wakeAll()
			}
			return left
		}
		if c := s.loop.ConnAt(d.at); c != 0 && !s.needless(c) {
			return left // its end brings a turn
		}
		d.at++
	}
	return 0
}

// needless says whether nobody minds when a connection ends: a backend's, between
// two requests.
func (s *shard) needless(c reactor.Conn) bool {
	what, _ := s.state(c)
	return (what == stateIdle || what == stateEnding) && s.side(c) == sideAdmin
}

// turnedOff refuses a request that comes too late. A subscriber is better off
// with no answer: some clients stop asking at any that they do not know.
func (s *shard) turnedOff(x *exchange) bool {
	switch {
	case x.side != sideAdmin:
		s.loop.Close(x.conn)
		return true
	case string(x.req.Path()) == "/healthz", string(x.req.Path()) == "/readyz":
		return false
	}
	x.last = true
	x.headers = []byte("Retry-After: 1\r\n")
	s.fail(x, 503, stopping)
	return true
}

// quieted: one more loop is through, and after the last all may stop.
func (srv *Server) quieted() {
	if int(srv.quiet.Add(1)) < len(srv.shards) {
		return
	}
	if srv.span.Load() > 0 {
		srv.cfg.Log.Info().Int64("left", srv.connections()).Msg("drained: whoever is left is cut")
	}
	if srv.state != nil {
		close(srv.state.final) // it stops the loops when it has written what they hold
		return
	}
	srv.group.Stop()
}

// connections counts those that are open.
func (srv *Server) connections() (n int64) {
	for _, s := range srv.shards {
		n += s.loop.Stats().Open
	}
	return n
}
