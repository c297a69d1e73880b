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

// CComet's own dialect is served on listeners of its own. It is JSONP only: the callback gets
// one JavaScript string that contains a JSON array.
//
//   - Its channels are ordinary channels (records, numbers, history, limits, timeouts) in a
//     separate name space. Sequence numbers start at 0 in the dialect and at 1 internally.
//   - A subscription is a poll with transport frame.CComet. It waits as long as the client
//     does, without noops. A client that receives "403" or an empty array never polls again, so
//     neither a timeout nor a restart may send one.
//   - A subscriber has a name, and under that name a session at the channel's home. The next
//     subscriber of the same name takes the session over (session.go of the broker and the
//     hub).
//   - "SIGN" is delivered to waiting subscribers and is not stored (joinnotice.go of the hub).
//
// Package ccomet parses the requests and renders the messages.

var ccometDialect = dialect{name: "ccomet", addPaths: addCCometPaths, nameBuffer: ccomet.NameBuffer, maxName: record.MaxCCometName}

func addCCometPaths(t *endpoints, _ *Config) {
	t.addAll(conn.CComet, map[string]endpoint{
		"/sign":      {methods: get, serve: ccometBy((*Web).ccometSign)},
		"/publish":   {methods: get, serve: ccometBy((*Web).ccometPublish), publishes: true},
		"/subscribe": {methods: get, serve: ccometBy((*Web).ccometSubscribe)},
	})
}

// ccometBy returns an endpoint. If the callback is not valid, errors are plain HTTP errors,
// since no script could receive them.
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

// ccometSign tells the waiting subscribers that a client signs in.
func (w *Web) ccometSign(x *exchange, q ccomet.Query) error {
	if err := q.CheckNames(); err != nil {
		return err
	}
	w.ccometSend(x, &q, mail.OpNotice, (*responder).ccometSigned)
	return nil
}

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

// ccometSend mails a message to its channel's home. The message is rendered up to its number,
// which only the home knows.
func (w *Web) ccometSend(x *exchange, q *ccomet.Query, o mail.Op, write replyWriter) {
	m := mail.Mail{Kind: mail.Publish, Op: o, Conn: x.conn}
	m.Buf, m.Nlen = ccomet.NameBuffer(q.Channel)
	m.Buf.B = ccomet.AppendMessageHead(m.Buf.B, o == mail.OpNotice, q)
	w.sendPublish(x, m, pendingReply{write: write, cb: string(q.Callback)})
}

// ccometSubscribe subscribes a client from a sequence number on.
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
