package comet

import (
	"slices"

	"ccomet/httplite"
	"ccomet/reactor"
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
	w     *web
	conns []reactor.Conn
	rolls map[reactor.Conn]*roll // of those who are being told which channels live
	lines []byte
}

// psub serves /psub.
func (w *web) psub(x *exchange) {
	if x.head {
		w.replyHead(x, typeText, true)
		return
	}
	now := w.given(x, "now")
	if what, i := w.state(x.conn); what == stateAnswering {
		// In its turn, behind what was asked before.
		p := w.pipes[i]
		p.psub, p.psubNow, p.old, p.full = true, now, x.old, true
		w.loop.Pause(x.conn)
		return
	}
	w.startPsub(x.conn, x.old, now)
}

// The index that goes with stateListening says how the response is framed.
const (
	psubChunked uint32 = iota
	psubBare           // HTTP/1.0
)

func (w *web) startPsub(c reactor.Conn, old, now bool) {
	w.loop.Pause(c)
	w.loop.SetTimer(c, -1)
	w.presence.add(c)
	w.scratch = w.appendHead(w.scratch[:0], w.side(c), head{conn: c.Index(), status: 200, contentType: typeText, old: old, last: old, endless: true})
	framing := psubBare
	if !old {
		framing = psubChunked
		w.scratch = append(w.scratch, chunkedLine...)
	}
	w.setState(c, stateListening, framing)
	_ = w.loop.Write(c, httplite.EndHeaders(w.scratch))
	if w.loop.Blocked(c) {
		w.loop.SetTimer(c, w.loop.WriteTime(c))
	}
	if now {
		w.presence.startRoll(c)
	}
}

func (p *presence) add(c reactor.Conn) {
	if len(p.conns) == 0 {
		p.w.totals.listening.Or(1 << p.w.id)
		p.w.sendAll(mail{kind: mailListening}) // for the homes' rounds to begin
	}
	p.conns = append(p.conns, c)
}

func (p *presence) remove(c reactor.Conn) {
	if i := slices.Index(p.conns, c); i >= 0 {
		p.conns = slices.Delete(p.conns, i, i+1)
	}
	delete(p.rolls, c)
	if len(p.conns) == 0 {
		p.w.totals.listening.And(^(uint64(1) << p.w.id))
	}
}

// line serves mailPresence.
func (p *presence) line(msg *message) { p.lines = append(p.lines, msg.content...) }

// flush writes what the turn has gathered.
func (p *presence) flush() {
	if len(p.lines) == 0 {
		return
	}
	p.w.scratch = httplite.AppendChunk(p.w.scratch[:0], p.lines)
	for _, c := range p.conns {
		p.write(c, p.lines, p.w.scratch)
	}
	p.lines = emptied(p.lines)
}

// write writes lines to one listener, as they are or as a chunk.
func (p *presence) write(c reactor.Conn, lines, chunk []byte) {
	if _, framing := p.w.state(c); framing == psubBare {
		chunk = lines
	}
	stuck := p.w.loop.Blocked(c) // its time runs already: what is put behind does not put it off
	_ = p.w.loop.Write(c, chunk) // a lost connection, or one that too much is held for, is told to Closed
	if !stuck && p.w.loop.Blocked(c) {
		p.w.loop.SetTimer(c, p.w.loop.WriteTime(c))
	}
}

// listenerEnded gives a client that has ended its side a clear end: it may still read.
func (w *web) listenerEnded(framing uint32, c reactor.Conn) {
	if framing == psubChunked {
		_ = w.loop.Write(c, lastChunk)
	}
	w.presence.remove(c)
	w.finish(c)
}

func (w *web) listenerDrained(_ uint32, c reactor.Conn) {
	w.loop.SetTimer(c, -1)
	w.presence.goOn(c)
}

func (w *web) listenerClosed(_ uint32, c reactor.Conn) { w.presence.remove(c) }
