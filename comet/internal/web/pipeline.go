package web

import (
	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/pool"
	"ccomet/reactor"
)

// pipe holds the requests of one connection that wait for an answer, in the
// order in which they came, which is the order they must be answered in
// (RFC 9112 section 9.3.2). Answers come from as many loops as there are
// channels' homes; each fills its slot, and what is ready at the front is
// written at the end of the turn, at once.
type pipeline struct {
	conn       reactor.Conn
	first      uint32 // the number of the first slot
	slots      []pendingReply
	partial    uint32 // the next request's parser, if it has begun to arrive
	full       bool   // no more requests are taken until it is empty
	closeAfter bool   // the connection ends when it is empty
	psub       bool   // it becomes a listener to /psub when it is empty
	psubNow    bool   // one that wants to know at once which channels live
	http10     bool   // one of HTTP/1.0
	listed     bool   // among those that have something to write
}

// slot is one request's place.
type pendingReply struct {
	op                         mail.Op
	code                       mail.Code
	done                       bool
	http10, closeAfter, isHEAD bool
	ack                        bool
	side                       uint8
	seq, n                     int32
	epoch                      uint32 // of opSign
	cb, name, text             string
}

// maxPipe is how many requests of one connection may wait for an answer.
const maxPipeline = 256

// waitFor gives a request a slot, for an answer that comes by mail, and returns
// its number.
func (w *Web) awaitReply(x *exchange, sl pendingReply) uint32 {
	what, i := w.State(x.conn)
	if what != conn.Answering {
		i = w.newPipeline(x.conn)
		w.SetState(x.conn, conn.Answering, i)
		w.loop.SetTimer(x.conn, w.cfg.RequestTimeout)
	}
	return w.addReply(i, x, sl)
}

func (w *Web) addReply(i uint32, x *exchange, sl pendingReply) uint32 {
	p := w.pipelines[i]
	sl.http10, sl.closeAfter, sl.isHEAD, sl.side = x.http10, x.closeAfter, x.isHEAD, x.side
	p.slots = append(p.slots, sl)
	p.closeAfter = p.closeAfter || x.closeAfter
	// Behind a subscription there is nothing to be had in turn, so who may
	// subscribe is read on when it has its answer.
	if x.closeAfter || x.side != conn.Admin || len(p.slots) >= maxPipeline {
		p.full = true
		w.loop.Pause(p.conn)
	}
	if sl.done {
		w.listPipeline(i)
	}
	return p.first + uint32(len(p.slots)-1)
}

// stopPipe has a connection end when its answers are written.
func (w *Web) stopPipeline(i uint32) {
	p := w.pipelines[i]
	p.closeAfter, p.full = true, true
	w.loop.Pause(p.conn)
}

func (w *Web) listPipeline(i uint32) {
	if p := w.pipelines[i]; !p.listed {
		p.listed = true
		w.Answering = append(w.Answering, i)
	}
}

// answer serves mailDone.
func (w *Web) Answer(m *mail.Mail) {
	what, i := w.State(m.Conn)
	if what != conn.Answering {
		return // the connection is gone
	}
	p := w.pipelines[i]
	sl := &p.slots[m.Slot-p.first]
	sl.code, sl.seq, sl.epoch, sl.done = m.Code, m.Seq, m.Ref.Gen, true
	if sl.op == mail.OpInfo || m.Code == mail.CodeTooFast {
		sl.n = m.N
	}
	w.listPipeline(i)
}

// settle gives a request that waits its answer, if its connection is still there.
func (w *Web) resolve(a mail.ReplyTo, status int, contentType string, body []byte) {
	what, i := w.State(a.Conn)
	if what != conn.Answering {
		return
	}
	sl := &w.pipelines[i].slots[a.Slot-w.pipelines[i].first]
	x := exchange{conn: a.Conn, side: sl.side, http10: sl.http10, closeAfter: sl.closeAfter, isHEAD: sl.isHEAD}
	w.Scratch = w.appendResponse(w.Scratch[:0], &x, status, contentType, body)
	sl.op, sl.text, sl.done = mail.OpReady, string(w.Scratch), true
	w.listPipeline(i)
}

// flushPipes writes the answers that are ready.
func (w *Web) FlushPipelines() {
	for n := 0; n < len(w.Answering); n++ {
		i := w.Answering[n]
		w.pipelines[i].listed = false
		if w.pipelines[i].conn != 0 { // else closed in this turn
			w.flushPipeline(i)
		}
	}
	w.Answering = pool.Emptied(w.Answering)
}

// flushPipe goes on with one pipe, if its connection has taken all before: who does
// not read what he asked for is given no more (Drained goes on).
func (w *Web) flushPipeline(i uint32) {
	p := w.pipelines[i]
	if w.loop.Blocked(p.conn) {
		return
	}
	if len(p.slots) > 0 {
		ready := w.writeAnswers(p)
		if ready == 0 {
			return
		}
		p.first += uint32(ready)
		left := copy(p.slots, p.slots[ready:])
		clear(p.slots[left:])
		p.slots = p.slots[:left]
	}
	switch {
	case w.loop.Blocked(p.conn):
		w.loop.SetTimer(p.conn, w.loop.WriteTime(p.conn))
	case len(p.slots) == 0:
		w.emptyPipeline(i)
	default:
		w.loop.SetTimer(p.conn, w.cfg.RequestTimeout) // answers come: no reason to give up
		if p.slots[0].done {
			w.listPipeline(i) // for the next to be written by itself
		}
	}
}

// writeAnswers writes what is ready at the front of a pipe, and returns how many
// answers that was: all that there are up to a handler's, or that one alone.
func (w *Web) writeAnswers(p *pipeline) (ready int) {
	if sl := &p.slots[0]; sl.op == mail.OpHandled && sl.done {
		w.sendHandled(p.conn, sl, p.first)
		return 1
	}
	w.Scratch = w.Scratch[:0]
	for ready < len(p.slots) && p.slots[ready].done && p.slots[ready].op != mail.OpHandled {
		w.Scratch = w.appendAnswer(w.Scratch, p.conn, &p.slots[ready])
		ready++
	}
	if ready > 0 {
		_ = w.loop.Write(p.conn, w.Scratch) // a lost connection is told to Closed
	}
	return ready
}

// emptyPipe frees a connection whose requests are all answered for the next.
func (w *Web) emptyPipeline(i uint32) {
	p := w.pipelines[i]
	c, half, last, psub, now, old := p.conn, p.partial, p.closeAfter, p.psub, p.psubNow, p.http10
	p.partial = 0
	w.freePipeline(i)
	w.SetState(c, conn.Idle, 0)
	switch {
	case half != 0 && !last && !psub:
		w.SetState(c, conn.Request, half)
		w.loop.SetTimer(c, w.cfg.RequestTimeout)
		w.loop.Resume(c)
		return
	case half != 0:
		w.Parsers.giveBack(half)
	}
	if psub && !last {
		w.startPsub(c, old, now)
		return
	}
	w.Answered(c, last)
}

func (w *Web) newPipeline(c reactor.Conn) uint32 {
	var i uint32
	if n := len(w.idlePipelines); n > 0 {
		i, w.idlePipelines = w.idlePipelines[n-1], w.idlePipelines[:n-1]
	} else {
		w.pipelines = append(w.pipelines, &pipeline{})
		i = uint32(len(w.pipelines) - 1)
	}
	w.pipelines[i].conn = c
	return i
}

func (w *Web) freePipeline(i uint32) {
	p := w.pipelines[i]
	*p = pipeline{slots: pool.Emptied(p.slots), listed: p.listed}
	w.idlePipelines = append(w.idlePipelines, i)
}

func (w *Web) pipelineTakes(i uint32, _ reactor.Conn) bool { return !w.pipelines[i].full }

// pipeEnded: the peer will send nothing more. A full pipe has paused the
// connection: what was sent before the end is taken when the pipe is empty, and the
// end told again.
func (w *Web) pipelineEnded(i uint32, c reactor.Conn) {
	w.CancelHandlers(c)
	if p := w.pipelines[i]; !p.full || p.psub {
		w.stopPipeline(i)
	}
}

func (w *Web) pipelineDrained(i uint32, c reactor.Conn) {
	w.loop.SetTimer(c, w.cfg.RequestTimeout)
	w.listPipeline(i)
}

func (w *Web) pipelineExpired(i uint32, c reactor.Conn) {
	if w.awaitsHandler(c) && !w.loop.Blocked(c) {
		w.loop.SetTimer(c, w.cfg.RequestTimeout) // it takes as long as it takes
		return
	}
	w.giveUp(i, c)
}

func (w *Web) pipelineClosed(i uint32, _ reactor.Conn) { w.freePipeline(i) }
