package comet

import (
	"time"

	"ccomet/comet/internal/broker"
	"ccomet/comet/internal/hub"
)

// TurnEnded is the end of a turn: the steps that take further what its events have
// brought. Each stands behind those whose work it takes further; beside it is what it
// may bring about, for a later step. Where a later step leaves work for an earlier one,
// an actor is Busy, and the next turn begins at once. How long the loop may sleep is
// worked out last, when no deadline can change any more.
func (s *shard) TurnEnded(now time.Time) time.Duration {
	s.broker.BeginTurn()
	s.writeEarly()
	if s.hub.Replays.Left = hub.ReplayBudget; s.holding {
		s.hub.Replays.Left = 0
	}
	s.web.Histories.Continue()        // answers
	s.Take()                          // may bring anything below
	s.broker.Presence.SweepOn(now)    // lines for listeners, by mail
	s.web.Probe.Expire(now)           // answers
	s.broker.Explanations.Expire(now) // questions to loops, answers, by mail
	s.broker.ExpireWaits(now)         // refusals, by mail
	s.TakeOwn()                       // what the steps above and the events had to say to this loop
	s.broker.ExpireChannels()         // lines for listeners, by mail
	s.broker.RunBatches()             // messages, answers, by mail
	s.broker.RunBroadcasts()          // messages, by mail
	s.broker.Presence.RunListings()   // lines for listeners, by mail
	s.hub.Scans.Run()                 // answers to a channel's home, by mail
	s.hub.Replays.Run()               // questions to channels' homes, by mail
	s.TakeOwn()                       // messages for the pumps, lines, answers
	s.broker.Depart()                 // proposals: their way is long
	s.web.RenderAnswers()             // to WebSockets, in front of the messages to them
	more := s.hub.Pumps.RunFirst()
	s.web.FlushPipelines() // publishers hear of it: most messages have reached their subscribers
	if more {
		s.Flush() // what concerns other loops does not wait for many writes either
		s.hub.Pumps.RunRest()
	}
	s.web.FlushSockets() // what they ask next: questions and messages to channels' homes, by mail
	s.web.Presence.Flush()
	s.hub.ReportDeparted() // to the channels' homes, by mail
	s.TakeOwn()            // channels that have no subscribers any more: leases, lines
	s.broker.Depart()      // what sockets have published
	s.drain.Wait = s.drainOn(now)
	s.Flush()
	s.hub.Trim()
	s.web.Trim()
	s.showFigures()
	if s.standStill() {
		s.wait = 0
		return 0
	}
	s.wait = s.sleep(now) // when nothing changes any more
	return s.wait
}

// sleep is how long the loop may sleep: until the nearest of what is due. Below zero
// there is no bound.
func (s *shard) sleep(now time.Time) time.Duration {
	if s.Pending() || s.writes || s.broker.Busy() || s.hub.Busy() || s.web.Busy() {
		return 0
	}
	return broker.Sooner(s.drain.Wait, broker.Sooner(s.broker.Due(now), s.web.Probe.Due(now)))
}
