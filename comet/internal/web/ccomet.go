package web

import (
	"ccomet/comet/internal/ccomet"
	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/hub"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/record"
	"fmt"
	"strconv"
)

// CComet's own dialect, on listeners of its own: JSONP only, whose callback is
// given one JavaScript string that holds a JSON array.
//
//   - A channel of it is a channel like any other (records, numbers, history,
//     limits, times), in a name space of its own, and counts from 0 where ours
//     count from 1.
//   - A subscription is a poll whose transport is transportCComet: it waits for
//     as long as the client does, without noops. A client that is given "403", or
//     an array without anything in it, never asks again, so neither is what time
//     or a restart may bring.
//   - A subscriber has a name, and a seat under it at the channel's home, which
//     who comes next under that name is given (seat.go).
//   - "SIGN" is told to those who wait, and not kept (sign.go).
//
// What a request says is read in ccometquery.go, what is sent is rendered in
// ccomettext.go.

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

// ccometSign tells those who wait that somebody has come.
func (w *Web) ccometSign(x *exchange, q ccomet.Query) error {
	if err := q.CheckNames(); err != nil {
		return err
	}
	w.ccometSend(x, &q, mail.OpSignIn, (*responder).ccometSigned)
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

// tell sends a message to its channel's home, rendered as far as it can be
// without its number.
func (w *Web) ccometSend(x *exchange, q *ccomet.Query, o mail.Op, write replyWriter) {
	m := mail.Mail{Kind: mail.PublishCComet, Op: o, Conn: x.conn}
	m.Buf, m.Nlen = ccomet.NameBuffer(q.Channel)
	m.Buf.B = ccomet.AppendMessageHead(m.Buf.B, o == mail.OpSignIn, q)
	home := w.homes.Of(m.Cname())
	m.Slot = w.awaitReply(x, pendingReply{write: write, cb: string(q.Callback)})
	w.Send(home, m)
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
	x.topics = append(x.topics, hub.Topic{Seq: int32(max(min(seqid, record.MaxSeqid+1), 0)) + 1})
	if !w.hub.EnterSession(x.conn, q.Callback, newSubscriber(x, frame.CComet), x.topics, q.Channel, q.Sname) {
		w.Refuse(x.conn, hub.ErrNoMemory)
	}
	return nil
}
