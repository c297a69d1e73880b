package comet

import "sort"

// markEvery is how many messages of a long history there are to a mark: as many are
// walked over at the most to find a place.
const markEvery = 64

// marks are places in a long history, so that finding one is no walk: every
// markEvery-th message, in order, eight bytes each.
type marks struct {
	list []*message
	tail uint32 // messages behind the last mark
}

// mark counts a message that was put behind the others, and sets a mark where one is
// due.
func (h *history) mark(msg *message) {
	if h.marks == nil {
		if h.n <= markEvery {
			return
		}
		h.marks = &marks{tail: markEvery - 1}
	}
	m := h.marks
	if m.tail++; m.tail == markEvery {
		m.list, m.tail = append(m.list, msg), 0
	}
}

// unmark takes a mark away whose message goes.
func (h *history) unmark(msg *message) {
	if m := h.marks; m != nil && m.list[0] == msg {
		m.list[0] = nil
		if m.list = m.list[1:]; len(m.list) == 0 {
			h.marks = nil
		}
	}
}

// from is what is kept from number seq on. Numbers wrap, so they are compared by
// signed difference.
func (h *history) from(seq int32) run {
	at := run{h.first, int(h.n)}
	if m := h.marks; m != nil {
		// The last mark that is not behind the place is nearer to it than the start.
		if i := sort.Search(len(m.list), func(i int) bool { return m.list[i].seq-seq > 0 }) - 1; i >= 0 {
			at = run{m.list[i], int(m.tail) + 1 + (len(m.list)-1-i)*markEvery}
		}
	}
	for at.n > 0 && at.first.seq-seq < 0 {
		if at.n--; at.n > 0 {
			at.first = at.first.next
		}
	}
	return at
}
