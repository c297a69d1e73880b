package comet

import (
	"ccomet/httplite"
	"ccomet/reactor"
)

// A listener to /psub with now=1 is told at once which channels live: a roll call.
// Its loop asks one home after the other, some records at a time, and asks for more
// only when the listener has taken in what there was. So a slow one takes its time,
// and one that has gone costs nothing more.
type roll struct {
	home  int    // the loop that is being asked
	at    uint32 // its next record
	asked bool
}

// startRoll begins a listener's roll call.
func (p *presence) startRoll(c reactor.Conn) {
	if p.rolls == nil {
		p.rolls = map[reactor.Conn]*roll{}
	}
	p.rolls[c] = &roll{at: 1}
	p.goOn(c)
}

// goOn asks for more, if a roll call is under way and nothing asked yet.
func (p *presence) goOn(c reactor.Conn) {
	if r := p.rolls[c]; r != nil && !r.asked {
		r.asked = true
		p.w.send(uint8(r.home), mail{kind: mailRollCall, conn: c, slot: r.at})
	}
}

// rolled serves mailRolled.
func (p *presence) rolled(m *mail) {
	r := p.rolls[m.conn]
	if r == nil {
		return // it has gone
	}
	r.asked, r.at = false, m.slot
	if m.flag == rollEnds {
		if r.home, r.at = r.home+1, 1; r.home == p.w.loops() {
			delete(p.rolls, m.conn)
		}
	}
	if m.msg != nil {
		p.w.scratch = httplite.AppendChunk(p.w.scratch[:0], m.msg.content)
		p.write(m.conn, m.msg.content, p.w.scratch)
	}
	if !p.w.loop.Blocked(m.conn) {
		p.goOn(m.conn)
	}
}
