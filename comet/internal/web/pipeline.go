package web

import (
	"bytes"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/pool"
	"ccomet/comet/internal/token"
	"ccomet/reactor"
)

// pipeline has the requests of one connection that wait for an answer, in the order in
// which they came, which is the order they must be answered in (RFC 9112 section 9.3.2).
// Answers come from as many loops as there are channels' homes. Each completes its pending
// reply, and those at the front that are complete are written at once when the turn ends.
type pipeline struct {
	conn       reactor.Conn
	first      uint32 // the number of the first reply
	replies    []pendingReply
	partial    uint32 // the parser of the next request, if it has begun to arrive
	full       bool   // no more requests are taken until it is empty
	closeAfter bool   // the connection ends when it is empty
	psub       bool   // the connection becomes a listener to /psub when it is empty
	psubNow    bool   // and is told at once which channels live
	http10     bool   // that listener speaks HTTP/1.0
	listed     bool   // among those that have something to write
}

// pendingReply is the answer to one request, from when the request is taken until the answer
// is written.
type pendingReply struct {
	recipient
	write replyWriter // nil: text is the whole response, or a handler of net/http has it

	done    bool // it can be written
	handled bool // a handler of net/http has the answer (handler.go)
	ack     bool // the number is to be told

	// What the channel's home answers:
	code  mail.Code
	seq   int32
	count int32 // subscribers or seconds
	epoch uint32

	lease          int32       // seconds that /sign asks for
	right          token.Right // and what its token is to let a client do
	cb, name, text string
	history        *historyReply // of a request for what a channel keeps (history.go)
	batch          *batchReply   // of one that publishes many messages (batch.go)
}

// replyWriter appends the response to a request once the channel's home has answered. It is
// a function of the dialect in which the request was made.
type replyWriter func(r *responder, dst []byte, reply *pendingReply) []byte

// subscribers is how many the channel has, where that was asked.
func (reply *pendingReply) subscribers() int { return int(reply.count) }

// seconds is after how long a publish that was refused for its rate is worth trying again.
func (reply *pendingReply) seconds() int { return int(reply.count) }

// exchange is what the response is rendered for.
func (reply *pendingReply) exchange() exchange { return exchange{recipient: reply.recipient} }

// reply is the pending reply of a number.
func (p *pipeline) reply(number uint32) *pendingReply { return &p.replies[number-p.first] }

// drop forgets so many replies at the front, which have been written.
func (p *pipeline) drop(written int) {
	p.first += uint32(written)
	left := copy(p.replies, p.replies[written:])
	clear(p.replies[left:])
	p.replies = p.replies[:left]
}

// pipelines are the pipelines of a loop's connections, by index. A connection has one only
// while requests of it wait for an answer; the rest are used again.
type pipelines struct {
	*Web
	list  []*pipeline // [0] is no connection's
	idle  []uint32
	ready []uint32 // those that have something to write
}

func (ps *pipelines) at(i uint32) *pipeline { return ps.list[i] }

// open gives a connection a pipeline.
func (ps *pipelines) open(c reactor.Conn) uint32 {
	if len(ps.list) == 0 {
		ps.list = append(ps.list, nil)
	}
	var i uint32
	if n := len(ps.idle); n > 0 {
		i, ps.idle = ps.idle[n-1], ps.idle[:n-1]
	} else {
		ps.list = append(ps.list, &pipeline{})
		i = uint32(len(ps.list) - 1)
	}
	ps.list[i].conn = c
	return i
}

// release takes a pipeline off its connection. It may still be listed as ready.
func (ps *pipelines) release(i uint32) {
	p := ps.list[i]
	*p = pipeline{replies: pool.Emptied(p.replies), listed: p.listed}
	ps.idle = append(ps.idle, i)
}

// markReady lists a pipeline as one that has something to write.
func (ps *pipelines) markReady(i uint32) {
	if p := ps.list[i]; !p.listed {
		p.listed = true
		ps.ready = append(ps.ready, i)
	}
}

// maxPipeline is how many requests of one connection may wait for an answer.
const maxPipeline = 256

// await notes that a request waits for an answer that comes by mail, and returns the
// number of its pending reply.
func (ps *pipelines) await(x *exchange, reply pendingReply) uint32 {
	i := ps.of(x.conn)
	if i == 0 {
		i = ps.open(x.conn)
		ps.SetState(x.conn, conn.Answering, i)
		ps.loop.SetTimer(x.conn, ps.cfg.RequestTimeout)
	}
	return ps.add(i, x, reply)
}

func (ps *pipelines) add(i uint32, x *exchange, reply pendingReply) uint32 {
	p := ps.at(i)
	reply.recipient = x.recipient
	p.replies = append(p.replies, reply)
	p.closeAfter = p.closeAfter || x.closeAfter
	// A connection that may subscribe is read on when it has its answer: what stands
	// behind a subscription has no turn of its own.
	if x.closeAfter || x.side != conn.Admin || len(p.replies) >= maxPipeline {
		p.full = true
		ps.loop.Pause(p.conn)
	}
	if reply.done {
		ps.markReady(i)
	}
	return p.first + uint32(len(p.replies)-1)
}

// stop has a connection end when its answers are written.
func (ps *pipelines) stop(i uint32) {
	p := ps.at(i)
	p.closeAfter, p.full = true, true
	ps.loop.Pause(p.conn)
}

// Answer serves mail.Done.
func (w *Web) Answer(m *mail.Mail) {
	if st, _ := w.State(m.Conn); st == conn.WebSocket {
		w.sockets.answerOp(m)
		return
	}
	i := w.pipelines.of(m.Conn)
	if i == 0 {
		return // the connection is gone
	}
	reply := w.pipelines.at(i).reply(m.Reply())
	reply.code, reply.seq, reply.count, reply.epoch, reply.done = m.Code, m.Seq, m.N, m.Epoch(), true
	w.pipelines.markReady(i)
}

// resolve gives a request that waits its answer, if its connection is still there.
func (ps *pipelines) resolve(to mail.ReplyTo, status int, contentType string, body []byte) {
	i := ps.of(to.Conn)
	if i == 0 {
		return
	}
	reply := ps.at(i).reply(to.Reply)
	x := reply.exchange()
	ps.Scratch = ps.appendResponse(ps.Scratch[:0], &x, status, contentType, body)
	reply.text, reply.done = string(ps.Scratch), true
	ps.markReady(i)
}

// of is the index of a connection's pipeline, 0 where none of its requests waits for
// an answer.
func (ps *pipelines) of(c reactor.Conn) uint32 {
	if st, i := ps.State(c); st == conn.Answering {
		return i
	}
	return 0
}

// Answers is how many connections have something to write when the turn ends.
func (w *Web) Answers() int { return len(w.pipelines.ready) + len(w.sockets.ready) }

// FlushPipelines writes the answers that can be written.
func (w *Web) FlushPipelines() {
	for n := 0; n < len(w.pipelines.ready); n++ {
		i := w.pipelines.ready[n]
		w.pipelines.at(i).listed = false
		if w.pipelines.at(i).conn != 0 { // else closed in this turn
			w.pipelines.flush(i)
		}
	}
	w.pipelines.ready = pool.Emptied(w.pipelines.ready)
}

// flush goes on with one pipeline, if its connection has taken all before: a client
// that does not read its answers is given no more (Drained goes on).
func (ps *pipelines) flush(i uint32) {
	p := ps.at(i)
	if ps.loop.Blocked(p.conn) {
		return
	}
	if len(p.replies) > 0 {
		ready := ps.write(i)
		if ready == 0 {
			return
		}
		p.drop(ready)
	}
	switch {
	case ps.loop.Blocked(p.conn):
		ps.loop.SetTimer(p.conn, ps.loop.WriteTime(p.conn))
	case len(p.replies) == 0:
		ps.empty(i)
	default:
		ps.loop.SetTimer(p.conn, ps.cfg.RequestTimeout) // answers come: no reason to give up
		if p.replies[0].done {
			ps.markReady(i) // for the next to be written by itself
		}
	}
}

// write writes the complete replies at the front of a pipeline, and returns how many
// those were: all up to a handler's, or a handler's or a history alone.
func (ps *pipelines) write(i uint32) (ready int) {
	p := ps.at(i)
	switch reply := &p.replies[0]; {
	case reply.history != nil:
		if ps.Histories.write(i) {
			return 1
		}
		return 0
	case reply.handled && reply.done:
		ps.sendHandled(p.conn, reply, p.first)
		return 1
	}
	ps.Scratch = ps.Scratch[:0]
	for ready < len(p.replies) && p.replies[ready].done && !p.replies[ready].handled && len(ps.Scratch) < answersAtOnce {
		reply := &p.replies[ready]
		ps.Scratch = ps.appendPending(ps.Scratch, reply)
		if reply.batch != nil {
			ps.Batches.giveBack(reply.batch)
		}
		ready++
	}
	if ready > 0 {
		ps.send(p.conn, ps.Scratch)
	}
	return ready
}

// answersAtOnce is about how many bytes of answers are written in one go.
const answersAtOnce = 64 << 10

// send writes answers. What a backend does not read of them is held beside max-held-bytes, and
// never the reason to cut it: it could not know what it has published. It is given no more
// before it has read that.
func (ps *pipelines) send(c reactor.Conn, answers []byte) {
	if ps.Side(c) != conn.Admin {
		_ = ps.loop.Write(c, answers) // a lost connection is told to Closed
		return
	}
	if n, err := ps.loop.TryWrite(c, answers); err == nil && n < len(answers) {
		ps.loop.Hold(c, &reactor.Frame{Bytes: bytes.Clone(answers[n:]), Uncounted: true}, 0)
	}
}

// empty readies a connection whose requests are all answered for the next.
func (ps *pipelines) empty(i uint32) {
	p := ps.at(i)
	c, partial, last, psub, now, http10 := p.conn, p.partial, p.closeAfter, p.psub, p.psubNow, p.http10
	p.partial = 0
	ps.release(i)
	ps.SetState(c, conn.Idle, 0)
	switch {
	case partial != 0 && !last && !psub:
		ps.SetState(c, conn.Request, partial)
		ps.loop.SetTimer(c, ps.cfg.RequestTimeout)
		ps.loop.Resume(c)
		return
	case partial != 0:
		ps.parsers.giveBack(partial)
	}
	if psub && !last {
		ps.Presence.start(c, http10, now)
		return
	}
	ps.Answered(c, last)
}

func pipelineTakes(w *Web, i uint32, _ reactor.Conn) bool { return !w.pipelines.at(i).full }

// pipelineEnded: the peer will send nothing more. A full pipeline has paused its
// connection: what was sent before the end is taken when the pipeline is empty, and the
// loop then tells of the end again.
func pipelineEnded(w *Web, i uint32, c reactor.Conn) {
	w.Handlers.Cancel(c)
	if p := w.pipelines.at(i); !p.full || p.psub {
		w.pipelines.stop(i)
	}
}

func pipelineDrained(w *Web, i uint32, c reactor.Conn) {
	w.loop.SetTimer(c, w.cfg.RequestTimeout)
	w.pipelines.markReady(i)
}

func pipelineExpired(w *Web, i uint32, c reactor.Conn) {
	if w.Handlers.runs(c) && !w.loop.Blocked(c) {
		w.loop.SetTimer(c, w.cfg.RequestTimeout) // a handler has no bound of time
		return
	}
	giveUp(w, i, c)
}

func pipelineClosed(w *Web, i uint32, _ reactor.Conn) { w.pipelines.release(i) }

func pipelinePartial(w *Web, i uint32) uint32 { return w.pipelines.at(i).partial }

func pipelineKeepPartial(w *Web, i uint32, _ reactor.Conn, partial uint32) {
	w.pipelines.at(i).partial = partial
}
