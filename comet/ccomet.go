package comet

import (
	"fmt"
	"strconv"

	"ccomet/httplite"
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
		"/sign":      {methods: get, serve: ccometBy((*web).ccometSign)},
		"/publish":   {methods: get, serve: ccometBy((*web).ccometPublish), publishes: true},
		"/subscribe": {methods: get, serve: ccometBy((*web).ccometSubscribe)},
	}
}

// ccometBy makes an endpoint. Without a callback that can be called, an error is
// one of HTTP.
func ccometBy(serve func(*web, *exchange, *ccometQuery) error) func(*web, *exchange) {
	return func(w *web, x *exchange) {
		q := &w.asked
		q.read(x.req.Query())
		if !isCallback(q.callback) {
			w.fail(x, 400, badCallback("callback").Error())
			return
		}
		if err := serve(w, x, q); err != nil {
			w.totals.refused.Add(1)
			w.body = appendCCometStatus(w.body[:0], string(q.callback), "400", err.Error())
			w.reply(x, 200, typeScript, w.body)
		}
	}
}

// ccometSign tells those who wait that somebody has come.
func (w *web) ccometSign(x *exchange, q *ccometQuery) error {
	if err := q.checkNames(); err != nil {
		return err
	}
	w.tell(x, q, opSignIn)
	return nil
}

// ccometPublish publishes.
func (w *web) ccometPublish(x *exchange, q *ccometQuery) error {
	if err := q.checkNames(); err != nil {
		return err
	}
	if q.msg == nil {
		return errParams
	}
	if limit := w.cfg.MaxMessage; len(q.msg) > limit {
		return fmt.Errorf("msg is %d bytes: max-message is %d", len(q.msg), limit)
	}
	if w.mayPublish(x) {
		w.tell(x, q, opPublish)
	}
	return nil
}

// tell sends a message to its channel's home, rendered as far as it can be
// without its number.
func (w *web) tell(x *exchange, q *ccometQuery, o op) {
	m := mail{kind: mailTell, op: o, conn: x.conn}
	m.buf, m.nlen = ccometBuffer(q.channel)
	m.buf.B = appendCCometHead(m.buf.B, o == opSignIn, q)
	home := w.homes.of(m.cname())
	m.slot = w.waitFor(x, slot{op: o, cb: string(q.callback)})
	w.send(home, m)
}

// ccometSubscribe has a client wait for a number.
func (w *web) ccometSubscribe(x *exchange, q *ccometQuery) error {
	if err := q.checkNames(); err != nil {
		return err
	}
	seqid, err := strconv.ParseInt(string(q.seqid), 10, 32)
	if err != nil {
		return errParams
	}
	w.wants = append(w.wants[:0], want{seq: int32(max(min(seqid, maxSeqid+1), 0)) + 1})
	if !w.hub.enterSession(x.conn, q.callback, newSubscriber(x, transportCComet), w.wants, q.channel, q.sname) {
		w.refuse(x.conn, errNoMemory)
	}
	return nil
}

// whyTurnedAway is what such a client is told in the end.
func (w *web) whyTurnedAway(why code) *httplite.Error {
	switch why {
	case codeTooMany:
		return &httplite.Error{Status: 429, Reason: w.tooManyChannels()}
	case codeFull:
		return &httplite.Error{Status: 429,
			Reason: fmt.Sprintf("too many subscribers of this channel: max-subscribers-per-channel is %d", w.cfg.MaxSubscribersPerChannel)}
	}
	return errNoMemory
}

func (w *web) tooManyChannels() string {
	return fmt.Sprintf("too many channels: max-channels is %d", w.cfg.MaxChannels)
}
