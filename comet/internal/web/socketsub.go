package web

import (
	"strings"

	"ccomet/comet/internal/hub"
	"ccomet/comet/internal/jsontext"
	"ccomet/comet/internal/limit"
	"ccomet/comet/internal/op"
	"ccomet/comet/internal/record"
	"ccomet/reactor"
)

// takeSub joins a channel.
func (k *sockets) takeSub(c reactor.Conn, o *op.Op) {
	_, i := k.State(c)
	epoch, known := record.ParseEpoch(o.Epoch)
	switch reason := k.params.badName(o.Cname); {
	case reason != "":
		k.failOp(c, o, "400", reason)
	case !known:
		k.failOp(c, o, "400", strings.TrimPrefix(record.EpochMalformed, "parameter "))
	case k.hub.Sockets.FindTopic(i, o.Cname) != 0:
		k.failOp(c, o, "400", "already subscribed to this channel: unsub before another sub")
	case k.hub.Sockets.Topics(i) >= k.cfg.WSMaxChannels:
		k.totals.HitLimit(limit.WSMaxChannels, k.cfg.WSMaxChannels, k.loop.Now())
		k.failOp(c, o, "429", k.cfg.tooManyTopics())
	default:
		to := hub.Topic{Cname: o.Cname, Token: o.Token, Seq: o.Seq, Epoch: epoch, Place: epoch != record.EpochNone && o.Seq != 0, Tell: o.Told}
		if !k.hub.Sockets.AddTopic(i, c, &to, o.Lost) {
			k.failOp(c, o, "503", hub.ErrNoMemory.Reason)
			return
		}
		s := k.open(c)
		s.joining = true
		s.await(o)
	}
}

// AnswerJoin adds the operation's id to the answer of a channel's home to a join. asked is
// false if the upgrade request has named the channel, so that no operation waits for an answer.
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

// takeUnsub leaves a channel.
func (k *sockets) takeUnsub(c reactor.Conn, o *op.Op) {
	_, i := k.State(c)
	if reason := k.params.badName(o.Cname); reason != "" {
		k.failOp(c, o, "400", reason)
		return
	}
	topic := k.hub.Sockets.FindTopic(i, o.Cname)
	if topic == 0 {
		k.failOp(c, o, "404", "not subscribed to this channel")
		return
	}
	k.hub.Sockets.DropTopic(topic, c)
	object := jsontext.AppendEscaped(append(k.Object[:0], `{"type":"ok","cname":"`...), o.Cname)
	k.answerObject(c, o, append(object, `"}`...))
}
