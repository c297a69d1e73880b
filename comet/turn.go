package comet

import (
	"time"

	"ccomet/comet/internal/broker"
	"ccomet/comet/internal/hub"
)

// TurnEnded is the end of a turn: the steps that continue the work of its events. Each
// step comes after those that give it work. The comment beside it says what it may
// produce, for a later step. If a later step leaves work for an earlier one, an actor
// is Busy, and the next turn begins at once. The time that the loop may sleep is
// computed last, when no deadline can change any more.
func (s *shard) TurnEnded(now time.Time) time.Duration {
	s.broker.BeginTurn()
	s.writeEarly()
	if s.hub.Replays.Left = hub.ReplayBudget; s.holding {
		s.hub.Replays.Left = 0
	}
	s.web.Histories.Continue()        // answers
	s.Take()                          // mail from other loops: anything below
	s.broker.Presence.SweepOn(now)    // lines for listeners, by mail
	s.web.Probe.Expire(now)           // answers
	s.broker.Explanations.Expire(now) // questions to loops, answers, by mail
	s.broker.ExpireWaits(now)         // refusals, by mail
	s.TakeOwn()                       // mail to this loop from the steps above and the events
	s.broker.ExpireChannels()         // lines for listeners, by mail
	s.broker.RunBatches()             // messages, answers, by mail
	s.broker.RunBroadcasts()          // messages, by mail
	s.broker.Presence.RunListings()   // lines for listeners, by mail
	s.hub.Scans.Run()                 // answers to a channel's home, by mail
	s.hub.Replays.Run()               // questions to channels' homes, by mail
	s.TakeOwn()                       // messages for the pumps, lines, answers
	s.broker.Flush()                  // proposals, early, because they take long
	s.web.RenderAnswers()             // to WebSockets, before the messages to them
	more := s.hub.Pumps.RunFirst()
	s.web.FlushPipelines() // answers to publishers, now that most messages have reached their subscribers
	if more {
		s.Flush() // mail to other loops must not wait for many writes
		s.hub.Pumps.RunRest()
	}
	s.web.FlushSockets() // their next operations: questions and messages to channels' homes, by mail
	s.web.Presence.Flush()
	s.hub.ReportDeparted() // to the channels' homes, by mail
	s.TakeOwn()            // channels without subscribers: leases, lines
	s.broker.Flush()       // messages that were published on WebSockets
	s.drain.Wait = s.drainOn(now)
	s.Flush()
	s.hub.Trim()
	s.web.Trim()
	s.showFigures()
	if s.standStill() {
		s.wait = 0
		return 0
	}
	s.wait = s.sleep(now) // nothing changes any more
	return s.wait
}

// sleep returns how long the loop may sleep: until the nearest deadline; negative: no
// bound.
func (s *shard) sleep(now time.Time) time.Duration {
	if s.Pending() || s.writes || s.broker.Busy() || s.hub.Busy() || s.web.Busy() {
		return 0
	}
	return broker.Sooner(s.drain.Wait, broker.Sooner(s.broker.Due(now), s.web.Probe.Due(now)))
}
