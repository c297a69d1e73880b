package web

import (
	"fmt"
	"strconv"

	"ccomet/comet/internal/ccomet"
	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/hub"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/record"
)

// CComet's own dialect, on listeners of its own: JSONP only, whose callback is
// given one JavaScript string that holds a JSON array.
//
//   - A channel of it is a channel like any other (records, numbers, history,
//     limits, times), in a name space of its own. Its numbers begin with 0 in the
//     dialect, and with 1 everywhere else.
//   - A subscription is a poll whose transport is frame.CComet: it waits for as long
//     as the client does, without noops. A client that is given "403", or an empty
//     array, never asks again, so the passing of time and a restart must answer neither.
//   - A subscriber has a name, and a session under it at the channel's home, which the
//     next subscriber of that name takes over (session.go of the broker and of the hub).
//   - "SIGN" is delivered to the subscribers that wait, and not kept (the hub's joinnotice.go).
//
// What a request says is read, and what is sent is rendered, in package ccomet.

var ccometDialect = dialect{name: "ccomet", addPaths: addCCometPaths, nameBuffer: ccomet.NameBuffer, maxName: record.MaxCCometName}

func addCCometPaths(t *endpoints, _ *Config) {
	t.addAll(conn.CComet, map[string]endpoint{
		"/sign":      {methods: get, serve: ccometBy((*Web).ccometSign)},
		"/publish":   {methods: get, serve: ccometBy((*Web).ccometPublish), publishes: true},
		"/subscribe": {methods: get, serve: ccometBy((*Web).ccometSubscribe)},
	})
}

// ccometBy makes an endpoint. Without a callback that can be called, an error is
// one of HTTP.
func ccometBy(serve func(*Web, *exchange, ccomet.Query) error) func(*Web, *exchange) {
	return func(w *Web, x *exchange) {
		q := ccomet.Query{Room: x.decoded}
		q.Read(x.query)
		x.decoded = q.Room
		if !isCallback(q.Callback) {
			w.fail(x, 400, badCallback("callback").Error())
			return
		}
		if err := serve(w, x, q); err != nil {
			w.totals.Refused.Add(1)
			w.Body = ccomet.AppendStatus(w.Body[:0], string(q.Callback), "400", err.Error())
			w.reply(x, 200, frame.TypeScript, w.Body)
		}
	}
}

// ccometSign tells the subscribers that wait of one more.
func (w *Web) ccometSign(x *exchange, q ccomet.Query) error {
	if err := q.CheckNames(); err != nil {
		return err
	}
	w.ccometSend(x, &q, mail.OpNotice, (*responder).ccometSigned)
	return nil
}

// ccometPublish publishes.
func (w *Web) ccometPublish(x *exchange, q ccomet.Query) error {
	if err := q.CheckNames(); err != nil {
		return err
	}
	if q.Msg == nil {
		return ccomet.ErrParams
	}
	if limit := w.cfg.MaxMessage; len(q.Msg) > limit {
		return fmt.Errorf("msg is %d bytes: max-message is %d", len(q.Msg), limit)
	}
	if w.mayPublish(x) {
		w.ccometSend(x, &q, mail.OpPublish, (*responder).ccometPublished)
	}
	return nil
}

// ccometSend sends a message to its channel's home, rendered as far as it can be
// without its number.
func (w *Web) ccometSend(x *exchange, q *ccomet.Query, o mail.Op, write replyWriter) {
	m := mail.Mail{Kind: mail.Publish, Op: o, Conn: x.conn}
	m.Buf, m.Nlen = ccomet.NameBuffer(q.Channel)
	m.Buf.B = ccomet.AppendMessageHead(m.Buf.B, o == mail.OpNotice, q)
	w.sendPublish(x, m, pendingReply{write: write, cb: string(q.Callback)})
}

// ccometSubscribe has a client wait for a number.
func (w *Web) ccometSubscribe(x *exchange, q ccomet.Query) error {
	if err := q.CheckNames(); err != nil {
		return err
	}
	seqid, err := strconv.ParseInt(string(q.Seqid), 10, 32)
	if err != nil {
		return ccomet.ErrParams
	}
	w.Object = append(append(w.Object[:0], record.CCometMark), q.Channel...)
	x.topics = append(x.topics, hub.Topic{Cname: w.Object, Seq: int32(max(min(seqid, record.MaxSeqid+1), 0)) + 1})
	if !w.hub.EnterSession(x.conn, q.Callback, newSubscriber(x, frame.CComet), x.topics, q.Sname) {
		w.Refuse(x.conn, hub.ErrNoMemory)
	}
	return nil
}
