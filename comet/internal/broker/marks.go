package broker

import (
	"ccomet/comet/internal/msg"
	"sort"
)

// MarkEvery is how many messages of a long history there are to a mark: as many are
// walked over at the most to find a place.
const MarkEvery = 64

// marks are places in a long history, so that finding one takes no walk along it: every
// markEvery-th message, in order, eight bytes each.
type marks struct {
	List []*msg.Message
	tail uint32 // messages behind the last mark
}

// mark counts a message that was put behind the others, and sets a mark where one is
// due.
func (h *history) mark(message *msg.Message) {
	if h.Marks == nil {
		if h.N <= MarkEvery {
			return
		}
		h.Marks = &marks{tail: MarkEvery - 1}
	}
	m := h.Marks
	if m.tail++; m.tail == MarkEvery {
		m.List, m.tail = append(m.List, message), 0
	}
}

// unmark takes a mark away whose message goes.
func (h *history) unmark(message *msg.Message) {
	if m := h.Marks; m != nil && m.List[0] == message {
		m.List[0] = nil
		if m.List = m.List[1:]; len(m.List) == 0 {
			h.Marks = nil
		}
	}
}

// From is what is kept from number seq on. Numbers wrap, so they are compared by
// signed difference.
func (h *history) From(seq int32) msg.Run {
	at := msg.Run{First: h.First, N: int(h.N)}
	if m := h.Marks; m != nil {
		// The last mark that is not behind the place is nearer to it than the start.
		if i := sort.Search(len(m.List), func(i int) bool { return m.List[i].Seq-seq > 0 }) - 1; i >= 0 {
			at = msg.Run{First: m.List[i], N: int(m.tail) + 1 + (len(m.List)-1-i)*MarkEvery}
		}
	}
	for at.N > 0 && at.First.Seq-seq < 0 {
		if at.N--; at.N > 0 {
			at.First = at.First.Next
		}
	}
	return at
}
