package web

import (
	"strings"

	"ccomet/comet/internal/hub"
	"ccomet/comet/internal/limit"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/op"
	"ccomet/comet/internal/record"
	"ccomet/reactor"
)

// takeSub has a WebSocket join a channel.
func (w ws) takeSub(c reactor.Conn, o *op.Op) {
	_, i := w.State(c)
	epoch, known := record.ParseEpoch(o.Epoch)
	switch reason := w.badName(o.Cname); {
	case reason != "":
		w.failOp(c, o, "400", reason)
	case !known:
		w.failOp(c, o, "400", strings.TrimPrefix(record.EpochMalformed, "parameter "))
	case w.hub.Sockets().FindTopic(i, o.Cname) != 0:
		w.failOp(c, o, "400", "subscribed to this channel already: unsub comes before another sub")
	case w.hub.Sockets().Topics(i) >= w.cfg.WSMaxChannels:
		w.totals.HitLimit(limit.WSMaxChannels, w.cfg.WSMaxChannels, w.loop.Now())
		w.failOp(c, o, "429", w.cfg.tooManyTopics())
	default:
		to := hub.Topic{Cname: o.Cname, Token: o.Token, Seq: o.Seq, Epoch: epoch, Place: epoch != record.EpochNone && o.Seq != 0, Tell: o.Told}
		if !w.hub.Sockets().AddTopic(i, c, &to, o.Lost) {
			w.failOp(c, o, "503", hub.ErrNoMemory.Reason)
			return
		}
		s := w.sockets.open(c)
		s.joining = true
		s.await(o)
	}
}

// AnswerJoin gives the answer of a channel's home the id that the client asked with; false:
// the request that made the connection a WebSocket has named the channel, and is not answered.
func (w *Web) AnswerJoin(c reactor.Conn, object []byte, done bool) (answer []byte, asked bool) {
	s := w.sockets.of[c]
	if s == nil || !s.joining {
		return object, false
	}
	p := &s.ops[0]
	if !done {
		w.sockets.counts.Failed[p.kind]++
	}
	object = withID(object, p.id[:p.idLen])
	s.joining = false
	s.first++
	s.ops = s.ops[:0]
	w.sockets.settle(s)
	return object, true
}

// takeUnsub has a WebSocket leave a channel.
func (w ws) takeUnsub(c reactor.Conn, o *op.Op) {
	_, i := w.State(c)
	if reason := w.badName(o.Cname); reason != "" {
		w.failOp(c, o, "400", reason)
		return
	}
	topic := w.hub.Sockets().FindTopic(i, o.Cname)
	if topic == 0 {
		w.failOp(c, o, "404", "not subscribed to this channel")
		return
	}
	w.hub.Sockets().DropTopic(topic, c)
	object := msg.AppendEscaped(append(w.Object[:0], `{"type":"ok","cname":"`...), o.Cname)
	w.answerObject(c, o, append(object, `"}`...))
}
