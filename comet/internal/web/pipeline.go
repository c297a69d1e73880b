package web

import (
	"bytes"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/pool"
	"ccomet/comet/internal/token"
	"ccomet/reactor"
)

// pipeline holds the requests of one connection that wait for an answer, in the order of their
// arrival, in which they must be answered (RFC 9112 section 9.3.2). The answers come from the
// home loops of many channels. Each answer completes one pending reply. When the turn ends, all
// complete replies at the front are written.
type pipeline struct {
	conn       reactor.Conn
	first      uint32 // number of the first reply
	replies    []pendingReply
	partial    uint32 // the parser of the next request if that is incomplete, else 0
	full       bool   // no more requests are read until the pipeline is empty
	closeAfter bool   // close the connection when the pipeline is empty
	psub       bool   // make the connection a listener to /psub when the pipeline is empty
	psubNow    bool   // and list the existing channels to it
	http10     bool   // that listener speaks HTTP/1.0
	listed     bool   // is in pipelines.ready
}

// pendingReply is the answer to one request, from when the request is parsed until the answer
// is written.
type pendingReply struct {
	recipient
	write replyWriter // nil: text is the whole response, or handled is set

	done    bool // it can be written
	handled bool // a net/http handler writes the answer (handler.go)
	ack     bool // the answer contains the message's number

	// The answer of the channel's home:
	code  mail.Code
	seq   int32
	count int32 // subscribers, or seconds until a retry
	epoch uint32

	lease          int32       // in seconds, for /sign
	right          token.Right // what the token of /sign permits
	cb, name, text string
	history        *historyReply // of a request to /history (history.go)
	batch          *batchReply   // of a request to /publish (batch.go)
}

// replyWriter appends the response to a request once the channel's home has answered. It
// belongs to the dialect of the request.
type replyWriter func(r *responder, dst []byte, reply *pendingReply) []byte

// subscribers returns the channel's number of subscribers, for a request that asks for it.
func (reply *pendingReply) subscribers() int { return int(reply.count) }

// seconds returns the Retry-After of a publish that exceeded its channel's rate.
func (reply *pendingReply) seconds() int { return int(reply.count) }

// exchange returns what is needed to render the response.
func (reply *pendingReply) exchange() exchange { return exchange{recipient: reply.recipient} }

// reply returns the pending reply with this number.
func (p *pipeline) reply(number uint32) *pendingReply { return &p.replies[number-p.first] }

// drop removes the written replies at the front.
func (p *pipeline) drop(written int) {
	p.first += uint32(written)
	left := copy(p.replies, p.replies[written:])
	clear(p.replies[left:])
	p.replies = p.replies[:left]
}

// pipelines holds the pipelines of a loop's connections, by index. A connection has a pipeline
// only while a request waits for an answer. Idle pipelines are reused.
type pipelines struct {
	*Web
	list  []*pipeline // index 0 is not used
	idle  []uint32
	ready []uint32 // those that may have something to write
}

func (ps *pipelines) at(i uint32) *pipeline { return ps.list[i] }

// open assigns a pipeline to a connection.
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

// release removes a pipeline from its connection. It may still be in ready.
func (ps *pipelines) release(i uint32) {
	p := ps.list[i]
	*p = pipeline{replies: pool.Emptied(p.replies), listed: p.listed}
	ps.idle = append(ps.idle, i)
}

// markReady adds a pipeline to ready.
func (ps *pipelines) markReady(i uint32) {
	if p := ps.list[i]; !p.listed {
		p.listed = true
		ps.ready = append(ps.ready, i)
	}
}

// maxPipeline is the maximum number of unanswered requests of one connection.
const maxPipeline = 256

// await adds a pending reply for a request whose answer comes by mail, and returns the reply's
// number.
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
	// A connection of a subscriber is read again only when the request is answered, because a
	// subscription that follows cannot be queued in the pipeline.
	if x.closeAfter || x.side != conn.Admin || len(p.replies) >= maxPipeline {
		p.full = true
		ps.loop.Pause(p.conn)
	}
	if reply.done {
		ps.markReady(i)
	}
	return p.first + uint32(len(p.replies)-1)
}

// stop closes a connection when its answers are written, and reads no more requests.
func (ps *pipelines) stop(i uint32) {
	p := ps.at(i)
	p.closeAfter, p.full = true, true
	ps.loop.Pause(p.conn)
}

// Answer handles mail.Done.
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

// resolve completes a pending reply with a response, if the connection still exists.
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

// of returns the index of a connection's pipeline, or 0 if no request of it waits for an
// answer.
func (ps *pipelines) of(c reactor.Conn) uint32 {
	if st, i := ps.State(c); st == conn.Answering {
		return i
	}
	return 0
}

// Answers returns how many connections may have something to write when the turn ends.
func (w *Web) Answers() int { return len(w.pipelines.ready) + len(w.sockets.ready) }

// FlushPipelines writes all complete answers.
func (w *Web) FlushPipelines() {
	for n := 0; n < len(w.pipelines.ready); n++ {
		i := w.pipelines.ready[n]
		w.pipelines.at(i).listed = false
		if w.pipelines.at(i).conn != 0 { // else it was closed in this turn
			w.pipelines.flush(i)
		}
	}
	w.pipelines.ready = pool.Emptied(w.pipelines.ready)
}

// flush writes the complete answers of one pipeline, unless earlier output is still buffered: a
// client that does not read gets no more answers until pipelineDrained.
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
		ps.loop.SetTimer(p.conn, ps.cfg.RequestTimeout) // the server makes progress: start the timeout again
		if p.replies[0].done {
			ps.markReady(i) // the next reply is written separately
		}
	}
}

// write writes complete replies at the front of a pipeline, and returns how many. A handler's
// answer and a history are each written alone.
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

// answersAtOnce is roughly the maximum size of one write of answers, in bytes.
const answersAtOnce = 64 << 10

// send writes answers. If a backend does not read them, the rest does not count towards
// max-held-bytes, and never causes a close: the backend could not know what it has published.
// It gets no more answers until it has read these.
func (ps *pipelines) send(c reactor.Conn, answers []byte) {
	if ps.Side(c) != conn.Admin {
		_ = ps.loop.Write(c, answers) // if the connection is lost, Closed is called
		return
	}
	if n, err := ps.loop.TryWrite(c, answers); err == nil && n < len(answers) {
		ps.loop.Hold(c, &reactor.Frame{Bytes: bytes.Clone(answers[n:]), Uncounted: true}, 0)
	}
}

// empty prepares a connection for its next request when all its requests are answered.
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

// pipelineEnded is called when the peer will send nothing more. A full pipeline has paused the
// connection: requests received before the end are served when the pipeline is empty, and then
// the loop reports the end again.
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
		w.loop.SetTimer(c, w.cfg.RequestTimeout) // a handler has no time limit
		return
	}
	giveUp(w, i, c)
}

func pipelineClosed(w *Web, i uint32, _ reactor.Conn) { w.pipelines.release(i) }

func pipelinePartial(w *Web, i uint32) uint32 { return w.pipelines.at(i).partial }

func pipelineKeepPartial(w *Web, i uint32, _ reactor.Conn, partial uint32) {
	w.pipelines.at(i).partial = partial
}
