package web

import (
	"ccomet/comet/internal/ccomet"
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/hub"
	"ccomet/comet/internal/limit"
	"ccomet/comet/internal/mail"
	"ccomet/httplite"
)

// This file writes the answers of CComet's dialect.

// ccometPublished answers a publish. "402" tells the client that the publish has failed.
func (r *responder) ccometPublished(dst []byte, reply *pendingReply) []byte {
	word, reason := "publish", r.ccometReason(reply.code)
	if reason != "" {
		word = "402"
	}
	return r.appendCCometStatus(dst, reply, word, reason)
}

// ccometSigned answers a sign-in. A client that cannot sign in for lack of room must still
// subscribe, because a subscription waits and retries. "402" and similar codes would stop it;
// "429" does not.
func (r *responder) ccometSigned(dst []byte, reply *pendingReply) []byte {
	word, reason := "sign in", r.ccometReason(reply.code)
	if reason != "" {
		word = "429"
	}
	return r.appendCCometStatus(dst, reply, word, reason)
}

// ccometReason returns why a channel's home refused a request, or "" if it did not.
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

// whyRefused returns the error for a subscriber whose refusal was delayed, once the delay has
// passed.
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
