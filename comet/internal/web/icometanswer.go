package web

import (
	"strconv"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/jsontext"
	"ccomet/comet/internal/limit"
	"ccomet/comet/internal/mail"
)

// This file writes the answers of iComet's dialect once a channel's home has answered. Each
// function here writes the whole response to one kind of request.

// refused appends the response to a request that the channel's home has refused, and returns
// whether it did.
func (r *responder) refused(dst []byte, reply *pendingReply) (response []byte, refused bool) {
	if reply.code == mail.CodeOK || reply.code == mail.CodeNone {
		return dst, false
	}
	status, reason := r.cfg.refusal(reply.code)
	seconds := limit.RefusedSeconds
	if reply.code == mail.CodeTooFast {
		seconds = reply.seconds()
	}
	r.totals.Refused.Add(1)
	x := reply.exchange()
	r.Object = limit.RetryAfter(r.Object[:0], seconds)
	x.headers = r.Object
	r.Body = append(append(r.Body[:0], reason...), '\n')
	return r.appendResponse(dst, &x, status, frame.TypeText, r.Body), true
}

// refusal returns the status and the reason for a code with which a channel's home refuses a
// request.
func (c *Config) refusal(code mail.Code) (status int, reason string) {
	switch code {
	case mail.CodeTooMany:
		return 429, c.tooManyChannels()
	case mail.CodeTooFast:
		return 429, c.tooFast(limit.PublishRatePerChannel)
	case mail.CodeDelivering:
		return 503, c.tooMuchDelivering()
	case mail.CodeNoLog:
		return 503, noLog
	}
	return 503, noChannelMemory
}

const (
	noChannelMemory = "out of memory for another channel"
	noLog           = "the log that numbers messages cannot be reached"
)

func (r *responder) published(dst []byte, reply *pendingReply) []byte {
	if dst, refused := r.refused(dst, reply); refused {
		return dst
	}
	if !reply.ack && reply.cb == "" && !reply.http10 && !reply.closeAfter && reply.side == conn.Admin && r.Page(conn.Admin, reply.conn.Index()) == 0 {
		return append(dst, r.okResponse()...)
	}
	r.Object = append(r.Object[:0], `{"type":"ok"`...)
	if reply.ack {
		r.Object = strconv.AppendInt(append(r.Object, `,"seq":`...), int64(reply.seq), 10)
	}
	r.Object = append(r.Object, '}')
	return r.appendObject(dst, reply)
}

// broadcasted answers /broadcast in a cluster, whose log numbers the broadcast.
func (r *responder) broadcasted(dst []byte, reply *pendingReply) []byte {
	if dst, refused := r.refused(dst, reply); refused {
		return dst
	}
	x := reply.exchange()
	return r.appendResponse(dst, &x, 200, frame.TypeText, []byte("ok\n"))
}

// okResponse returns the answer to nearly every publish. It is rendered once a second.
func (r *responder) okResponse() []byte {
	if r.Stamp(); r.okSecond != r.DateSecond {
		r.okSecond = r.DateSecond
		r.ok = r.appendResponse(r.ok[:0], &exchange{recipient: recipient{side: conn.Admin}}, 200, frame.TypeJSON, []byte("{\"type\":\"ok\"}\n"))
	}
	return r.ok
}

func (r *responder) signed(dst []byte, reply *pendingReply) []byte {
	if dst, refused := r.refused(dst, reply); refused {
		return dst
	}
	object := jsontext.AppendEscaped(append(r.Object[:0], `{"type":"sign","cname":"`...), []byte(reply.name))
	object = strconv.AppendInt(append(object, `","seq":`...), int64(reply.seq), 10)
	object = append(append(object, `,"token":"`...), r.tokens.Make([]byte(reply.name), reply.epoch, reply.right)...)
	object = strconv.AppendInt(append(object, `","expires":`...), int64(reply.lease), 10)
	object = strconv.AppendInt(append(object, `,"sub_timeout":`...), int64(r.cfg.PollingTimeout.Seconds()), 10)
	r.Object = append(object, '}')
	return r.appendObject(dst, reply)
}

// appendObject appends a response with the JSON in Object, or with a call of the request's
// callback with that JSON.
func (r *responder) appendObject(dst []byte, reply *pendingReply) []byte {
	contentType := frame.TypeJSON
	if reply.cb != "" {
		contentType = frame.TypeScript
	}
	r.Body = frame.AppendJSONP(r.Body[:0], reply.cb, r.Object)
	x := reply.exchange()
	return r.appendResponse(dst, &x, 200, contentType, r.Body)
}

// ended answers /close and /clear.
func (r *responder) ended(dst []byte, reply *pendingReply) []byte {
	if dst, refused := r.refused(dst, reply); refused {
		return dst
	}
	status := 200
	if reply.code == mail.CodeNone {
		status = 404
		r.Body = append(append(append(r.Body[:0], "channel["...), reply.name...), "] not connected\n"...)
	} else {
		r.Body = append(strconv.AppendInt(append(r.Body[:0], "ok "...), int64(reply.seq), 10), '\n')
	}
	x := reply.exchange()
	return r.appendResponse(dst, &x, status, frame.TypeText, r.Body)
}

func (r *responder) checked(dst []byte, reply *pendingReply) []byte {
	if dst, refused := r.refused(dst, reply); refused {
		return dst
	}
	body := append(r.Body[:0], '{')
	if reply.code == mail.CodeOK {
		body = append(jsontext.AppendEscaped(append(body, '"'), []byte(reply.name)), `": 1`...)
	}
	r.Body = append(body, "}\n"...)
	x := reply.exchange()
	return r.appendResponse(dst, &x, 200, frame.TypeJSON, r.Body)
}

// counted answers /info of one channel.
func (r *responder) counted(dst []byte, reply *pendingReply) []byte {
	if dst, refused := r.refused(dst, reply); refused {
		return dst
	}
	body := jsontext.AppendEscaped(append(r.Body[:0], `{"cname": "`...), []byte(reply.name))
	body = strconv.AppendInt(append(body, `", "subscribers": `...), int64(reply.subscribers()), 10)
	r.Body = append(body, "}\n"...)
	x := reply.exchange()
	return r.appendResponse(dst, &x, 200, frame.TypeJSON, r.Body)
}
