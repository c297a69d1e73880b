package comet

// appendCCometAnswer appends the body of the answer that a slot has come to. Who
// may not sign in for lack of room for a channel is let go on to subscribe, where
// he waits and asks again, which "402" and the like would keep him from; to a
// publish, "402" is what the client takes for a failure.
func (w *web) appendCCometAnswer(dst []byte, sl *slot) []byte {
	word, reason := "publish", ""
	if sl.op == opSignIn {
		word = "sign in"
	}
	switch sl.code {
	case codeTooMany:
		word, reason = "402", w.tooManyChannels()
	case codeTooFast:
		word, reason = "402", w.tooFast(limitPublishRatePerChannel)
	case codeNoMemory:
		word, reason = "402", "out of memory for another channel"
	}
	if sl.op == opSignIn && reason != "" {
		word = "429"
	}
	return appendCCometStatus(dst, sl.cb, word, reason)
}
