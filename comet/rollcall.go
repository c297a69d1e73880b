package comet

// runRolls answers what was asked (mailRollCall), within the turn's budget.
func (b *broker) runRolls() {
	left, n := walkBudget, 0
	for ; n < len(b.rollCalls) && left > 0; n++ {
		b.callRoll(&b.rollCalls[n], &left)
	}
	b.rollCalls = append(b.rollCalls[:0], b.rollCalls[n:]...)
}

func (b *broker) callRoll(m *mail, left *int) {
	r := mail{kind: mailRolled, conn: m.conn, slot: m.slot}
	var lines []byte
	end := b.channels.Used()
	for i := b.nextLive(&r.slot, end, left); i != 0; i = b.nextLive(&r.slot, end, left) {
		if ch := b.channels.At(i); ch.dialect == dialectOurs {
			lines = appendPresence(lines, true, b.names.get(ch.name()))
		}
	}
	if len(lines) > 0 {
		r.msg = &message{content: lines}
	}
	if r.slot > end {
		r.flag = rollEnds
	}
	b.send(m.from, r)
}

// rollEnds: the home has no more channels.
const rollEnds = 1
