package comet

func (s *shard) receive(m *mail) {
	s.mails++
	switch m.kind {
	case mailJoin:
		s.broker.join(m)
	case mailCatchUp:
		s.broker.catchUp(m)
	case mailLeave:
		s.broker.leave(m)
	case mailPublish:
		s.broker.publish(m)
	case mailControl:
		s.broker.control(m)
	case mailSit:
		s.broker.sit(m)
	case mailStand:
		s.broker.stood(m)
	case mailTell:
		s.broker.told(m)
	case mailExplain:
		s.broker.startExplaining(m)
	case mailSurvey:
		s.hub.startSurvey(m)
	case mailSurveyed:
		s.broker.surveyed(m)
	case mailExplained:
		s.web.explainedTo(m)
	case mailBroadcast:
		s.broker.startWalk(m)
	case mailSnapshot:
		s.broker.snapshot(m)
	case mailMark:
		s.drain.marks[m.n]++
	case mailCanary:
		s.web.fly(m)
	case mailFigures:
		s.tellFigures()
	case mailListening: // the turn that it brings is all that it is for
	case mailPresence:
		s.web.presence.line(m.msg)
	case mailRollCall:
		s.broker.rollCalls = append(s.broker.rollCalls, *m)
	case mailRolled:
		s.web.presence.rolled(m)
	case mailJoined:
		s.hub.joined(m)
	case mailBacklog:
		s.hub.caughtUp(m)
	case mailMessage:
		s.hub.enqueue(m)
	case mailSat:
		s.hub.sat(m)
	case mailOusted:
		s.hub.ousted(m)
	case mailDone:
		s.web.answer(m)
	case mailHandled:
		s.web.handled(m)
	}
	m.done()
}
