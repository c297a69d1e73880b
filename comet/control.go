package comet

import "time"

// control serves mailControl.
func (s *shard) control(m *mail) {
	r := mail{kind: mailDone, conn: m.conn, slot: m.slot}
	var i uint32
	if m.op == opSign {
		i, r.code = s.findOrMake(m.cname())
	} else if i = s.find(m.cname()); i == 0 {
		r.code = codeNone
	}
	if i != 0 {
		ch := s.channels.At(i)
		r.seq, r.n, r.ref.gen = ch.next, int32(ch.subs), ch.gen
		switch m.op {
		case opSign:
			s.extend(i, time.Duration(m.n)*time.Second)
			r.seq = s.oldest(ch)
		case opClose:
			s.endChannel(i)
		case opClear:
			s.dropHistory(ch)
		}
	}
	s.send(m.from, r)
}
