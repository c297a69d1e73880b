package web

import (
	"ccomet/comet/internal/ccomet"
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/hub"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/record"
	"ccomet/httplite"
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

// ccometTable maps the paths of the dialect's listeners to their endpoints.
func ccometTable() map[string]endpoint {
	return map[string]endpoint{
		"/sign":      {methods: get, serve: ccometBy((*Web).ccometSign)},
		"/publish":   {methods: get, serve: ccometBy((*Web).ccometPublish), publishes: true},
		"/subscribe": {methods: get, serve: ccometBy((*Web).ccometSubscribe)},
	}
}

// ccometBy makes an endpoint. Without a callback that can be called, an error is
// one of HTTP.
func ccometBy(serve func(*Web, *exchange, *ccomet.Query) error) func(*Web, *exchange) {
	return func(w *Web, x *exchange) {
		q := &w.asked
		q.Read(x.req.Query())
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
func (w *Web) ccometSign(x *exchange, q *ccomet.Query) error {
	if err := q.CheckNames(); err != nil {
		return err
	}
	w.ccometSend(x, q, mail.OpSignIn)
	return nil
}

// ccometPublish publishes.
func (w *Web) ccometPublish(x *exchange, q *ccomet.Query) error {
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
		w.ccometSend(x, q, mail.OpPublish)
	}
	return nil
}

// tell sends a message to its channel's home, rendered as far as it can be
// without its number.
func (w *Web) ccometSend(x *exchange, q *ccomet.Query, o mail.Op) {
	m := mail.Mail{Kind: mail.PublishCComet, Op: o, Conn: x.conn}
	m.Buf, m.Nlen = ccomet.NameBuffer(q.Channel)
	m.Buf.B = ccomet.AppendMessageHead(m.Buf.B, o == mail.OpSignIn, q)
	home := w.homes.Of(m.Cname())
	m.Slot = w.awaitReply(x, pendingReply{op: o, cb: string(q.Callback)})
	w.Send(home, m)
}

// ccometSubscribe has a client wait for a number.
func (w *Web) ccometSubscribe(x *exchange, q *ccomet.Query) error {
	if err := q.CheckNames(); err != nil {
		return err
	}
	seqid, err := strconv.ParseInt(string(q.Seqid), 10, 32)
	if err != nil {
		return ccomet.ErrParams
	}
	w.topics = append(w.topics[:0], hub.Topic{Seq: int32(max(min(seqid, record.MaxSeqid+1), 0)) + 1})
	if !w.hub.EnterSession(x.conn, q.Callback, newSubscriber(x, frame.CComet), w.topics, q.Channel, q.Sname) {
		w.Refuse(x.conn, hub.ErrNoMemory)
	}
	return nil
}

// whyTurnedAway is what such a client is told in the end.
func (w *Web) whyRefused(why mail.Code) *httplite.Error {
	switch why {
	case mail.CodeTooMany:
		return &httplite.Error{Status: 429, Reason: w.tooManyChannels()}
	case mail.CodeFull:
		return &httplite.Error{Status: 429,
			Reason: fmt.Sprintf("too many subscribers of this channel: max-subscribers-per-channel is %d", w.cfg.MaxSubscribersPerChannel)}
	}
	return hub.ErrNoMemory
}

func (w *Web) tooManyChannels() string {
	return fmt.Sprintf("too many channels: max-channels is %d", w.cfg.MaxChannels)
}
