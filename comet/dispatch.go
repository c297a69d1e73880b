package comet

import "ccomet/comet/internal/mail"

// receive passes a mail to its actor.
func (s *shard) receive(m *mail.Mail) {
	s.Mails++
	switch kind := m.Kind; {
	case kind < mail.FirstToHub:
		s.toBroker(m)
	case kind < mail.FirstToWeb:
		s.toHub(m)
	default:
		s.toWeb(m)
	}
	m.Done()
}

// toBroker dispatches mail for the broker.
func (s *shard) toBroker(m *mail.Mail) {
	switch m.Kind {
	case mail.Join:
		s.broker.Join(m)
	case mail.CatchUp:
		s.broker.CatchUp(m)
	case mail.Leave:
		s.broker.Leave(m)
	case mail.Publish:
		s.broker.Publish(m)
	case mail.Control:
		s.broker.Control(m)
	case mail.PublishBatch:
		s.broker.PublishBatch(m)
	case mail.ReadHistory:
		s.broker.ReadHistory(m)
	case mail.ClaimSession:
		s.broker.Claim(m)
	case mail.ReleaseSession:
		s.broker.ReleaseSession(m)
	case mail.Explain:
		s.broker.Explanations.Start(m)
	case mail.RosterScanned:
		s.broker.Explanations.RosterScanned(m)
	case mail.Broadcast:
		s.broker.StartBroadcast(m)
	case mail.Snapshot:
		s.broker.Snapshot(m)
	case mail.ListChannels:
		s.broker.Presence.List(m)
	case mail.ListAsked:
		s.broker.Presence.AnnounceAll(s.loop.Now())
	case mail.Committed, mail.Attached, mail.Announced, mail.Unsettled, mail.CountAsked, mail.Counted:
		s.broker.FromLog(m)
	}
}

// toHub dispatches mail for the hub.
func (s *shard) toHub(m *mail.Mail) {
	switch m.Kind {
	case mail.ScanRoster:
		s.hub.Scans.Start(m)
	case mail.Joined:
		s.hub.Joined(m)
	case mail.Backlog:
		s.hub.CaughtUp(m)
	case mail.Deliver:
		s.hub.Pumps.Enqueue(m)
	case mail.SessionClaimed:
		s.hub.SessionClaimed(m)
	case mail.SessionTaken:
		s.hub.SessionTaken(m)
	}
}

// toWeb dispatches mail for the web and for the shard.
func (s *shard) toWeb(m *mail.Mail) {
	switch m.Kind {
	case mail.Explained:
		s.web.ExplainedTo(m)
	case mail.Listening: // the turn that it causes begins the round of presence
		s.broker.Presence.Began()
	case mail.DrainMark:
		s.drain.Marks[m.Round()]++
	case mail.ProbeHome, mail.ProbeLoop, mail.ProbeBack:
		s.web.Probe.Forward(m)
	case mail.TellFigures:
		s.tellFigures()
	case mail.PresenceLine:
		s.web.Presence.Line(m.Msg)
	case mail.ChannelsListed:
		s.web.Presence.Listed(m)
	case mail.Done:
		s.web.Answer(m)
	case mail.BatchPublished:
		s.web.Batches.Published(m)
	case mail.HistoryRead:
		s.web.Histories.Arrived(m)
	case mail.Handled:
		s.web.Handled(m)
	}
}
