package comet

import (
	"time"
)

// TurnEnded does what a turn's events have brought. A step stands behind those
// whose work it takes further; what still comes of a later one for an earlier one
// (busy) has the next turn begin at once.
func (s *shard) TurnEnded(now time.Time) time.Duration {
	s.broker.walkLeft, s.hub.replayLeft = walkBudget, replayBudget
	s.takeMail()                     // may bring anything below
	s.broker.sweepOn(now)            // lines for listeners, by mail
	s.web.expireProbe(now)           // answers
	s.broker.expireExplanations(now) // questions to loops, answers, by mail
	s.takeOwn()                      // what the steps above and the events had to say to this loop
	s.broker.expireChannels()        // lines for listeners, by mail
	s.broker.runWalks()              // messages, by mail
	s.broker.runRolls()              // lines for listeners, by mail
	s.hub.runSurveys()               // answers to a channel's home, by mail
	s.hub.runReplays()               // questions to channels' homes, by mail
	s.takeOwn()                      // messages for the pumps, lines, answers
	s.web.flushPipes()
	s.hub.pumpAll()
	s.web.presence.flush()
	s.hub.reportDeparted() // to the channels' homes, by mail
	s.takeOwn()            // channels that nobody waits for any more: leases, lines
	s.drain.wait = s.drainOn(now)
	s.flush()
	s.hub.trim()
	s.web.trim()
	s.showFigures()
	s.wait = s.sleep(now) // when nothing changes any more
	return s.wait
}

func (s *shard) takeMail() {
	for _, m := range s.inbox.Drain() {
		s.receive(&m)
	}
}

// sleep is how long the loop may sleep: until the nearest of what is due. Below zero
// there is no bound.
func (s *shard) sleep(now time.Time) time.Duration {
	if s.pending() || s.broker.busy() || s.hub.busy() || s.web.busy() {
		return 0
	}
	return sooner(s.drain.wait, sooner(s.broker.due(now), s.web.probeDue(now)))
}
