package web

import (
	"fmt"
	"strconv"
	"strings"

	"ccomet/comet/internal/limit"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/op"
	"ccomet/comet/internal/pool"
	"ccomet/httplite/websocket"
	"ccomet/reactor"
)

// How a WebSocket's client is answered what it asks, in the order in which it asks:
//
//   - A ping, and what is wrong, is answered at once.
//   - A pub is mailed to its channel's home, whose answer comes by mail (answerOp). Several
//     may be under way.
//   - A sub or an unsub begins when all before it is answered, and nothing behind a sub is
//     read until its channel's home has answered. So each finds the channels as those before
//     it have left them. The hub writes the answer to a sub (AnswerJoin), since the channel's
//     messages follow it.
//
// The answers of a turn leave in one write when it ends, if there are messages too with them
// (RenderAnswers, FlushSockets).

// takeText takes an operation; paced: it has not come too soon.
func (w ws) takeText(c reactor.Conn, text []byte, paced bool) {
	k := &w.sockets
	o, room, err := op.Parse(text, k.room[:0])
	k.room = room
	k.counts.Ops[o.Kind]++
	switch {
	case !paced:
		w.failOp(c, &o, "429", w.cfg.tooManyMessages())
	case err != nil:
		w.failOp(c, &o, "400", err.Error())
	case o.Kind == op.Ping:
		w.answerObject(c, &o, append(w.Object[:0], `{"type":"pong"}`...))
	case o.Kind == op.Pub:
		w.takePub(c, &o)
	default:
		if s := k.of[c]; s != nil && len(s.ops) > 0 {
			k.counts.Ops[o.Kind]-- // it is counted when it is taken
			s.held, s.waiting = append(s.held[:0], text...), true
			return
		}
		if o.Kind == op.Sub {
			w.takeSub(c, &o)
		} else {
			w.takeUnsub(c, &o)
		}
	}
}

// failOp answers an operation that is not done.
func (w ws) failOp(c reactor.Conn, o *op.Op, status, reason string) {
	w.totals.Refused.Add(1)
	w.sockets.counts.Failed[o.Kind]++
	w.answerObject(c, o, appendFailure(w.Object[:0], status, reason))
}

// appendFailure appends the object that says why something is not done.
func appendFailure(dst []byte, status, reason string) []byte {
	dst = append(append(append(dst, `{"type":"`...), status...), `","content":"`...)
	return append(msg.AppendEscaped(dst, []byte(reason)), `"}`...)
}

// withID gives an object the id that was asked with, if there was one.
func withID(object, id []byte) []byte {
	if len(id) == 0 {
		return object
	}
	object = append(object[:len(object)-1], `,"id":`...)
	return append(append(object, id...), '}')
}

// answerObject answers an operation in its turn.
func (w ws) answerObject(c reactor.Conn, o *op.Op, object []byte) {
	k := &w.sockets
	w.Object = withID(object, o.ID)
	if s := k.of[c]; s != nil && len(s.ops) > 0 {
		s.ops = append(s.ops, pendingOp{kind: o.Kind, done: true, text: string(w.Object)})
		return
	}
	k.out = websocket.AppendFrame(k.out, websocket.Text, w.Object)
}

// takePub publishes.
func (w ws) takePub(c reactor.Conn, o *op.Op) {
	if status, reason := w.mayPub(c, o); status != "" {
		w.failOp(c, o, status, reason)
		return
	}
	m := mail.OfRequest(mail.Publish, mail.ReplyTo{Conn: c})
	m.Nlen = uint8(len(o.Cname))
	m.Buf = pool.NameBuffer(o.Cname)
	m.Buf.B = append(m.Buf.B, o.Key...)
	m.SetKeyLen(len(o.Key))
	if o.Plain {
		m.Buf.B = append(m.Buf.B, o.Content...)
	} else if !o.Quoted {
		m.Buf.B = msg.AppendEscaped(m.Buf.B, o.Content)
	} else if checked, _, ok := msg.AppendChecked(m.Buf.B, o.Content); ok {
		m.Buf.B = checked
	} else {
		m.Done()
		w.failOp(c, o, "400", "content: half of a surrogate pair is no character")
		return
	}
	s := w.sockets.open(c)
	m.SetReply(s.await(o))
	w.Send(w.homes.Of(o.Cname), m)
}

// await notes an operation that is answered later, and returns its number.
func (s *socket) await(o *op.Op) uint32 {
	s.ops = append(s.ops, pendingOp{kind: o.Kind})
	p := &s.ops[len(s.ops)-1]
	p.idLen = uint8(copy(p.id[:], o.ID))
	return s.first + uint32(len(s.ops)-1)
}

// mayPub says why a publish is refused, with its type; empty: it is not.
func (w ws) mayPub(c reactor.Conn, o *op.Op) (status, reason string) {
	_, i := w.State(c)
	switch {
	case !w.cfg.WSPublish:
		return "403", "clients do not publish here: ws-publish is off"
	case !w.hub.Sockets().MayPublish(i):
		return "403", "pages of another site do not publish here: cors-origin names those that may"
	}
	if reason := w.badName(o.Cname); reason != "" {
		return "400", reason
	}
	switch {
	case o.Key != nil && (len(o.Key) == 0 || len(o.Key) > MaxKey):
		return "400", string(appendBadKey(nil, o.Key))
	case o.Content == nil:
		return "400", op.ErrContent.Error()
	case len(o.Content) > w.cfg.MaxMessage:
		return "400", fmt.Sprintf("content is %d bytes: max-message is %d", len(o.Content), w.cfg.MaxMessage)
	case w.cfg.Tokens && w.hub.Sockets().FindTopic(i, o.Cname) == 0:
		return "403", "the token of a channel lets publish: subscribe to it first"
	case w.tooMuchOnItsWay(w.homes.Of(o.Cname)):
		return "503", w.cfg.tooMuchDelivering()
	}
	if w.site.Publishers == nil {
		return "", ""
	}
	ceiling := w.cfg.PublishRatePerAddress
	if _, ok := w.site.Publishers.Take(limit.Rate(ceiling), *w.sockets.clients.At(c.Index()), w.loop.Now().UnixNano()); !ok {
		w.totals.HitLimit(limit.PublishRatePerAddress, ceiling, w.loop.Now())
		return "429", w.cfg.tooFast(limit.PublishRatePerAddress)
	}
	return "", ""
}

// badName says what is wrong with a channel's name; empty: nothing is.
func (w ws) badName(cname []byte) string {
	if err := w.params.checkName(cname); err != nil {
		return strings.TrimPrefix(err.Error(), "parameter ")
	}
	return ""
}

// answerOp takes the answer of a channel's home to a pub.
func (w ws) answerOp(m *mail.Mail) {
	s := w.sockets.of[m.Conn]
	if s == nil {
		return // it is ending
	}
	p := &s.ops[m.Reply()-s.first]
	p.code, p.seq, p.done = m.Code, m.Seq, true
	w.sockets.markReady(s)
}

// RenderAnswers renders the answers that can be written. Those to a connection that is sent
// messages in this turn leave with them (TakeAnswers).
func (w *Web) RenderAnswers() {
	for _, s := range w.sockets.ready {
		if s.conn == 0 || w.loop.Blocked(s.conn) {
			continue
		}
		n := 0
		for ; n < len(s.ops) && s.ops[n].done && !s.ops[n].closes; n++ {
			s.out = ws{w}.appendAnswer(s.out, &s.ops[n])
		}
		s.first += uint32(n)
		s.ops = s.ops[:copy(s.ops, s.ops[n:])]
		ws{w}.setAnswering(s, len(s.out) > 0)
	}
}

// TakeAnswers returns the answers that are rendered for a connection, for them to be written.
func (w *Web) TakeAnswers(c reactor.Conn) []byte {
	s := w.sockets.of[c]
	if s == nil || len(s.out) == 0 {
		return nil
	}
	answers := s.out
	s.out = s.out[:0]
	ws{w}.setAnswering(s, false)
	return answers
}

// setAnswering notes whether a connection has answers that are rendered and not written.
func (w ws) setAnswering(s *socket, has bool) {
	if has != s.answering {
		if s.answering = has; has {
			w.hub.Answering++
		} else {
			w.hub.Answering--
		}
	}
}

// FlushSockets writes the answers that are left, and goes on with what waited for them.
func (w *Web) FlushSockets() {
	k := &w.sockets
	for n := 0; n < len(k.ready); n++ {
		s := k.ready[n]
		s.listed = false
		if s.conn != 0 { // else closed in this turn
			ws{w}.flushSocket(s)
		}
	}
	k.ready = pool.Emptied(k.ready)
}

func (w ws) flushSocket(s *socket) {
	c, k := s.conn, &w.sockets
	if w.loop.Blocked(c) {
		return // goes on when it has drained
	}
	k.out = append(k.out[:0], w.TakeAnswers(c)...)
	if len(s.ops) > 0 && s.ops[0].closes {
		w.closeSocket(c, byClient, websocket.Code(s.ops[0].seq), "")
		return
	}
	if len(s.ops) == 0 && s.waiting {
		s.waiting = false
		w.takeText(c, s.held, true)
		k.count(s)
	}
	w.writeOut(c)
	if !w.takesMessages(c) {
		return
	}
	if s.ended { // what came before the end is read, and then the end is told again
		s.ended = false
		w.loop.Pause(c)
	}
	w.loop.Resume(c)
	k.settle(s)
}

// appendAnswer appends the answer to an operation that was mailed, or was answered at once.
func (w ws) appendAnswer(dst []byte, p *pendingOp) []byte {
	if p.text != "" {
		return append(websocket.Head{Op: websocket.Text, Final: true, Length: len(p.text)}.Append(dst), p.text...)
	}
	object := w.Object[:0]
	if p.code == mail.CodeOK {
		object = append(strconv.AppendInt(append(object, `{"type":"ok","seq":`...), int64(p.seq), 10), '}')
	} else {
		w.totals.Refused.Add(1)
		w.sockets.counts.Failed[p.kind]++
		status, reason := w.cfg.refusal(p.code)
		object = appendFailure(object, strconv.Itoa(status), reason)
	}
	w.Object = withID(object, p.id[:p.idLen])
	return websocket.AppendFrame(dst, websocket.Text, w.Object)
}
