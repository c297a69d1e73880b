package comet

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

// run is n messages from first on.
type run struct {
	first *message
	n     int
}
