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
func (w *web) push(x *exchange) { w.startPublish(x, false) }
func (w *web) pub(x *exchange)  { w.startPublish(x, true) }

func (w *web) startPublish(x *exchange, escaped bool) {
	if !w.mayPublish(x) {
		return
	}
	cname, err := w.nameArg(x)
	var cb []byte
	if err == nil {
		cb, err = w.callbackArg(x)
	}
	if errors.Is(err, errNoName) && x.raw != nil {
		err = errNamelessBody
	}
	if err != nil {
		w.fail(x, 400, err.Error())
		return
	}
	m := mail{kind: mailPublish, conn: x.conn, nlen: uint8(len(cname))}
	m.buf = nameBuffer(cname)
	if !w.contentArg(x, &m, escaped) {
		m.done()
		return
	}
	sl := slot{op: opPush, cb: string(cb), ack: w.given(x, "ack")}
	m.slot = w.waitFor(x, sl)
	w.send(w.homes.of(cname), m)
}

var (
	errNamelessBody = errors.New("parameter cname is missing: where the body is the content, it stands in the query, as in /push?cname=NAME")
	errTwoContents  = errors.New("the content is there twice: as the body, and as parameter content")
	errNoContent    = errors.New("parameter content is missing")
)

// content returns what is to be published, and how to name it: the body, or a parameter.
func (w *web) content(x *exchange) (content []byte, name string, err error) {
	content, ok := w.arg(x, "content")
	switch {
	case x.raw != nil && ok:
		return nil, "", errTwoContents
	case x.raw != nil:
		return x.raw, "the body", nil
	case !ok && !w.cfg.Compat.EmptyContent:
		return nil, "", errNoContent
	}
	return content, "parameter content", w.once(x, "content")
}

// contentArg appends the content, escaped, to a mail's buffer; false: it was
// not fit, and the request has been answered.
func (w *web) contentArg(x *exchange, m *mail, escaped bool) (ok bool) {
	content, name, err := w.content(x)
	limit := w.cfg.MaxMessage
	switch {
	case err != nil:
		w.fail(x, 400, err.Error())
	case len(content) > limit:
		w.fail(x, 413, name+" is "+strconv.Itoa(len(content))+" bytes: max-message is "+strconv.Itoa(limit))
	case escaped:
		var bad int
		if m.buf.B, bad, ok = appendChecked(m.buf.B, content); ok {
			return true
		}
		w.fail(x, 400, name+": not valid inside a JSON string, from byte "+strconv.Itoa(bad)+" on")
	case !utf8.Valid(content):
		w.fail(x, 400, name+": not UTF-8")
	default:
		m.buf.B = appendEscaped(m.buf.B, content)
		return true
	}
	return false
}

// broadcast publishes to every channel: each loop sees to its own.
func (w *web) broadcast(x *exchange) {
	if !w.mayPublish(x) {
		return
	}
	m := mail{kind: mailBroadcast}
	m.buf = nameBuffer(nil)
	switch {
	case w.totals.walks.Load() > maxWalks:
		w.fail(x, 503, "too many broadcasts are under way: at most "+strconv.Itoa(maxWalks)+" on all loops")
	case w.contentArg(x, &m, false):
		w.totals.walks.Add(int64(w.loops()))
		w.broadcasts++
		w.sendAll(mail{kind: mailBroadcast, msg: newMessage(kindBroadcast, 0, m.buf.B)})
		w.reply(x, 200, typeText, []byte("ok\n"))
	}
	m.done()
}

// controlling makes the endpoint of an operation on one channel.
func controlling(o op) func(*web, *exchange) {
	return func(w *web, x *exchange) {
		if err := w.startControl(x, o); err != nil {
			w.fail(x, 400, err.Error())
		}
	}
}

func (w *web) startControl(x *exchange, o op) error {
	cname, err := w.nameArg(x)
	if err != nil {
		return err
	}
	cb, err := w.callbackArg(x)
	if err != nil {
		return err
	}
	sl := slot{op: o, name: string(cname), cb: string(cb)}
	if o == opSign {
		lease := int32(w.cfg.ChannelTimeout / time.Second)
		if sl.n, err = w.numberArg(x, "expires", lease); err != nil {
			return err
		}
		if sl.n <= 0 {
			sl.n = lease
		}
		sl.n = min(sl.n, int32(MaxLease/time.Second))
	}
	m := mail{kind: mailControl, op: o, n: sl.n, conn: x.conn, nlen: uint8(len(cname))}
	m.buf = nameBuffer(cname)
	m.slot = w.waitFor(x, sl)
	w.send(w.homes.of(cname), m)
	return nil
}

// info tells the server's counts, or a channel's.
func (w *web) info(x *exchange) {
	if cname, ok := w.arg(x, "cname"); ok && (len(cname) > 0 || !w.cfg.Compat.EmptyNames) {
		controlling(opInfo)(w, x)
		return
	}
	w.object = append(w.object[:0], `{"version": "`...)
	w.object = appendEscaped(w.object, []byte(w.cfg.Version))
	w.object = append(w.object, `", "channels": `...)
	w.object = strconv.AppendInt(w.object, w.totals.channels.Load(), 10)
	w.object = append(w.object, `, "subscribers": `...)
	w.object = strconv.AppendInt(w.object, w.totals.subscribers.Load(), 10)
	w.object = append(w.object, '}')
	w.replyJSON(x, nil, w.object)
}
