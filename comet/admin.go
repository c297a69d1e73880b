package comet

import (
	"errors"
	"strconv"
	"time"
	"unicode/utf8"
)

// The admin side's endpoints. What concerns one channel is mailed to its home;
// the answer comes back as mailDone and is written in its turn (pipe.go).

// push publishes text as it is; pub publishes what is JSON-escaped already.
func (s *shard) push(x *exchange) { s.startPublish(x, false) }
func (s *shard) pub(x *exchange)  { s.startPublish(x, true) }

func (s *shard) startPublish(x *exchange, escaped bool) {
	if !s.mayPublish(x) {
		return
	}
	cname, err := s.nameArg(x)
	var cb []byte
	if err == nil {
		cb, err = s.callbackArg(x)
	}
	if errors.Is(err, errNoName) && x.raw != nil {
		err = errNamelessBody
	}
	if err != nil {
		s.fail(x, 400, err.Error())
		return
	}
	m := mail{kind: mailPublish, conn: x.conn, nlen: uint8(len(cname))}
	m.buf = nameBuffer(cname)
	if !s.contentArg(x, &m, escaped) {
		m.done()
		return
	}
	sl := slot{op: opPush, cb: string(cb), ack: s.given(x, "ack")}
	m.slot = s.waitFor(x, sl)
	s.send(s.homes.of(cname), m)
}

var (
	errNamelessBody = errors.New("parameter cname is missing: where the body is the content, it stands in the query, as in /push?cname=NAME")
	errTwoContents  = errors.New("the content is there twice: as the body, and as parameter content")
	errNoContent    = errors.New("parameter content is missing")
)

// content returns what is to be published, and how to name it: the body, or a parameter.
func (s *shard) content(x *exchange) (content []byte, name string, err error) {
	content, ok := s.arg(x, "content")
	switch {
	case x.raw != nil && ok:
		return nil, "", errTwoContents
	case x.raw != nil:
		return x.raw, "the body", nil
	case !ok && !s.cfg.Compat.EmptyContent:
		return nil, "", errNoContent
	}
	return content, "parameter content", s.once(x, "content")
}

// contentArg appends the content, escaped, to a mail's buffer; false: it was
// not fit, and the request has been answered.
func (s *shard) contentArg(x *exchange, m *mail, escaped bool) (ok bool) {
	content, name, err := s.content(x)
	limit := s.cfg.MaxMessage
	switch {
	case err != nil:
		s.fail(x, 400, err.Error())
	case len(content) > limit:
		s.fail(x, 413, name+" is "+strconv.Itoa(len(content))+" bytes: max-message is "+strconv.Itoa(limit))
	case escaped:
		var bad int
		if m.buf.B, bad, ok = appendChecked(m.buf.B, content); ok {
			return true
		}
		s.fail(x, 400, name+": not valid inside a JSON string, from byte "+strconv.Itoa(bad)+" on")
	case !utf8.Valid(content):
		s.fail(x, 400, name+": not UTF-8")
	default:
		m.buf.B = appendEscaped(m.buf.B, content)
		return true
	}
	return false
}

// broadcast publishes to every channel: each loop sees to its own.
func (s *shard) broadcast(x *exchange) {
	if !s.mayPublish(x) {
		return
	}
	m := mail{kind: mailBroadcast}
	m.buf = nameBuffer(nil)
	switch {
	case s.totals.walks.Load() > maxWalks:
		s.fail(x, 503, "too many broadcasts are under way: at most "+strconv.Itoa(maxWalks)+" on all loops")
	case s.contentArg(x, &m, false):
		s.totals.walks.Add(int64(s.loops()))
		s.tally.Broadcasts++
		s.sendAll(mail{kind: mailBroadcast, msg: newMessage(kindBroadcast, 0, m.buf.B)})
		s.reply(x, 200, typeText, []byte("ok\n"))
	}
	m.done()
}

// controlling makes the endpoint of an operation on one channel.
func controlling(o op) func(*shard, *exchange) {
	return func(s *shard, x *exchange) {
		if err := s.startControl(x, o); err != nil {
			s.fail(x, 400, err.Error())
		}
	}
}

func (s *shard) startControl(x *exchange, o op) error {
	cname, err := s.nameArg(x)
	if err != nil {
		return err
	}
	cb, err := s.callbackArg(x)
	if err != nil {
		return err
	}
	sl := slot{op: o, name: string(cname), cb: string(cb)}
	if o == opSign {
		lease := int32(s.cfg.ChannelTimeout / time.Second)
		if sl.n, err = s.numberArg(x, "expires", lease); err != nil {
			return err
		}
		if sl.n <= 0 {
			sl.n = lease
		}
		sl.n = min(sl.n, int32(MaxLease/time.Second))
	}
	m := mail{kind: mailControl, op: o, n: sl.n, conn: x.conn, nlen: uint8(len(cname))}
	m.buf = nameBuffer(cname)
	m.slot = s.waitFor(x, sl)
	s.send(s.homes.of(cname), m)
	return nil
}

// info tells the server's counts, or a channel's.
func (s *shard) info(x *exchange) {
	if cname, ok := s.arg(x, "cname"); ok && (len(cname) > 0 || !s.cfg.Compat.EmptyNames) {
		controlling(opInfo)(s, x)
		return
	}
	s.object = append(s.object[:0], `{"version": "`...)
	s.object = appendEscaped(s.object, []byte(s.cfg.Version))
	s.object = append(s.object, `", "channels": `...)
	s.object = strconv.AppendInt(s.object, s.totals.channels.Load(), 10)
	s.object = append(s.object, `, "subscribers": `...)
	s.object = strconv.AppendInt(s.object, s.totals.subscribers.Load(), 10)
	s.object = append(s.object, '}')
	s.replyJSON(x, nil, s.object)
}
