package comet

import (
	"errors"
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
		"/sign":      {methods: get, serve: ccometBy((*shard).ccometSign)},
		"/publish":   {methods: get, serve: ccometBy((*shard).ccometPublish), publishes: true},
		"/subscribe": {methods: get, serve: ccometBy((*shard).ccometSubscribe)},
	}
}

// errParams is what the dialect says of a parameter that is missing, or no number.
var errParams = errors.New("error params")

// ccometBy makes an endpoint. Without a callback that can be called, an error is
// one of HTTP.
func ccometBy(serve func(*shard, *exchange, *ccometQuery) error) func(*shard, *exchange) {
	return func(s *shard, x *exchange) {
		q := s.ccometQuery(x)
		if !isCallback(q.callback) {
			s.fail(x, 400, badCallback("callback").Error())
			return
		}
		if err := serve(s, x, q); err != nil {
			s.totals.refused.Add(1)
			s.body = appendCCometStatus(s.body[:0], string(q.callback), "400", err.Error())
			s.reply(x, 200, typeScript, s.body)
		}
	}
}

// ccometSign tells those who wait that somebody has come.
func (s *shard) ccometSign(x *exchange, q *ccometQuery) error {
	if err := q.checkNames(); err != nil {
		return err
	}
	s.tell(x, q, opSignIn)
	return nil
}

// ccometPublish publishes.
func (s *shard) ccometPublish(x *exchange, q *ccometQuery) error {
	if err := q.checkNames(); err != nil {
		return err
	}
	if q.msg == nil {
		return errParams
	}
	if limit := s.cfg.MaxMessage; len(q.msg) > limit {
		return fmt.Errorf("msg is %d bytes: max-message is %d", len(q.msg), limit)
	}
	if s.mayPublish(x) {
		s.tell(x, q, opPublish)
	}
	return nil
}

// tell sends a message to its channel's home, rendered as far as it can be
// without its number.
func (s *shard) tell(x *exchange, q *ccometQuery, o op) {
	m := mail{kind: mailTell, op: o, conn: x.conn}
	m.buf, m.nlen = ccometBuffer(q.channel)
	m.buf.B = appendCCometHead(m.buf.B, o, q)
	home := s.homes.of(m.cname())
	m.slot = s.waitFor(x, slot{op: o, cb: string(q.callback)})
	s.send(home, m)
}

// ccometSubscribe has a client wait for a number.
func (s *shard) ccometSubscribe(x *exchange, q *ccometQuery) error {
	if err := q.checkNames(); err != nil {
		return err
	}
	seqid, err := strconv.ParseInt(string(q.seqid), 10, 32)
	if err != nil {
		return errParams
	}
	s.wants = append(s.wants[:0], want{seq: int32(max(min(seqid, maxSeqid+1), 0)) + 1})
	if !s.enterSession(x.conn, q.callback, newSubscriber(x, transportCComet), s.wants, q.channel, q.sname) {
		s.refuse(x.conn, errNoMemory)
	}
	return nil
}

// whyTurnedAway is what such a client is told in the end.
func (s *shard) whyTurnedAway(why code) *httplite.Error {
	switch why {
	case codeTooMany:
		return &httplite.Error{Status: 429, Reason: s.tooManyChannels()}
	case codeFull:
		return &httplite.Error{Status: 429,
			Reason: fmt.Sprintf("too many subscribers of this channel: max-subscribers-per-channel is %d", s.cfg.MaxSubscribersPerChannel)}
	}
	return errNoMemory
}

func (s *shard) tooManyChannels() string {
	return fmt.Sprintf("too many channels: max-channels is %d", s.cfg.MaxChannels)
}
