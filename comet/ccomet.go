package comet

import (
	"errors"
	"fmt"
	"strconv"
	"time"

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

// ccometMark is what names of this dialect's channels begin with, at their home:
// no other name can have it, since control characters are refused.
const ccometMark = 0x01

// MaxCCometName is the bytes of a channel's name in CComet's dialect.
const MaxCCometName = MaxName - 1

// maxSeqid bounds the number that clients may take a channel to: messages by the
// billion are left behind it.
const maxSeqid = 1 << 30

// Kinds of a channel (channel.dialect). A fresh one has given no number yet.
const (
	dialectOurs uint8 = iota
	dialectCCometFresh
	dialectCComet
)

func dialectOf(cname []byte) uint8 {
	if len(cname) > 0 && cname[0] == ccometMark {
		return dialectCCometFresh
	}
	return dialectOurs
}

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
			s.body = s.appendCCometStatus(s.body[:0], string(q.callback), "400", err.Error())
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
	m.buf.B = s.appendCCometHead(m.buf.B, o, q)
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
	i := s.newSub(x.conn, q.callback, newSubscriber(x, transportCComet), s.wants)
	if i == 0 {
		s.refuse(x.conn, errNoMemory)
		return nil
	}
	s.subs.At(i).flags |= subAsking
	m := mail{kind: mailSit, conn: x.conn, slot: i, seq: s.wants[0].seq}
	m.buf, m.nlen = ccometBuffer(q.channel)
	m.buf.B = append(m.buf.B, q.sname...)
	s.send(s.homes.of(m.cname()), m)
	return nil
}

// sat takes the home's answer to a subscription.
func (s *shard) sat(m *mail) {
	i := m.slot
	if !s.answeredSub(i) {
		s.unseat(m)
		return
	}
	sub, seated := s.subs.At(i), m.flag&joinMember != 0
	if !s.loop.Alive(m.conn) || seated && sub.has(subGone) {
		s.unseat(m)
		s.loop.Close(m.conn)
		return
	}
	switch {
	case m.code == codeBeyond:
		s.totals.refused.Add(1)
		s.body = s.appendCCometStatus(s.body[:0], string(s.callbacks.get(sub.callback())), "403", "")
		s.scratch = s.appendCCometResponse(s.scratch[:0], sub, s.body)
		s.finishPoll(i, s.scratch)
	case m.code != codeOK:
		s.turnAway(i, m.code)
	case !seated:
		s.lose(sub.cursor, m.msg.seq)
		s.finishPoll(i, s.ccometBacklog(sub, m))
	default:
		roster := s.rosterFor(m)
		if roster == 0 {
			s.unseat(m)
			s.turnAway(i, codeNoMemory)
			return
		}
		s.lose(sub.cursor, m.seq)
		sub.cursor, sub.noop = m.seq, m.lost
		s.enlist(roster, i)
		s.loop.SetTimer(m.conn, -1) // it waits for as long as it likes
		if s.drain.on() {
			s.drain.depart(m.conn)
		}
	}
}

// unseat has the home forget whom it has just given a seat.
func (s *shard) unseat(m *mail) {
	if m.flag&joinMember != 0 {
		s.send(m.from, mail{kind: mailStand, conn: m.conn, slot: uint32(m.lost)})
	}
	s.unjoin(m)
}

// stand gives up the seat of a subscriber that leaves.
func (s *shard) stand(sub *subscriber) {
	if sub.roster != 0 {
		s.send(s.rosters.At(sub.roster).home, mail{kind: mailStand, conn: s.loop.ConnAt(sub.conn), slot: uint32(sub.noop)})
	}
}

// ousted sends a subscriber away whose seat was given to another, if it still has
// it: it may have been answered meanwhile, and ask again. Its connection is closed
// a moment later, so that two that have one name do not drive each other out as
// fast as they can.
func (s *shard) ousted(m *mail) {
	what, i := s.state(m.conn)
	if what != stateWaiting {
		return
	}
	sub := s.subs.At(i)
	if sub.roster == 0 || sub.roster != s.findRoster(m.from, m.ref) {
		return
	}
	s.endSub(i)
	s.setState(m.conn, stateRefused, uint32(codeOusted))
	s.loop.SetTimer(m.conn, oustedTime)
}

// oustedTime is how long one that was sent away hears nothing.
const oustedTime = time.Second

// turnAway refuses a subscriber. Any answer that the client can read would end
// its asking, and to one that it cannot read it may ask again at once, for ever.
// So it hears nothing for as long as a request may take, and then the reason.
func (s *shard) turnAway(i uint32, why code) {
	c := s.loop.ConnAt(s.subs.At(i).conn)
	s.endSub(i)
	s.setState(c, stateRefused, uint32(why))
	s.loop.SetTimer(c, s.cfg.RequestTimeout)
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
