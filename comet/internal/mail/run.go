package mail

import "ccomet/comet/internal/msg"

// What a channel keeps has consecutive numbers, but where its server has crashed
// and it comes from a file (stateload.go): then it has left out some, and there is
// a gap in what it keeps, or behind it. A client that asked for it is sent in that place
// that messages are gone.

// Behind is the number that comes behind a message of a run of which n are left.
func (m *Mail) Behind(message *msg.Message, n int32) int32 {
	if after := message.After(n); after != nil {
		return after.Seq
	}
	return m.Seq
}

// Number is that of message k of the run, or the next one's behind it.
func (m *Mail) Number(k int32) int32 {
	for message, n := m.Msg, m.N; n > 0; message, n, k = message.After(n), n-1, k-1 {
		if k == 0 {
			return message.Seq
		}
	}
	return m.Seq
}
