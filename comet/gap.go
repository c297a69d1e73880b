package comet

// What a channel keeps has consecutive numbers, but where its server has crashed
// and it comes from a file (stateload.go): then it has left out some, and there is
// a gap in what it keeps, or behind it. Whoever wants to know of messages that are
// gone is told of it in its place.

// behind is the number that comes behind a message of a run of which n are left.
func (m *mail) behind(msg *message, n int32) int32 {
	if after := msg.after(n); after != nil {
		return after.seq
	}
	return m.seq
}

// number is that of message k of the run, or the next one's behind it.
func (m *mail) number(k int32) int32 {
	for msg, n := m.msg, m.n; n > 0; msg, n, k = msg.after(n), n-1, k-1 {
		if k == 0 {
			return msg.seq
		}
	}
	return m.seq
}
