package comet

func (s *shard) receive(m *mail) {
	s.mails++
	switch m.kind {
	case mailJoin:
		s.join(m)
	case mailCatchUp:
		s.catchUp(m)
	case mailLeave:
		s.leave(m)
	case mailPublish:
		s.publish(m)
	case mailControl:
		s.control(m)
	case mailSit:
		s.sit(m)
	case mailStand:
		s.stood(m)
	case mailTell:
		s.told(m)
	case mailExplain:
		s.startExplaining(m)
	case mailSurvey:
		s.startSurvey(m)
	case mailSurveyed:
		s.surveyed(m)
	case mailExplained:
		s.explainedTo(m)
	case mailBroadcast:
		s.startWalk(m)
	case mailSnapshot:
		s.snapshot(m)
	case mailMark:
		s.drain.marks[m.n]++
	case mailCanary:
		s.fly(m)
	case mailFigures:
		s.tellFigures()
	case mailListening: // the turn that it brings is all that it is for
	case mailPresence:
		s.presence.line(m.msg)
	case mailRollCall:
		s.rollCalls = append(s.rollCalls, *m)
	case mailRolled:
		s.presence.rolled(m)
	case mailJoined:
		s.joined(m)
	case mailBacklog:
		s.caughtUp(m)
	case mailMessage:
		s.enqueue(m)
	case mailSat:
		s.sat(m)
	case mailOusted:
		s.ousted(m)
	case mailDone:
		s.answer(m)
	case mailHandled:
		s.handled(m)
	}
	m.done()
}
