package web

import (
	"slices"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/limit"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/pool"
	"ccomet/httplite"
	"ccomet/reactor"
)

// presence implements /psub. A listener gets the line "1 name" when a channel is created, again
// every channel timeout while it exists, and "0 name" when it is deleted.
//
//  1. A channel's home renders the line and mails it to the loops that have listeners
//     (presence.go of the broker). Without listeners nothing is rendered.
//  2. Each loop collects the lines of a turn, and writes them to its listeners as one chunk. A
//     slow listener is closed when its output has been blocked for the write timeout, or when
//     its buffered output exceeds the loop's bound.
//  3. With now=1, all existing channels are listed to the new listener (listener.go).
//  4. While there are listeners, each home goes through its channels once a channel timeout, a
//     few at a time, and reports that they exist.
type presence struct {
	*mail.Mailer
	conns     *conn.Table
	heads     *frame.Heads
	totals    *limit.Totals
	listeners []reactor.Conn
	Listings  map[reactor.Conn]*listing // of listeners to which the existing channels are being listed
	Lines     []byte                    // collected in this turn
	chunk     []byte                    // render buffer
}

func (w *Web) psub(x *exchange) {
	if x.isHEAD {
		w.replyHead(x, frame.TypeText, true)
		return
	}
	now := x.given("now")
	if i := w.pipelines.of(x.conn); i != 0 {
		// It starts when the earlier requests are answered.
		p := w.pipelines.at(i)
		p.psub, p.psubNow, p.http10, p.full = true, now, x.http10, true
		w.loop.Pause(x.conn)
		return
	}
	w.Presence.start(x.conn, x.http10, now)
}

// The index that belongs to state conn.Listening is the framing of the response.
const (
	psubChunked uint32 = iota
	psubBare           // HTTP/1.0
)

// start makes a connection a listener. With now, the existing channels are listed to it.
func (p *presence) start(c reactor.Conn, http10, now bool) {
	loop := p.conns.Loop
	loop.Pause(c)
	loop.SetTimer(c, -1)
	p.add(c)
	p.chunk = p.heads.AppendHead(p.chunk[:0], p.conns.Side(c), frame.Head{Conn: c.Index(), Status: 200, ContentType: frame.TypeText, HTTP10: http10, CloseAfter: http10, Endless: true})
	framing := psubBare
	if !http10 {
		framing = psubChunked
		p.chunk = append(p.chunk, frame.ChunkedLine...)
	}
	p.conns.SetState(c, conn.Listening, framing)
	_ = loop.Write(c, httplite.EndHeaders(p.chunk)) // if the connection is lost, Closed is called
	if loop.Blocked(c) {
		loop.SetTimer(c, loop.WriteTime(c))
	}
	if now {
		p.startListing(c)
	}
}

func (p *presence) add(c reactor.Conn) {
	if len(p.listeners) == 0 {
		p.totals.Listening.Or(1 << p.ID)
		p.SendAll(mail.Mail{Kind: mail.Listening}) // the homes begin to go through their channels
	}
	p.listeners = append(p.listeners, c)
}

func (p *presence) remove(c reactor.Conn) {
	if i := slices.Index(p.listeners, c); i >= 0 {
		p.listeners = slices.Delete(p.listeners, i, i+1)
	}
	delete(p.Listings, c)
	if len(p.listeners) == 0 {
		p.totals.Listening.And(^(uint64(1) << p.ID))
	}
}

// Line handles mail.PresenceLine.
func (p *presence) Line(message *msg.Message) { p.Lines = append(p.Lines, message.Content()...) }

// Flush writes the lines of this turn.
func (p *presence) Flush() {
	if len(p.Lines) == 0 {
		return
	}
	p.chunk = httplite.AppendChunk(p.chunk[:0], p.Lines)
	for _, c := range p.listeners {
		p.write(c, p.Lines, p.chunk)
	}
	p.Lines = pool.Emptied(p.Lines)
}

// trim drops a render buffer that has grown large.
func (p *presence) trim() { pool.Trimmed(&p.chunk) }

// write writes lines to one listener, raw or as a chunk.
func (p *presence) write(c reactor.Conn, lines, chunk []byte) {
	if _, framing := p.conns.State(c); framing == psubBare {
		chunk = lines
	}
	loop := p.conns.Loop
	stuck := loop.Blocked(c) // then its write timeout runs already, and more output must not extend it
	_ = loop.Write(c, chunk) // if the connection is lost, or its bound is exceeded, Closed is called
	if !stuck && loop.Blocked(c) {
		loop.SetTimer(c, loop.WriteTime(c))
	}
}

// listenerEnded ends the response properly if the client has shut down its side: it may still
// read.
func listenerEnded(w *Web, framing uint32, c reactor.Conn) {
	if framing == psubChunked {
		_ = w.loop.Write(c, frame.LastChunk)
	}
	w.Presence.remove(c)
	w.Finish(c)
}

func listenerDrained(w *Web, _ uint32, c reactor.Conn) {
	w.loop.SetTimer(c, -1)
	w.Presence.goOn(c)
}

func listenerClosed(w *Web, _ uint32, c reactor.Conn) { w.Presence.remove(c) }
