package comet

// What a channel keeps has consecutive numbers, but where its server has crashed
// and it comes from a file (stateload.go): then it has left out some, and there is
// a gap in what it keeps, or behind it. Whoever wants to know of messages that are
// gone is told of it in its place.

// unbroken counts the messages from the first on that follow each other, where
// next comes behind the last.
func (r run) unbroken(next int32) int32 {
	n := int32(r.n)
	if n == 0 || r.first.seq+n == next {
		return n
	}
	for msg, at := r.first, int32(1); at < n; at++ {
		if msg.next.seq != msg.seq+1 {
			return at
		}
		msg = msg.next
	}
	return n
}

// slice is the first messages of a run, up to so many bytes when each takes room
// beside its content; one, if there are any.
func (r run) slice(most, room int) run {
	size := 0
	for msg, at := r.first, 0; at < r.n; msg, at = msg.next, at+1 {
		if size += len(msg.content) + room; size > most && at > 0 {
			return run{r.first, at}
		}
	}
	return r
}

// behind is the message that comes behind a run that is not the last.
func (r run) behind() *message {
	msg := r.first
	for range r.n {
		msg = msg.next
	}
	return msg
}

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
