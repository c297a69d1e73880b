package comet

import "ccomet/reactor"

// heartbeat arms the next noop: at the latest after the polling timeout, and
// spread over its last quarter, so that those who came in one second do not
// beat in one second; in steps, so that an idle machine sleeps for longer than
// a tick. A message does not put it off: that would cost each delivery more
// than a noop too many costs now and then. Who is stuck has the write timeout
// instead.
func (s *shard) heartbeat(c reactor.Conn) {
	if s.drain.on() {
		s.drain.depart(c)
		return
	}
	if s.loop.Blocked(c) {
		return
	}
	timeout := uint64(s.cfg.PollingTimeout / reactor.TickLength)
	step := min(max(timeout/16, 1), maxBeatStep)
	due := uint64(s.loop.Tick()) + timeout - 1 - s.rng.next()%(timeout/4)
	s.loop.SetTimerAt(c, reactor.Tick(due-due%step))
}

// maxBeatStep is the longest step between heartbeats, in ticks: half a second.
const maxBeatStep = 8

// beat: a subscriber's timer has run out.
func (s *shard) beat(owner uint32, c reactor.Conn) {
	if s.drain.on() {
		s.sendAway(owner, c)
		return
	}
	waiting := s.waiting(owner)
	if waiting == 0 {
		s.loop.Close(c) // no channel's home ever answered
		return
	}
	if s.loop.Blocked(c) {
		s.totals.slowClosed.Add(1)
		s.loop.Close(c) // stuck for the write timeout; without a final chunk, so the client comes back
		return
	}
	sub := s.subs.At(owner)
	if sub.poll() {
		if !sub.transport.row().sessions { // which have none
			s.tally.Heartbeats++
			s.finishEmptyPoll(owner, waiting)
		}
		return
	}
	s.object = s.appendNoop(s.object[:0], sub, waiting)
	sub.noop++
	s.tally.Heartbeats++
	s.scratch = appendFrame(s.scratch[:0], sub.framing(), s.object, noEventID)
	s.heartbeat(c)
	_ = s.loop.Write(c, s.scratch)
	if s.loop.Blocked(c) {
		s.loop.SetTimer(c, s.loop.WriteTime(c))
	}
}

// appendNoop appends the noop of a connection's subscriber, which names the
// channel of its first subscription that waits.
func (s *shard) appendNoop(object []byte, sub *subscriber, waiting uint32) []byte {
	return appendObject(object, kindNoop, s.rosterName(s.subs.At(waiting).roster), sub.noop, "")
}
