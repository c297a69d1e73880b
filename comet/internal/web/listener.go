package web

import (
	"ccomet/comet/internal/mail"
	"ccomet/httplite"
	"ccomet/reactor"
)

// listing is how far the listing of existing channels to a listener of /psub with now=1 has
// got. The listener's loop asks one home after the other for a limited number of records, and
// asks for more only when the listener has read the last. So a slow listener costs no memory,
// and one that has gone no more work.
type listing struct {
	home  int    // the loop that is being asked
	at    uint32 // the next record to ask for
	asked bool
}

// startListing starts a listing for a listener.
func (p *presence) startListing(c reactor.Conn) {
	if p.Listings == nil {
		p.Listings = map[reactor.Conn]*listing{}
	}
	p.Listings[c] = &listing{at: 1}
	p.goOn(c)
}

// goOn asks for more records, if a listing is under way and no answer is pending.
func (p *presence) goOn(c reactor.Conn) {
	if l := p.Listings[c]; l != nil && !l.asked {
		l.asked = true
		m := mail.FromRecord(mail.ListChannels, l.at)
		m.Conn = c
		p.Send(uint8(l.home), m)
	}
}

// Listed handles mail.ChannelsListed.
func (p *presence) Listed(m *mail.Mail) {
	l := p.Listings[m.Conn]
	if l == nil {
		return // the listener has gone
	}
	l.asked, l.at = false, m.Record()
	if m.Flag&mail.FlagEnd != 0 {
		if l.home, l.at = l.home+1, 1; l.home == p.Loops() {
			delete(p.Listings, m.Conn)
		}
	}
	if m.Msg != nil {
		p.chunk = httplite.AppendChunk(p.chunk[:0], m.Msg.Content())
		p.write(m.Conn, m.Msg.Content(), p.chunk)
	}
	if !p.conns.Loop.Blocked(m.Conn) {
		p.goOn(m.Conn)
	}
}
