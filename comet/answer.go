package comet

import (
	"strconv"

	"ccomet/reactor"
)

// What the admin side answers, once a channel's home has.

// appendAnswer appends the response that a slot of a connection has come to.
func (w *web) appendAnswer(dst []byte, c reactor.Conn, sl *slot) []byte {
	if sl.op == opReady {
		return append(dst, sl.text...)
	}
	if sl.code != codeOK && sl.code != codeNone {
		w.totals.refused.Add(1)
	}
	status, contentType, body := 200, typeJSON, w.body[:0]
	object := w.object[:0]
	var retry []byte
	switch {
	case sl.side != sideCComet && sl.code != codeOK && sl.code != codeNone:
		var reason string
		status, reason = w.whyNot(sl.code)
		contentType, body = typeText, append(append(body, reason...), '\n')
		if retry = retryAfter(w.args[:0], refusedSeconds); sl.code == codeTooFast {
			retry = retryAfter(w.args[:0], int(sl.n))
		}
	case sl.op == opPush && !sl.ack && sl.cb == "" && !sl.old && !sl.last && sl.side == sideAdmin && w.page(sideAdmin, c.Index()) == 0:
		return append(dst, w.okResponse()...)
	case sl.side == sideCComet:
		contentType = typeScript
		body = w.appendCCometAnswer(body, sl)
	case sl.op == opPush || sl.op == opSign:
		object = w.appendResult(object, sl)
		body = appendJSONP(body, sl.cb, object)
		if sl.cb != "" {
			contentType = typeScript
		}
	case sl.op == opClose || sl.op == opClear:
		contentType = typeText
		if sl.code == codeNone {
			status = 404
			body = append(append(append(body, "channel["...), sl.name...), "] not connected\n"...)
		} else {
			body = append(strconv.AppendInt(append(body, "ok "...), int64(sl.seq), 10), '\n')
		}
	case sl.op == opCheck:
		body = append(body, '{')
		if sl.code == codeOK {
			body = append(appendEscaped(append(body, '"'), []byte(sl.name)), `": 1`...)
		}
		body = append(body, "}\n"...)
	case sl.op == opInfo:
		body = appendEscaped(append(body, `{"cname": "`...), []byte(sl.name))
		body = strconv.AppendInt(append(body, `", "subscribers": `...), int64(sl.n), 10)
		body = append(body, "}\n"...)
	}
	w.body, w.object = body, object
	x := exchange{conn: c, side: sl.side, old: sl.old, last: sl.last, head: sl.head, headers: retry}
	return w.appendResponse(dst, &x, status, contentType, body)
}

// whyNot is how a home's refusal is told.
func (w *web) whyNot(c code) (status int, reason string) {
	switch c {
	case codeTooMany:
		return 429, w.tooManyChannels()
	case codeTooFast:
		return 429, w.tooFast(limitPublishRatePerChannel)
	}
	return 503, "out of memory for another channel"
}

// appendResult appends what /push, /pub and /sign answer when all went well.
func (w *web) appendResult(object []byte, sl *slot) []byte {
	if sl.op == opPush {
		object = append(object, `{"type":"ok"`...)
		if sl.ack {
			object = strconv.AppendInt(append(object, `,"seq":`...), int64(sl.seq), 10)
		}
		return append(object, '}')
	}
	object = appendEscaped(append(object, `{"type":"sign","cname":"`...), []byte(sl.name))
	object = strconv.AppendInt(append(object, `","seq":`...), int64(sl.seq), 10)
	object = append(append(object, `,"token":"`...), w.tokens.make([]byte(sl.name), sl.epoch)...)
	object = strconv.AppendInt(append(object, `","expires":`...), int64(sl.n), 10)
	object = strconv.AppendInt(append(object, `,"sub_timeout":`...), int64(w.cfg.PollingTimeout.Seconds()), 10)
	return append(object, '}')
}

// okResponse is what nearly every publish is answered, rendered once a second.
func (w *web) okResponse() []byte {
	if w.stamp(); w.rendered.okSecond != w.dateSecond {
		w.rendered.okSecond = w.dateSecond
		w.rendered.ok = w.appendResponse(w.rendered.ok[:0], &exchange{side: sideAdmin}, 200, typeJSON, []byte("{\"type\":\"ok\"}\n"))
	}
	return w.rendered.ok
}
