package comet

import (
	"github.com/valyala/bytebufferpool"

	"ccomet/reactor"
)

// op is what a request that is answered later was for.
type op uint8

const (
	opReady op = iota // text is the whole response
	opPush
	opSign
	opClose
	opClear
	opCheck
	opInfo
	opHandled // by a handler (handler.go)
	opAsked   // of several loops: becomes opReady (settle)
	opSignIn  // CComet's dialect
	opPublish
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
func (s *shard) waitFor(x *exchange, sl slot) uint32 {
	what, i := s.state(x.conn)
	if what != stateAnswering {
		i = s.newPipe(x.conn)
		s.setState(x.conn, stateAnswering, i)
		s.loop.SetTimer(x.conn, s.cfg.RequestTimeout)
	}
	return s.addSlot(i, x, sl)
}

func (s *shard) addSlot(i uint32, x *exchange, sl slot) uint32 {
	p := s.pipes[i]
	sl.old, sl.last, sl.head, sl.side = x.old, x.last, x.head, x.side
	p.slots = append(p.slots, sl)
	p.last = p.last || x.last
	// Behind a subscription there is nothing to be had in turn, so who may
	// subscribe is read on when it has its answer.
	if x.last || x.side != sideAdmin || len(p.slots) >= maxPipe {
		p.full = true
		s.loop.Pause(p.conn)
	}
	if sl.done {
		s.listPipe(i)
	}
	return p.first + uint32(len(p.slots)-1)
}

// stopPipe has a connection end when its answers are written.
func (s *shard) stopPipe(i uint32) {
	p := s.pipes[i]
	p.last, p.full = true, true
	s.loop.Pause(p.conn)
}

func (s *shard) listPipe(i uint32) {
	if p := s.pipes[i]; !p.listed {
		p.listed = true
		s.answering = append(s.answering, i)
	}
}

// answer serves mailDone.
func (s *shard) answer(m *mail) {
	what, i := s.state(m.conn)
	if what != stateAnswering {
		return // the connection is gone
	}
	p := s.pipes[i]
	sl := &p.slots[m.slot-p.first]
	sl.code, sl.seq, sl.epoch, sl.done = m.code, m.seq, m.ref.gen, true
	if sl.op == opInfo || m.code == codeTooFast {
		sl.n = m.n
	}
	s.listPipe(i)
}

// settle gives a request that waits its answer, if its connection is still there.
func (s *shard) settle(a asker, status int, contentType string, body []byte) {
	what, i := s.state(a.conn)
	if what != stateAnswering {
		return
	}
	sl := &s.pipes[i].slots[a.slot-s.pipes[i].first]
	x := exchange{conn: a.conn, side: sl.side, old: sl.old, last: sl.last, head: sl.head}
	s.scratch = s.appendResponse(s.scratch[:0], &x, status, contentType, body)
	sl.op, sl.text, sl.done = opReady, string(s.scratch), true
	s.listPipe(i)
}

// flushPipes writes the answers that are ready.
func (s *shard) flushPipes() {
	for n := 0; n < len(s.answering); n++ {
		i := s.answering[n]
		s.pipes[i].listed = false
		if s.pipes[i].conn != 0 { // else closed in this turn
			s.flushPipe(i)
		}
	}
	s.answering = emptied(s.answering)
}

// flushPipe goes on with one pipe, if its connection has taken all before: who does
// not read what he asked for is given no more (Drained goes on).
func (s *shard) flushPipe(i uint32) {
	p := s.pipes[i]
	if s.loop.Blocked(p.conn) {
		return
	}
	if len(p.slots) > 0 {
		ready := s.writeAnswers(p)
		if ready == 0 {
			return
		}
		p.first += uint32(ready)
		left := copy(p.slots, p.slots[ready:])
		clear(p.slots[left:])
		p.slots = p.slots[:left]
	}
	switch {
	case s.loop.Blocked(p.conn):
		s.loop.SetTimer(p.conn, s.loop.WriteTime(p.conn))
	case len(p.slots) == 0:
		s.emptyPipe(i)
	default:
		s.loop.SetTimer(p.conn, s.cfg.RequestTimeout) // answers come: no reason to give up
		if p.slots[0].done {
			s.listPipe(i) // for the next to be written by itself
		}
	}
}

// writeAnswers writes what is ready at the front of a pipe, and returns how many
// answers that was: all that there are up to a handler's, or that one alone.
func (s *shard) writeAnswers(p *pipe) (ready int) {
	if sl := &p.slots[0]; sl.op == opHandled && sl.done {
		s.sendHandled(p.conn, sl, p.first)
		return 1
	}
	s.scratch = s.scratch[:0]
	for ready < len(p.slots) && p.slots[ready].done && p.slots[ready].op != opHandled {
		s.scratch = s.appendAnswer(s.scratch, p.conn, &p.slots[ready])
		ready++
	}
	if ready > 0 {
		_ = s.loop.Write(p.conn, s.scratch) // a lost connection is told to Closed
	}
	return ready
}

// emptyPipe frees a connection whose requests are all answered for the next.
func (s *shard) emptyPipe(i uint32) {
	p := s.pipes[i]
	c, half, last, psub, now, old := p.conn, p.half, p.last, p.psub, p.psubNow, p.old
	p.half = 0
	s.freePipe(i)
	s.setState(c, stateIdle, 0)
	switch {
	case half != 0 && !last && !psub:
		s.setState(c, stateRequest, half)
		s.loop.SetTimer(c, s.cfg.RequestTimeout)
		s.loop.Resume(c)
		return
	case half != 0:
		s.halves.giveBack(half)
	}
	if psub && !last {
		s.startPsub(c, old, now)
		return
	}
	s.answered(c, last)
}

func (s *shard) newPipe(c reactor.Conn) uint32 {
	var i uint32
	if n := len(s.idlePipes); n > 0 {
		i, s.idlePipes = s.idlePipes[n-1], s.idlePipes[:n-1]
	} else {
		s.pipes = append(s.pipes, &pipe{})
		i = uint32(len(s.pipes) - 1)
	}
	s.pipes[i].conn = c
	return i
}

func (s *shard) freePipe(i uint32) {
	p := s.pipes[i]
	*p = pipe{slots: emptied(p.slots), listed: p.listed}
	s.idlePipes = append(s.idlePipes, i)
}

// nameBuffer borrows a buffer that begins with a channel's name.
func nameBuffer(cname []byte) *bytebufferpool.ByteBuffer {
	b := bytebufferpool.Get()
	b.B = append(b.B[:0], cname...)
	return b
}

func (s *shard) pipeTakes(i uint32, _ reactor.Conn) bool { return !s.pipes[i].full }

// pipeEnded: the peer will send nothing more. A full pipe has paused the
// connection: what was sent before the end is taken when the pipe is empty, and the
// end told again.
func (s *shard) pipeEnded(i uint32, c reactor.Conn) {
	s.cancelHandlers(c)
	if p := s.pipes[i]; !p.full || p.psub {
		s.stopPipe(i)
	}
}

func (s *shard) pipeDrained(i uint32, c reactor.Conn) {
	s.loop.SetTimer(c, s.cfg.RequestTimeout)
	s.listPipe(i)
}

func (s *shard) pipeExpired(i uint32, c reactor.Conn) {
	if s.awaitsHandler(c) && !s.loop.Blocked(c) {
		s.loop.SetTimer(c, s.cfg.RequestTimeout) // it takes as long as it takes
		return
	}
	s.giveUp(i, c)
}

func (s *shard) pipeClosed(i uint32, _ reactor.Conn) { s.freePipe(i) }
