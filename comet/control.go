package comet

import "time"

// control serves mailControl.
func (b *broker) control(m *mail) {
	r := mail{kind: mailDone, conn: m.conn, slot: m.slot}
	var i uint32
	if m.op == opSign {
		i, r.code = b.findOrMake(m.cname())
	} else if i = b.find(m.cname()); i == 0 {
		r.code = codeNone
	}
	if i != 0 {
		ch := b.channels.At(i)
		r.seq, r.n, r.ref.gen = ch.next, int32(ch.subs), ch.gen
		switch m.op {
		case opSign:
			b.extend(i, time.Duration(m.n)*time.Second)
			r.seq = b.oldest(ch)
		case opClose:
			b.endChannel(i)
		case opClear:
			b.dropHistory(ch)
		}
	}
	b.send(m.from, r)
}

// MaxLease is the longest that a channel may be signed for.
const MaxLease = 365 * 24 * time.Hour
