package web

import (
	"fmt"
	"strconv"

	"ccomet/comet/internal/jsontext"
	"ccomet/comet/internal/limit"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/op"
	"ccomet/comet/internal/pool"
	"ccomet/httplite/websocket"
	"ccomet/reactor"
)

// The operations of a WebSocket's client are answered in the order in which they arrive:
//
//   - A ping and an invalid operation are answered at once.
//   - A pub is mailed to its channel's home, which answers by mail (answerOp). Several may be
//     pending.
//   - A sub or an unsub starts when all earlier operations are answered, and nothing after a
//     sub is read until the channel's home has answered. So each of them sees the subscriptions
//     that the earlier operations have left. The hub writes the answer to a sub (AnswerJoin),
//     because the channel's messages follow it.
//
// The answers of a turn are sent in one write at its end, together with any messages
// (RenderAnswers, FlushSockets).

// takeText handles an operation. If paced is false, the client exceeds ws-rate.
func (k *sockets) takeText(c reactor.Conn, text []byte, paced bool) {
	o, room, err := op.Parse(text, k.room[:0])
	k.room = room
	k.counts.Ops[o.Kind]++
	switch {
	case !paced:
		k.failOp(c, &o, "429", k.cfg.tooManyMessages())
	case err != nil:
		k.failOp(c, &o, "400", err.Error())
	case o.Kind == op.Ping:
		k.answerObject(c, &o, append(k.Object[:0], `{"type":"pong"}`...))
	case o.Kind == op.Pub:
		k.takePub(c, &o)
	default:
		if s := k.of[c]; s != nil && len(s.ops) > 0 {
			k.counts.Ops[o.Kind]-- // it is counted when it starts
			s.held, s.waiting = append(s.held[:0], text...), true
			return
		}
		if o.Kind == op.Sub {
			k.takeSub(c, &o)
		} else {
			k.takeUnsub(c, &o)
		}
	}
}

// failOp answers an operation with an error.
func (k *sockets) failOp(c reactor.Conn, o *op.Op, status, reason string) {
	k.totals.Refused.Add(1)
	k.counts.Failed[o.Kind]++
	k.answerObject(c, o, appendFailure(k.Object[:0], status, reason))
}

// appendFailure appends the object that reports an error.
func appendFailure(dst []byte, status, reason string) []byte {
	dst = append(append(append(dst, `{"type":"`...), status...), `","content":"`...)
	return append(jsontext.AppendEscaped(dst, []byte(reason)), `"}`...)
}

// withID adds the operation's id, if it has one, to an answer.
func withID(object, id []byte) []byte {
	if len(id) == 0 {
		return object
	}
	object = append(object[:len(object)-1], `,"id":`...)
	return append(append(object, id...), '}')
}

// answerObject answers an operation, after the earlier ones.
func (k *sockets) answerObject(c reactor.Conn, o *op.Op, object []byte) {
	k.Object = withID(object, o.ID)
	if s := k.of[c]; s != nil && len(s.ops) > 0 {
		s.ops = append(s.ops, pendingOp{kind: o.Kind, done: true, text: string(k.Object)})
		return
	}
	k.out = websocket.AppendFrame(k.out, websocket.Text, k.Object)
}

// takePub publishes a message.
func (k *sockets) takePub(c reactor.Conn, o *op.Op) {
	if status, reason := k.mayPub(c, o); status != "" {
		k.failOp(c, o, status, reason)
		return
	}
	m := mail.OfRequest(mail.Publish, mail.ReplyTo{Conn: c})
	m.Nlen = uint8(len(o.Cname))
	m.Buf = pool.NameBuffer(o.Cname)
	if o.Key != nil {
		m.Buf.B = append(append(m.Buf.B, mail.ClientKey), o.Key...)
		m.SetKeyLen(len(o.Key) + 1)
	}
	if o.Plain {
		m.Buf.B = append(m.Buf.B, o.Content...)
	} else if !o.Quoted {
		m.Buf.B = jsontext.AppendEscaped(m.Buf.B, o.Content)
	} else if checked, _, ok := jsontext.AppendChecked(m.Buf.B, o.Content); ok {
		m.Buf.B = checked
	} else {
		m.Done()
		k.failOp(c, o, "400", "content: an unpaired surrogate is not a character")
		return
	}
	s := k.open(c)
	m.SetReply(s.await(o))
	k.Send(k.homes.Of(o.Cname), m)
}

// await adds an operation that is answered later, and returns its number.
func (s *socket) await(o *op.Op) uint32 {
	s.ops = append(s.ops, pendingOp{kind: o.Kind})
	p := &s.ops[len(s.ops)-1]
	p.idLen = uint8(copy(p.id[:], o.ID))
	return s.first + uint32(len(s.ops)-1)
}

// mayPub returns the type and the reason of the error if a publish is refused, else "".
func (k *sockets) mayPub(c reactor.Conn, o *op.Op) (status, reason string) {
	_, i := k.State(c)
	if reason := k.forbidden(i, o.Cname); reason != "" {
		return "403", reason
	}
	if reason := k.params.badName(o.Cname); reason != "" {
		return "400", reason
	}
	switch {
	case o.Key != nil && (len(o.Key) == 0 || len(o.Key) > MaxKey):
		return "400", string(appendBadKey(nil, o.Key))
	case o.Content == nil:
		return "400", op.ErrContent.Error()
	case o.Size > k.cfg.MaxMessage:
		return "400", fmt.Sprintf("content is %d bytes: max-message is %d", o.Size, k.cfg.MaxMessage)
	case k.tooMuchOnItsWay(k.homes.Of(o.Cname)):
		return "503", k.cfg.tooMuchDelivering()
	}
	if k.site.Publishers == nil {
		return "", ""
	}
	ceiling := k.cfg.PublishRatePerAddress
	if _, ok := k.site.Publishers.Take(limit.Rate(ceiling), *k.clients.At(c.Index()), k.loop.Now().UnixNano()); !ok {
		k.totals.HitLimit(limit.PublishRatePerAddress, ceiling, k.loop.Now())
		return "429", k.cfg.tooFast(limit.PublishRatePerAddress)
	}
	return "", ""
}

// forbidden returns why a client may not publish to a channel, or "" if it may. WSPublish
// permits it to clients; with tokens only to the channels that they are subscribed to. A client
// that has subscribed with a token to publish may always, whatever WSPublish is and whichever
// page it belongs to.
func (k *sockets) forbidden(owner uint32, cname []byte) string {
	open := k.cfg.WSPublish && k.hub.Sockets.MayPublish(owner)
	if open && !k.cfg.Tokens {
		return ""
	}
	topic := k.hub.Sockets.FindTopic(owner, cname)
	switch {
	case topic != 0 && (open || k.hub.Sockets.TokenPublishes(topic)):
		return ""
	case open:
		return "publishing needs the token of the channel: subscribe to it first"
	case k.cfg.WSPublish:
		return "pages of another site may not publish: cors-origin lists the permitted origins"
	}
	return "clients may not publish: ws-publish is off, and the client is not subscribed with a token that permits it"
}

// answerOp handles the answer of a channel's home to a pub.
func (k *sockets) answerOp(m *mail.Mail) {
	s := k.of[m.Conn]
	if s == nil {
		return // the connection is closing
	}
	p := &s.ops[m.Reply()-s.first]
	p.code, p.seq, p.done = m.Code, m.Seq, true
	k.markReady(s)
}

// RenderAnswers renders all complete answers. If a connection is sent messages in this turn,
// its answers are sent with them (TakeAnswers).
func (w *Web) RenderAnswers() {
	for _, s := range w.sockets.ready {
		if s.conn == 0 || w.loop.Blocked(s.conn) {
			continue
		}
		n := 0
		for ; n < len(s.ops) && s.ops[n].done && !s.ops[n].closes; n++ {
			s.out = w.sockets.appendAnswer(s.out, &s.ops[n])
		}
		s.first += uint32(n)
		s.ops = s.ops[:copy(s.ops, s.ops[n:])]
		w.sockets.setAnswering(s, len(s.out) > 0)
	}
}

// TakeAnswers returns the rendered answers of a connection. The caller must write them.
func (w *Web) TakeAnswers(c reactor.Conn) []byte {
	s := w.sockets.of[c]
	if s == nil || len(s.out) == 0 {
		return nil
	}
	answers := s.out
	s.out = s.out[:0]
	w.sockets.setAnswering(s, false)
	return answers
}

// setAnswering records whether a connection has rendered answers that are not written.
func (k *sockets) setAnswering(s *socket, has bool) {
	if has != s.answering {
		if s.answering = has; has {
			k.hub.Sockets.Answering++
		} else {
			k.hub.Sockets.Answering--
		}
	}
}

// FlushSockets writes the remaining answers, and continues with what waited for them.
func (w *Web) FlushSockets() {
	k := &w.sockets
	for n := 0; n < len(k.ready); n++ {
		s := k.ready[n]
		s.listed = false
		if s.conn != 0 { // else it was closed in this turn
			w.sockets.flushSocket(s)
		}
	}
	k.ready = pool.Emptied(k.ready)
}

func (k *sockets) flushSocket(s *socket) {
	c := s.conn
	if k.loop.Blocked(c) {
		return // socketDrained continues
	}
	k.out = append(k.out[:0], k.TakeAnswers(c)...)
	if len(s.ops) > 0 && s.ops[0].closes {
		k.closeSocket(c, byClient, websocket.Code(s.ops[0].seq), "")
		return
	}
	if len(s.ops) == 0 && s.waiting {
		s.waiting = false
		k.takeText(c, s.held, true)
		k.count(s)
	}
	k.writeOut(c)
	if !k.takesMessages(c) {
		return
	}
	if s.ended { // first read what came before the end; then the loop reports the end again
		s.ended = false
		k.loop.Pause(c)
	}
	k.loop.Resume(c)
	k.settle(s)
}

// appendAnswer appends the answer to a completed operation.
func (k *sockets) appendAnswer(dst []byte, p *pendingOp) []byte {
	if p.text != "" {
		return append(websocket.Head{Op: websocket.Text, Final: true, Length: len(p.text)}.Append(dst), p.text...)
	}
	object := k.Object[:0]
	if p.code == mail.CodeOK {
		object = append(strconv.AppendInt(append(object, `{"type":"ok","seq":`...), int64(p.seq), 10), '}')
	} else {
		k.totals.Refused.Add(1)
		k.counts.Failed[p.kind]++
		status, reason := k.cfg.refusal(p.code)
		object = appendFailure(object, strconv.Itoa(status), reason)
	}
	k.Object = withID(object, p.id[:p.idLen])
	return websocket.AppendFrame(dst, websocket.Text, k.Object)
}
