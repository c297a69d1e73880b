package msg

// Unbroken returns how many messages, from the first on, have consecutive numbers. next
// is the number after the last.
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

// Slice returns the first messages of a run: as many as fit into most bytes, if each
// takes room bytes and its content; at least one, if there are any.
func (r Run) Slice(most, room int) Run {
	size := 0
	for msg, at := r.First, 0; at < r.N; msg, at = msg.Next(), at+1 {
		if size += msg.Len() + room; size > most && at > 0 {
			return Run{r.First, at}
		}
	}
	return r
}

// Fit returns the last messages of a run: as many as fit into most bytes, if each takes
// room bytes and its content; at least one, if there are any.
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

// Rest returns a run without its first message. It reads nothing after the last.
func (r Run) Rest() Run {
	if r.N--; r.N > 0 {
		r.First = r.First.Next()
	}
	return r
}

// Behind returns the message after a run. There must be one.
func (r Run) Behind() *Message {
	msg := r.First
	for range r.N {
		msg = msg.Next()
	}
	return msg
}

// Run is N consecutive messages of a history, from First on.
type Run struct {
	First *Message
	N     int
}
