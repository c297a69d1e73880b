package mail

import "ccomet/comet/internal/msg"

// The numbers in a channel's history are consecutive, except after a crash of the
// server, when the channel comes from a file (stateload.go): then it has skipped
// numbers, and there is a gap in its history or after it. A client that asked to be told
// is sent there that messages are lost.

// Behind returns the number after a message of a run of which n are left.
func (m *Mail) Behind(message *msg.Message, n int32) int32 {
	if after := message.After(n); after != nil {
		return after.Seq
	}
	return m.Seq
}

// Number returns the number of message k of the run, or of the message after the run.
func (m *Mail) Number(k int32) int32 {
	for message, n := m.Msg, m.N; n > 0; message, n, k = message.After(n), n-1, k-1 {
		if k == 0 {
			return message.Seq
		}
	}
	return m.Seq
}
