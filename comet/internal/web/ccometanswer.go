package web

import (
	"ccomet/comet/internal/ccomet"
	"ccomet/comet/internal/limit"
	"ccomet/comet/internal/mail"
)

// appendCCometAnswer appends the body of the answer that a slot has come to. Who
// may not sign in for lack of room for a channel is let go on to subscribe, where
// he waits and asks again, which "402" and the like would keep him from; to a
// publish, "402" is what the client takes for a failure.
func (w *Web) appendCCometAnswer(dst []byte, sl *pendingReply) []byte {
	word, reason := "publish", ""
	if sl.op == mail.OpSignIn {
		word = "sign in"
	}
	switch sl.code {
	case mail.CodeTooMany:
		word, reason = "402", w.tooManyChannels()
	case mail.CodeTooFast:
		word, reason = "402", w.tooFast(limit.PublishRatePerChannel)
	case mail.CodeNoMemory:
		word, reason = "402", "out of memory for another channel"
	}
	if sl.op == mail.OpSignIn && reason != "" {
		word = "429"
	}
	return ccomet.AppendStatus(dst, sl.cb, word, reason)
}
