package broker

import (
	"sort"

	"ccomet/comet/internal/msg"
)

// markEvery is how many messages of a long history there are to a mark: as many are
// walked over at the most to find a place.
const markEvery = 64

// marks are places in a long history, so that finding one takes no walk along it: every
// markEvery-th message, in order, eight bytes each.
type marks struct {
	list []*msg.Message
	tail uint32 // messages behind the last mark
}

// mark counts a message that was put behind the others, and sets a mark where one is
// due.
func (h *history) mark(message *msg.Message) {
	if h.marks == nil {
		if h.N <= markEvery {
			return
		}
		h.marks = &marks{tail: markEvery - 1}
	}
	m := h.marks
	if m.tail++; m.tail == markEvery {
		m.list, m.tail = append(m.list, message), 0
	}
}

// unmark takes a mark away whose message has gone.
func (h *history) unmark() {
	if m := h.marks; m != nil && m.run(0).N > int(h.N) {
		m.list[0] = nil
		if m.list = m.list[1:]; len(m.list) == 0 {
			h.marks = nil
		}
	}
}

// from is what is kept from number seq on. Numbers wrap, so they are compared by
// signed difference.
func (h *history) from(seq int32) msg.Run {
	at := h.near(func(mark msg.Run) bool { return mark.First.Seq-seq > 0 })
	for at.N > 0 && at.First.Seq-seq < 0 {
		at = at.Rest()
	}
	return at
}

// latest is the last n messages, or all.
func (h *history) latest(n int) msg.Run {
	at := h.near(func(mark msg.Run) bool { return mark.N < n })
	for at.N > n {
		at = at.Rest()
	}
	return at
}

// near is what is kept from the last mark on that is not behind a place, which is nearer to
// it than the start; all, where there is no such mark.
func (h *history) near(isBehind func(mark msg.Run) bool) msg.Run {
	if m := h.marks; m != nil {
		if i := sort.Search(len(m.list), func(i int) bool { return isBehind(m.run(i)) }) - 1; i >= 0 {
			return m.run(i)
		}
	}
	return msg.Run{First: h.oldest(), N: int(h.N)}
}

// run is what is kept from a mark on.
func (m *marks) run(i int) msg.Run {
	return msg.Run{First: m.list[i], N: int(m.tail) + 1 + (len(m.list)-1-i)*markEvery}
}
