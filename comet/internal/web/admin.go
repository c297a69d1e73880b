package web

import (
	"errors"
	"strconv"
	"time"
	"unicode/utf8"

	"ccomet/comet/internal/broker"
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/jsontext"
	"ccomet/comet/internal/limit"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/pool"
	"ccomet/comet/internal/record"
	"ccomet/comet/internal/token"
)

// This file has the endpoints of the admin side. A request about one channel is mailed to the
// channel's home. The answer comes back as mail.Done and is written in the order of the
// connection's requests (pipeline.go).

// publishing returns an endpoint that publishes. With escaped, the content is already escaped
// for a JSON string; otherwise it is plain text.
func publishing(escaped bool) func(*Web, *exchange) {
	return func(w *Web, x *exchange) { w.startPublish(x, escaped) }
}

func (w *Web) startPublish(x *exchange, escaped bool) {
	if !w.mayPublish(x) {
		return
	}
	cname, err := x.nameArg()
	var cb []byte
	if err == nil {
		cb, err = x.callbackArg()
	}
	if errors.Is(err, record.ErrNoName) && x.raw != nil {
		err = errNamelessBody
	}
	if err != nil {
		w.fail(x, 400, err.Error())
		return
	}
	m := mail.Mail{Kind: mail.Publish, Conn: x.conn, Nlen: uint8(len(cname))}
	m.Buf = pool.NameBuffer(cname)
	if !w.contentArg(x, &m, escaped) {
		m.Done()
		return
	}
	w.sendPublish(x, m, pendingReply{write: (*responder).published, cb: string(cb), ack: x.given("ack")})
}

// sendPublish mails a publish to the channel's home and adds a pending reply for it. If too
// much is undelivered already, the request is refused instead.
func (w *Web) sendPublish(x *exchange, m mail.Mail, reply pendingReply) {
	home := w.homes.Of(m.Cname())
	if w.tooMuchOnItsWay(home) {
		m.Done()
		reply.code, reply.done = mail.CodeDelivering, true
		w.pipelines.await(x, reply)
		return
	}
	m.SetReply(w.pipelines.await(x, reply))
	w.Send(home, m)
}

// tooMuchOnItsWay reports whether a publish to a channel of this loop must be refused, because
// undelivered messages and unread mail between loops reach MaxHeldBytes. What deliveries leave
// of that budget is for unread mail. One half is divided equally among the loops, so that a
// loop that stalls cannot use the others' shares; the other half is common to all loops.
func (w *Web) tooMuchOnItsWay(loop uint8) bool {
	half := (w.cfg.MaxHeldBytes - int(w.totals.Delivering.Load())) / 2
	if half >= 0 && (w.Waiting(loop) <= half/w.Loops() || w.AllWaiting() <= half) {
		return false
	}
	w.totals.HitLimit(limit.Held, w.cfg.MaxHeldBytes, w.loop.Now())
	return true
}

var (
	errNamelessBody = errors.New("parameter cname is missing: if the body is the content, put cname in the query, as in /push?cname=NAME")
	errTwoContents  = errors.New("the content is given twice: as the body and as parameter content")
	errNoContent    = errors.New("parameter content is missing")
)

// content returns the content to publish, and its source for error messages: the body or a
// parameter.
func (x *exchange) content() (content []byte, name string, err error) {
	content, ok, twice := x.argOnce("content")
	switch {
	case x.raw != nil && ok:
		return nil, "", errTwoContents
	case x.raw != nil:
		return x.raw, "the body", nil
	case !ok && !x.compat.EmptyContent:
		return nil, "", errNoContent
	}
	return content, "parameter content", twice
}

// contentArg appends the escaped content to the mail's buffer. If ok is false, the content was
// refused and the request has been answered.
func (w *Web) contentArg(x *exchange, m *mail.Mail, escaped bool) (ok bool) {
	content, name, err := x.content()
	limit := w.cfg.MaxMessage
	switch {
	case err != nil:
		w.fail(x, 400, err.Error())
	case len(content) > limit:
		w.fail(x, 413, name+" is "+strconv.Itoa(len(content))+" bytes: max-message is "+strconv.Itoa(limit))
	case escaped:
		var bad int
		if m.Buf.B, bad, ok = jsontext.AppendChecked(m.Buf.B, content); ok {
			return true
		}
		w.fail(x, 400, name+": not valid inside a JSON string, from byte "+strconv.Itoa(bad)+" on")
	case !utf8.Valid(content):
		w.fail(x, 400, name+": not UTF-8")
	default:
		m.Buf.B = jsontext.AppendEscaped(m.Buf.B, content)
		return true
	}
	return false
}

// broadcast publishes to every channel. Each loop publishes to the channels that it owns.
func (w *Web) broadcast(x *exchange) {
	if !w.mayPublish(x) {
		return
	}
	m := mail.Mail{Kind: mail.Broadcast, Op: mail.OpBroadcast, Conn: x.conn}
	m.Buf = pool.NameBuffer(nil)
	switch {
	case w.totals.Broadcasts.Load() > broker.MaxBroadcasts:
		w.fail(x, 503, "too many broadcasts are under way: at most "+strconv.Itoa(broker.MaxBroadcasts)+" on all loops")
	case w.tooMuchOnItsWay(w.ID):
		w.fail(x, 503, w.cfg.tooMuchDelivering())
	case !w.contentArg(x, &m, false):
	case w.cfg.Cluster != nil: // the cluster numbers the broadcast, for all servers
		w.broadcasts++
		m.SetReply(w.pipelines.await(x, pendingReply{write: (*responder).broadcasted}))
		w.Send(w.ID, m)
		return
	default:
		message := msg.New(msg.Broadcast, 0, m.Buf.B)
		w.totals.Broadcasts.Add(int64(w.Loops()))
		w.totals.Delivering.Add(int64(w.Loops() * message.Len())) // until each loop has published it to its channels
		w.broadcasts++
		w.SendAll(mail.Mail{Kind: mail.Broadcast, Msg: message})
		w.reply(x, 200, frame.TypeText, []byte("ok\n"))
	}
	m.Done()
}

// controlling returns the endpoint of an operation on one channel.
func controlling(o mail.Op, write replyWriter) func(*Web, *exchange) {
	return func(w *Web, x *exchange) {
		if err := w.startControl(x, o, write); err != nil {
			w.fail(x, 400, err.Error())
		}
	}
}

func (w *Web) startControl(x *exchange, o mail.Op, write replyWriter) error {
	cname, err := x.nameArg()
	if err != nil {
		return err
	}
	cb, err := x.callbackArg()
	if err != nil {
		return err
	}
	reply := pendingReply{write: write, name: string(cname), cb: string(cb)}
	if o == mail.OpSign {
		lease := int32(w.cfg.ChannelTimeout / time.Second)
		if reply.lease, err = x.numberArg("expires", lease); err != nil {
			return err
		}
		if reply.lease <= 0 {
			reply.lease = lease
		}
		if x.given("publish") {
			reply.right = token.Publish
		}
		reply.lease = min(reply.lease, int32(broker.MaxLease/time.Second))
	}
	m := mail.Mail{Kind: mail.Control, Op: o, Conn: x.conn, Nlen: uint8(len(cname))}
	m.SetSeconds(reply.lease)
	m.Buf = pool.NameBuffer(cname)
	m.SetReply(w.pipelines.await(x, reply))
	w.Send(w.homes.Of(cname), m)
	return nil
}

// info answers with the counts of the server, or of one channel if cname is given.
func (w *Web) info(x *exchange) {
	if cname, ok := x.arg("cname"); ok && (len(cname) > 0 || !w.cfg.Compat.EmptyNames) {
		controlling(mail.OpInfo, (*responder).counted)(w, x)
		return
	}
	w.Object = append(w.Object[:0], `{"version": "`...)
	w.Object = jsontext.AppendEscaped(w.Object, []byte(w.cfg.Version))
	w.Object = append(w.Object, `", "channels": `...)
	var others []broker.Node
	channels, subscribers := w.totals.Channels.Load(), w.totals.Subscribers.Load()
	if w.cfg.Cluster != nil {
		others = w.cfg.Cluster.Nodes()
	}
	for _, node := range others {
		channels, subscribers = channels+node.Channels, subscribers+node.Subscribers
	}
	w.Object = strconv.AppendInt(w.Object, channels, 10)
	w.Object = append(w.Object, `, "subscribers": `...)
	w.Object = strconv.AppendInt(w.Object, subscribers, 10)
	if w.cfg.Cluster != nil {
		w.Object = w.cfg.shared().appendInfo(w.Object, others)
	}
	w.Object = append(w.Object, '}')
	w.replyJSON(x, nil, w.Object)
}
