package broker

import (
	"sort"

	"ccomet/comet/internal/msg"
)

// markEvery is the number of messages between two marks. Finding a number visits at most as
// many messages.
const markEvery = 64

// marks are pointers into a long history, which make searches fast: one to every markEvery-th
// message, in order. A mark takes eight bytes.
type marks struct {
	list []*msg.Message
	tail uint32 // messages after the last mark
}

// mark counts an appended message, and sets a mark if one is due.
func (h *history) mark(message *msg.Message) {
	if h.marks == nil {
		if h.count <= markEvery {
			return
		}
		h.marks = &marks{tail: markEvery - 1}
	}
	m := h.marks
	if m.tail++; m.tail == markEvery {
		m.list, m.tail = append(m.list, message), 0
	}
}

// unmark removes the first mark if its message has been dropped.
func (h *history) unmark() {
	if m := h.marks; m != nil && m.run(0).N > int(h.count) {
		m.list[0] = nil
		if m.list = m.list[1:]; len(m.list) == 0 {
			h.marks = nil
		}
	}
}

// from returns the stored messages from number seq on. Numbers wrap around, so they are
// compared by signed difference.
func (h *history) from(seq int32) msg.Run {
	at := h.near(func(mark msg.Run) bool { return mark.First.Seq-seq > 0 })
	for at.N > 0 && at.First.Seq-seq < 0 {
		at = at.Rest()
	}
	return at
}

// latest returns the last n messages, or all if there are fewer.
func (h *history) latest(n int) msg.Run {
	at := h.near(func(mark msg.Run) bool { return mark.N < n })
	for at.N > n {
		at = at.Rest()
	}
	return at
}

// near returns the messages from the last mark for which isBehind is false, or all messages if
// there is no such mark.
func (h *history) near(isBehind func(mark msg.Run) bool) msg.Run {
	if m := h.marks; m != nil {
		if i := sort.Search(len(m.list), func(i int) bool { return isBehind(m.run(i)) }) - 1; i >= 0 {
			return m.run(i)
		}
	}
	return msg.Run{First: h.oldest(), N: int(h.count)}
}

// run returns the messages from mark i on.
func (m *marks) run(i int) msg.Run {
	return msg.Run{First: m.list[i], N: int(m.tail) + 1 + (len(m.list)-1-i)*markEvery}
}
