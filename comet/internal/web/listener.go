package web

import (
	"ccomet/comet/internal/broker"
	"ccomet/comet/internal/mail"
	"ccomet/httplite"
	"ccomet/reactor"
)

// A listener to /psub with now=1 is told at once which channels live: a roll call.
// Its loop asks one home after the other, some records at a time, and asks for more
// only when the listener has taken in what there was. So a slow one takes its time,
// and one that has gone costs nothing more.
type listing struct {
	home  int    // the loop that is being asked
	at    uint32 // its next record
	asked bool
}

// startRoll begins a listener's roll call.
func (p *presence) startListing(c reactor.Conn) {
	if p.Listings == nil {
		p.Listings = map[reactor.Conn]*listing{}
	}
	p.Listings[c] = &listing{at: 1}
	p.goOn(c)
}

// goOn asks for more, if a roll call is under way and nothing asked yet.
func (p *presence) goOn(c reactor.Conn) {
	if r := p.Listings[c]; r != nil && !r.asked {
		r.asked = true
		p.w.Send(uint8(r.home), mail.Mail{Kind: mail.ListChannels, Conn: c, Slot: r.at})
	}
}

// rolled serves mailRolled.
func (p *presence) Listed(m *mail.Mail) {
	r := p.Listings[m.Conn]
	if r == nil {
		return // it has gone
	}
	r.asked, r.at = false, m.Slot
	if m.Flag == broker.ListingEnds {
		if r.home, r.at = r.home+1, 1; r.home == p.w.Loops() {
			delete(p.Listings, m.Conn)
		}
	}
	if m.Msg != nil {
		p.w.Scratch = httplite.AppendChunk(p.w.Scratch[:0], m.Msg.Content)
		p.write(m.Conn, m.Msg.Content, p.w.Scratch)
	}
	if !p.w.loop.Blocked(m.Conn) {
		p.goOn(m.Conn)
	}
}
