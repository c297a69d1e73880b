package comet

import (
	"ccomet/reactor"
)

// pipe holds the requests of one connection that wait for an answer, in the
// order in which they came, which is the order they must be answered in
// (RFC 9112 section 9.3.2). Answers come from as many loops as there are
// channels' homes; each fills its slot, and what is ready at the front is
// written at the end of the turn, at once.
type pipe struct {
	conn    reactor.Conn
	first   uint32 // the number of the first slot
	slots   []slot
	half    uint32 // the next request's parser, if it has begun to arrive
	full    bool   // no more requests are taken until it is empty
	last    bool   // the connection ends when it is empty
	psub    bool   // it becomes a listener to /psub when it is empty
	psubNow bool   // one that wants to know at once which channels live
	old     bool   // one of HTTP/1.0
	listed  bool   // among those that have something to write
}

// slot is one request's place.
type slot struct {
	op              op
	code            code
	done            bool
	old, last, head bool
	ack             bool
	side            uint8
	seq, n          int32
	epoch           uint32 // of opSign
	cb, name, text  string
}

// maxPipe is how many requests of one connection may wait for an answer.
const maxPipe = 256

// waitFor gives a request a slot, for an answer that comes by mail, and returns
// its number.
func (w *web) waitFor(x *exchange, sl slot) uint32 {
	what, i := w.state(x.conn)
	if what != stateAnswering {
		i = w.newPipe(x.conn)
		w.setState(x.conn, stateAnswering, i)
		w.loop.SetTimer(x.conn, w.cfg.RequestTimeout)
	}
	return w.addSlot(i, x, sl)
}

func (w *web) addSlot(i uint32, x *exchange, sl slot) uint32 {
	p := w.pipes[i]
	sl.old, sl.last, sl.head, sl.side = x.old, x.last, x.head, x.side
	p.slots = append(p.slots, sl)
	p.last = p.last || x.last
	// Behind a subscription there is nothing to be had in turn, so who may
	// subscribe is read on when it has its answer.
	if x.last || x.side != sideAdmin || len(p.slots) >= maxPipe {
		p.full = true
		w.loop.Pause(p.conn)
	}
	if sl.done {
		w.listPipe(i)
	}
	return p.first + uint32(len(p.slots)-1)
}

// stopPipe has a connection end when its answers are written.
func (w *web) stopPipe(i uint32) {
	p := w.pipes[i]
	p.last, p.full = true, true
	w.loop.Pause(p.conn)
}

func (w *web) listPipe(i uint32) {
	if p := w.pipes[i]; !p.listed {
		p.listed = true
		w.answering = append(w.answering, i)
	}
}

// answer serves mailDone.
func (w *web) answer(m *mail) {
	what, i := w.state(m.conn)
	if what != stateAnswering {
		return // the connection is gone
	}
	p := w.pipes[i]
	sl := &p.slots[m.slot-p.first]
	sl.code, sl.seq, sl.epoch, sl.done = m.code, m.seq, m.ref.gen, true
	if sl.op == opInfo || m.code == codeTooFast {
		sl.n = m.n
	}
	w.listPipe(i)
}

// settle gives a request that waits its answer, if its connection is still there.
func (w *web) settle(a asker, status int, contentType string, body []byte) {
	what, i := w.state(a.conn)
	if what != stateAnswering {
		return
	}
	sl := &w.pipes[i].slots[a.slot-w.pipes[i].first]
	x := exchange{conn: a.conn, side: sl.side, old: sl.old, last: sl.last, head: sl.head}
	w.scratch = w.appendResponse(w.scratch[:0], &x, status, contentType, body)
	sl.op, sl.text, sl.done = opReady, string(w.scratch), true
	w.listPipe(i)
}

// flushPipes writes the answers that are ready.
func (w *web) flushPipes() {
	for n := 0; n < len(w.answering); n++ {
		i := w.answering[n]
		w.pipes[i].listed = false
		if w.pipes[i].conn != 0 { // else closed in this turn
			w.flushPipe(i)
		}
	}
	w.answering = emptied(w.answering)
}

// flushPipe goes on with one pipe, if its connection has taken all before: who does
// not read what he asked for is given no more (Drained goes on).
func (w *web) flushPipe(i uint32) {
	p := w.pipes[i]
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
		w.emptyPipe(i)
	default:
		w.loop.SetTimer(p.conn, w.cfg.RequestTimeout) // answers come: no reason to give up
		if p.slots[0].done {
			w.listPipe(i) // for the next to be written by itself
		}
	}
}

// writeAnswers writes what is ready at the front of a pipe, and returns how many
// answers that was: all that there are up to a handler's, or that one alone.
func (w *web) writeAnswers(p *pipe) (ready int) {
	if sl := &p.slots[0]; sl.op == opHandled && sl.done {
		w.sendHandled(p.conn, sl, p.first)
		return 1
	}
	w.scratch = w.scratch[:0]
	for ready < len(p.slots) && p.slots[ready].done && p.slots[ready].op != opHandled {
		w.scratch = w.appendAnswer(w.scratch, p.conn, &p.slots[ready])
		ready++
	}
	if ready > 0 {
		_ = w.loop.Write(p.conn, w.scratch) // a lost connection is told to Closed
	}
	return ready
}

// emptyPipe frees a connection whose requests are all answered for the next.
func (w *web) emptyPipe(i uint32) {
	p := w.pipes[i]
	c, half, last, psub, now, old := p.conn, p.half, p.last, p.psub, p.psubNow, p.old
	p.half = 0
	w.freePipe(i)
	w.setState(c, stateIdle, 0)
	switch {
	case half != 0 && !last && !psub:
		w.setState(c, stateRequest, half)
		w.loop.SetTimer(c, w.cfg.RequestTimeout)
		w.loop.Resume(c)
		return
	case half != 0:
		w.halves.giveBack(half)
	}
	if psub && !last {
		w.startPsub(c, old, now)
		return
	}
	w.answered(c, last)
}

func (w *web) newPipe(c reactor.Conn) uint32 {
	var i uint32
	if n := len(w.idlePipes); n > 0 {
		i, w.idlePipes = w.idlePipes[n-1], w.idlePipes[:n-1]
	} else {
		w.pipes = append(w.pipes, &pipe{})
		i = uint32(len(w.pipes) - 1)
	}
	w.pipes[i].conn = c
	return i
}

func (w *web) freePipe(i uint32) {
	p := w.pipes[i]
	*p = pipe{slots: emptied(p.slots), listed: p.listed}
	w.idlePipes = append(w.idlePipes, i)
}

func (w *web) pipeTakes(i uint32, _ reactor.Conn) bool { return !w.pipes[i].full }

// pipeEnded: the peer will send nothing more. A full pipe has paused the
// connection: what was sent before the end is taken when the pipe is empty, and the
// end told again.
func (w *web) pipeEnded(i uint32, c reactor.Conn) {
	w.cancelHandlers(c)
	if p := w.pipes[i]; !p.full || p.psub {
		w.stopPipe(i)
	}
}

func (w *web) pipeDrained(i uint32, c reactor.Conn) {
	w.loop.SetTimer(c, w.cfg.RequestTimeout)
	w.listPipe(i)
}

func (w *web) pipeExpired(i uint32, c reactor.Conn) {
	if w.awaitsHandler(c) && !w.loop.Blocked(c) {
		w.loop.SetTimer(c, w.cfg.RequestTimeout) // it takes as long as it takes
		return
	}
	w.giveUp(i, c)
}

func (w *web) pipeClosed(i uint32, _ reactor.Conn) { w.freePipe(i) }
