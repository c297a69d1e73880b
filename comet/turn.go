package comet

import (
	"time"

	"ccomet/reactor"
)

// TurnEnded does what a turn's events have brought. A step stands behind those
// whose work it takes further; what still comes of a later one for an earlier one
// (busy) has the next turn begin at once.
func (s *shard) TurnEnded(now time.Time) time.Duration {
	s.walkLeft, s.replayLeft = walkBudget, replayBudget
	s.takeMail()              // may bring anything below
	s.sweepOn(now)            // lines for listeners, by mail
	s.expireProbe(now)        // answers
	s.expireExplanations(now) // questions to loops, answers, by mail
	s.takeOwn()               // what the steps above and the events had to say to this loop
	s.expireChannels()        // lines for listeners, by mail
	s.runWalks()              // messages, by mail
	s.runRolls()              // lines for listeners, by mail
	s.runSurveys()            // answers to a channel's home, by mail
	s.runReplays()            // questions to channels' homes, by mail
	s.takeOwn()               // messages for the pumps, lines, answers
	s.flushPipes()
	s.pumpAll()
	s.presence.flush()
	s.reportDeparted() // to the channels' homes, by mail
	s.takeOwn()        // channels that nobody waits for any more: leases, lines
	s.drain.wait = s.drainOn(now)
	s.flush()
	s.trim()
	s.showFigures()
	s.wait = s.sleep(now) // when nothing changes any more
	return s.wait
}

func (s *shard) takeMail() {
	for _, m := range s.inbox.Drain() {
		s.receive(&m)
	}
}

// busy says whether a step of the turn has something left to do, which does not
// wait for anything.
func (s *shard) busy() bool {
	return s.pending() || s.leases.Pending() || len(s.walks) > 0 || len(s.rollCalls) > 0 || len(s.surveys) > 0 ||
		len(s.answering) > 0 || len(s.busyPumps) > 0 || len(s.presence.lines) > 0 || len(s.departed) > 0 || len(s.replays) > 0
}

// sleep is how long the loop may sleep: until the nearest of what is due. Below zero
// there is no bound.
func (s *shard) sleep(now time.Time) time.Duration {
	if s.busy() {
		return 0
	}
	wait := sooner(s.drain.wait, sooner(s.sweepDue(now), sooner(s.probeDue(now), s.explanationsDue(now))))
	if ticks, any := s.leases.Next(); any {
		wait = sooner(wait, time.Duration(ticks)*reactor.TickLength)
	}
	return wait
}

// sooner is the shorter of two waits, of which a negative one is no bound.
func sooner(a, b time.Duration) time.Duration {
	if a < 0 || b >= 0 && b < a {
		return b
	}
	return a
}
