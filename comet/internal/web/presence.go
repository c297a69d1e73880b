package web

import (
	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/pool"
	"ccomet/httplite"
	"ccomet/reactor"
	"slices"
)

// Presence: a connection to /psub hears "1 name" when a channel comes to life,
// and again every channel timeout while it lives, and "0 name" when it goes.
//
//  1. A channel's home renders the line and mails it to the loops that have
//     listeners (announce.go). Without listeners nothing is rendered.
//  2. Each loop gathers the turn's lines, and writes them to its listeners as
//     one chunk. One that does not keep up is cut when the write timeout has
//     passed since it last had all that was written for it, or when what is held
//     for it exceeds the loop's bound.
//  3. With now=1, a listener is told at once of all channels that live
//     (rollcall.go).
//  4. While there are listeners, each home goes round its channels once a
//     channel timeout, a few at a time, to say that they live (sweep).
type presence struct {
	w        *Web
	conns    []reactor.Conn
	Listings map[reactor.Conn]*listing // of those who are being told which channels live
	Lines    []byte
}

// psub serves /psub.
func (w *Web) psub(x *exchange) {
	if x.isHEAD {
		w.replyHead(x, frame.TypeText, true)
		return
	}
	now := w.given(x, "now")
	if what, i := w.State(x.conn); what == conn.Answering {
		// In its turn, behind what was asked before.
		p := w.pipelines[i]
		p.psub, p.psubNow, p.http10, p.full = true, now, x.http10, true
		w.loop.Pause(x.conn)
		return
	}
	w.startPsub(x.conn, x.http10, now)
}

// The index that goes with stateListening says how the response is framed.
const (
	psubChunked uint32 = iota
	psubBare           // HTTP/1.0
)

func (w *Web) startPsub(c reactor.Conn, old, now bool) {
	w.loop.Pause(c)
	w.loop.SetTimer(c, -1)
	w.Presence.add(c)
	w.Scratch = w.AppendHead(w.Scratch[:0], w.Side(c), frame.Head{Conn: c.Index(), Status: 200, ContentType: frame.TypeText, HTTP10: old, CloseAfter: old, Endless: true})
	framing := psubBare
	if !old {
		framing = psubChunked
		w.Scratch = append(w.Scratch, frame.ChunkedLine...)
	}
	w.SetState(c, conn.Listening, framing)
	_ = w.loop.Write(c, httplite.EndHeaders(w.Scratch))
	if w.loop.Blocked(c) {
		w.loop.SetTimer(c, w.loop.WriteTime(c))
	}
	if now {
		w.Presence.startListing(c)
	}
}

func (p *presence) add(c reactor.Conn) {
	if len(p.conns) == 0 {
		p.w.totals.Listening.Or(1 << p.w.Id)
		p.w.SendAll(mail.Mail{Kind: mail.Listening}) // for the homes' rounds to begin
	}
	p.conns = append(p.conns, c)
}

func (p *presence) remove(c reactor.Conn) {
	if i := slices.Index(p.conns, c); i >= 0 {
		p.conns = slices.Delete(p.conns, i, i+1)
	}
	delete(p.Listings, c)
	if len(p.conns) == 0 {
		p.w.totals.Listening.And(^(uint64(1) << p.w.Id))
	}
}

// line serves mailPresence.
func (p *presence) Line(message *msg.Message) { p.Lines = append(p.Lines, message.Content...) }

// flush writes what the turn has gathered.
func (p *presence) Flush() {
	if len(p.Lines) == 0 {
		return
	}
	p.w.Scratch = httplite.AppendChunk(p.w.Scratch[:0], p.Lines)
	for _, c := range p.conns {
		p.write(c, p.Lines, p.w.Scratch)
	}
	p.Lines = pool.Emptied(p.Lines)
}

// write writes lines to one listener, as they are or as a chunk.
func (p *presence) write(c reactor.Conn, lines, chunk []byte) {
	if _, framing := p.w.State(c); framing == psubBare {
		chunk = lines
	}
	stuck := p.w.loop.Blocked(c) // its time runs already: what is put behind does not put it off
	_ = p.w.loop.Write(c, chunk) // a lost connection, or one that too much is held for, is told to Closed
	if !stuck && p.w.loop.Blocked(c) {
		p.w.loop.SetTimer(c, p.w.loop.WriteTime(c))
	}
}

// listenerEnded gives a client that has ended its side a clear end: it may still read.
func (w *Web) listenerEnded(framing uint32, c reactor.Conn) {
	if framing == psubChunked {
		_ = w.loop.Write(c, frame.LastChunk)
	}
	w.Presence.remove(c)
	w.Finish(c)
}

func (w *Web) listenerDrained(_ uint32, c reactor.Conn) {
	w.loop.SetTimer(c, -1)
	w.Presence.goOn(c)
}

func (w *Web) listenerClosed(_ uint32, c reactor.Conn) { w.Presence.remove(c) }
