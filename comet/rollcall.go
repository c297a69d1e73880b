package comet

// runRolls answers what was asked (mailRollCall), within the turn's budget.
func (s *shard) runRolls() {
	left, n := walkBudget, 0
	for ; n < len(s.rollCalls) && left > 0; n++ {
		s.callRoll(&s.rollCalls[n], &left)
	}
	s.rollCalls = append(s.rollCalls[:0], s.rollCalls[n:]...)
}

func (s *shard) callRoll(m *mail, left *int) {
	r := mail{kind: mailRolled, conn: m.conn, slot: m.slot}
	var lines []byte
	end := s.channels.Used()
	for i := s.nextLive(&r.slot, end, left); i != 0; i = s.nextLive(&r.slot, end, left) {
		if ch := s.channels.At(i); ch.dialect == dialectOurs {
			lines = appendPresence(lines, true, s.names.get(ch.name()))
		}
	}
	if len(lines) > 0 {
		r.msg = &message{content: lines}
	}
	if r.slot > end {
		r.flag = rollEnds
	}
	s.send(m.from, r)
}

// rollEnds: the home has no more channels.
const rollEnds = 1
