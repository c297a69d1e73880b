package web

import (
	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/limit"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/reactor"
	"strconv"
)

// What the admin side answers, once a channel's home has.

// appendAnswer appends the response that a slot of a connection has come to.
func (w *Web) appendAnswer(dst []byte, c reactor.Conn, sl *pendingReply) []byte {
	if sl.op == mail.OpReady {
		return append(dst, sl.text...)
	}
	if sl.code != mail.CodeOK && sl.code != mail.CodeNone {
		w.totals.Refused.Add(1)
	}
	status, contentType, body := 200, frame.TypeJSON, w.Body[:0]
	object := w.Object[:0]
	var retry []byte
	switch {
	case sl.side != conn.CComet && sl.code != mail.CodeOK && sl.code != mail.CodeNone:
		var reason string
		status, reason = w.whyNot(sl.code)
		contentType, body = frame.TypeText, append(append(body, reason...), '\n')
		if retry = limit.RetryAfter(w.args[:0], limit.RefusedSeconds); sl.code == mail.CodeTooFast {
			retry = limit.RetryAfter(w.args[:0], int(sl.n))
		}
	case sl.op == mail.OpPush && !sl.ack && sl.cb == "" && !sl.http10 && !sl.closeAfter && sl.side == conn.Admin && w.Page(conn.Admin, c.Index()) == 0:
		return append(dst, w.okResponse()...)
	case sl.side == conn.CComet:
		contentType = frame.TypeScript
		body = w.appendCCometAnswer(body, sl)
	case sl.op == mail.OpPush || sl.op == mail.OpSign:
		object = w.appendResult(object, sl)
		body = frame.AppendJSONP(body, sl.cb, object)
		if sl.cb != "" {
			contentType = frame.TypeScript
		}
	case sl.op == mail.OpClose || sl.op == mail.OpClear:
		contentType = frame.TypeText
		if sl.code == mail.CodeNone {
			status = 404
			body = append(append(append(body, "channel["...), sl.name...), "] not connected\n"...)
		} else {
			body = append(strconv.AppendInt(append(body, "ok "...), int64(sl.seq), 10), '\n')
		}
	case sl.op == mail.OpCheck:
		body = append(body, '{')
		if sl.code == mail.CodeOK {
			body = append(msg.AppendEscaped(append(body, '"'), []byte(sl.name)), `": 1`...)
		}
		body = append(body, "}\n"...)
	case sl.op == mail.OpInfo:
		body = msg.AppendEscaped(append(body, `{"cname": "`...), []byte(sl.name))
		body = strconv.AppendInt(append(body, `", "subscribers": `...), int64(sl.n), 10)
		body = append(body, "}\n"...)
	}
	w.Body, w.Object = body, object
	x := exchange{conn: c, side: sl.side, http10: sl.http10, closeAfter: sl.closeAfter, isHEAD: sl.isHEAD, headers: retry}
	return w.appendResponse(dst, &x, status, contentType, body)
}

// whyNot is how a home's refusal is told.
func (w *Web) whyNot(c mail.Code) (status int, reason string) {
	switch c {
	case mail.CodeTooMany:
		return 429, w.tooManyChannels()
	case mail.CodeTooFast:
		return 429, w.tooFast(limit.PublishRatePerChannel)
	}
	return 503, "out of memory for another channel"
}

// appendResult appends what /push, /pub and /sign answer when all went well.
func (w *Web) appendResult(object []byte, sl *pendingReply) []byte {
	if sl.op == mail.OpPush {
		object = append(object, `{"type":"ok"`...)
		if sl.ack {
			object = strconv.AppendInt(append(object, `,"seq":`...), int64(sl.seq), 10)
		}
		return append(object, '}')
	}
	object = msg.AppendEscaped(append(object, `{"type":"sign","cname":"`...), []byte(sl.name))
	object = strconv.AppendInt(append(object, `","seq":`...), int64(sl.seq), 10)
	object = append(append(object, `,"token":"`...), w.tokens.Make([]byte(sl.name), sl.epoch)...)
	object = strconv.AppendInt(append(object, `","expires":`...), int64(sl.n), 10)
	object = strconv.AppendInt(append(object, `,"sub_timeout":`...), int64(w.cfg.PollingTimeout.Seconds()), 10)
	return append(object, '}')
}

// okResponse is what nearly every publish is answered, rendered once a second.
func (w *Web) okResponse() []byte {
	if w.Stamp(); w.rendered.okSecond != w.DateSecond {
		w.rendered.okSecond = w.DateSecond
		w.rendered.ok = w.appendResponse(w.rendered.ok[:0], &exchange{side: conn.Admin}, 200, frame.TypeJSON, []byte("{\"type\":\"ok\"}\n"))
	}
	return w.rendered.ok
}
