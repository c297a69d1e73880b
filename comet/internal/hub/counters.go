package hub

import (
	"ccomet/comet/internal/frame"
)

// What is counted where it changes (Tally): subscribers, those that are behind, messages
// that are lost.

// listensBy is where a subscriber counts: at its transport, of which a poll with a
// callback is one of its own.
func (h *Hub) listensBy(i uint32) frame.Transport {
	t := h.Subs.At(i).Transport
	if t == frame.Poll && h.Subs.At(h.Subs.owner(i)).hasCallback() {
		return frame.JSONP
	}
	return t
}

// fallBehind marks a subscriber that is to go on by catching up, notBehind one that
// does, or that has gone.
func (h *Hub) fallBehind(sub *Subscriber) {
	if !sub.Has(SubBehind) {
		sub.Flags |= SubBehind
		h.Tally.Behind++
	}
}

func (h *Hub) notBehind(sub *Subscriber) {
	if sub.Has(SubBehind) {
		sub.Flags &^= SubBehind
		h.Tally.Behind--
	}
}

// countLost counts the messages from a number on, up to the one before next, that a
// subscriber asked for and is not going to get. The numbers that a crash, or a log, has left out
// (StateGap, LogGap) count as one, because it is unknown how many messages were among them. A
// client that had some of those messages before the gap asks for a number in the gap,
// and lacks a little less than the whole of it.
func (h *Hub) countLost(from, next int32) {
	n := int64(next - from)
	if n <= 0 {
		return
	}
	if gap := h.totals.Gap; gap > 0 {
		gaps := (n + gap/2) / gap
		n = gaps + max(n-gaps*gap, 0)
	}
	h.Tally.lost += uint64(n)
}
