package msg

// Unbroken counts the messages from the first on that follow each other, where
// next comes behind the last.
func (r Run) Unbroken(next int32) int32 {
	n := int32(r.N)
	if n == 0 || r.First.Seq+n == next {
		return n
	}
	for msg, at := r.First, int32(1); at < n; at++ {
		if msg.Next().Seq != msg.Seq+1 {
			return at
		}
		msg = msg.Next()
	}
	return n
}

// Slice is the first messages of a run, up to so many bytes when each takes room
// beside its content; one, if there are any.
func (r Run) Slice(most, room int) Run {
	size := 0
	for msg, at := r.First, 0; at < r.N; msg, at = msg.Next(), at+1 {
		if size += msg.Len() + room; size > most && at > 0 {
			return Run{r.First, at}
		}
	}
	return r
}

// Fit is the last messages of a run, up to so many bytes when each takes room beside its
// content; one, if there are any.
func (r Run) Fit(most, room int) Run {
	size := 0
	for msg, at := r.First, 0; at < r.N; msg, at = msg.Next(), at+1 {
		size += msg.Len() + room
	}
	for size > most && r.N > 1 {
		size -= r.First.Len() + room
		r = r.Rest()
	}
	return r
}

// Rest is a run without its first message. What is behind the last is not read.
func (r Run) Rest() Run {
	if r.N--; r.N > 0 {
		r.First = r.First.Next()
	}
	return r
}

// Behind is the message that comes behind a run that is not the last.
func (r Run) Behind() *Message {
	msg := r.First
	for range r.N {
		msg = msg.Next()
	}
	return msg
}

// Run is n messages from first on.
type Run struct {
	First *Message
	N     int
}
