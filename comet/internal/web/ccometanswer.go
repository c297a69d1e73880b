package web

import (
	"ccomet/comet/internal/ccomet"
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/hub"
	"ccomet/comet/internal/limit"
	"ccomet/comet/internal/mail"
	"ccomet/httplite"
)

// What CComet's dialect answers.

// ccometPublished answers a publish. To its client, "402" says that a publish has failed.
func (r *responder) ccometPublished(dst []byte, reply *pendingReply) []byte {
	word, reason := "publish", r.ccometReason(reply.code)
	if reason != "" {
		word = "402"
	}
	return r.appendCCometStatus(dst, reply, word, reason)
}

// ccometSigned answers a sign-in. A client that cannot sign in because there is no room for
// a channel must go on to subscribe, where it waits and asks again: "402" and its like would
// keep it from that, "429" does not.
func (r *responder) ccometSigned(dst []byte, reply *pendingReply) []byte {
	word, reason := "sign in", r.ccometReason(reply.code)
	if reason != "" {
		word = "429"
	}
	return r.appendCCometStatus(dst, reply, word, reason)
}

// ccometReason is why a channel's home has refused a request; empty: it has not.
func (r *responder) ccometReason(code mail.Code) string {
	switch code {
	case mail.CodeTooMany:
		return r.cfg.tooManyChannels()
	case mail.CodeTooFast:
		return r.cfg.tooFast(limit.PublishRatePerChannel)
	case mail.CodeDelivering:
		return r.cfg.tooMuchDelivering()
	case mail.CodeNoMemory:
		return noChannelMemory
	case mail.CodeNoLog:
		return noLog
	}
	return ""
}

func (r *responder) appendCCometStatus(dst []byte, reply *pendingReply, word, reason string) []byte {
	if reply.code != mail.CodeOK && reply.code != mail.CodeNone {
		r.totals.Refused.Add(1)
	}
	r.Body = ccomet.AppendStatus(r.Body[:0], reply.cb, word, reason)
	x := reply.exchange()
	return r.appendResponse(dst, &x, 200, frame.TypeScript, r.Body)
}

// whyRefused is what a subscriber is told when the time has passed for which its refusal
// was held back.
func (c *Config) whyRefused(why mail.Code) *httplite.Error {
	switch why {
	case mail.CodeTooMany:
		return &httplite.Error{Status: 429, Reason: c.tooManyChannels()}
	case mail.CodeFull:
		return &httplite.Error{Status: 429, Reason: c.tooManySubscribers()}
	case mail.CodeNoLog:
		return hub.ErrNoLog
	}
	return hub.ErrNoMemory
}
