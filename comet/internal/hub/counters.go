package hub

import (
	"ccomet/comet/internal/frame"
)

// Counters that are updated where things change (Tally): subscribers, those that are behind, and
// lost messages.

// listensBy returns the transport under which a subscriber counts. A poll with a callback has
// one of its own.
func (h *Hub) listensBy(i uint32) frame.Transport {
	t := h.Subs.At(i).Transport
	if t == frame.Poll && h.Subs.At(h.Subs.owner(i)).hasCallback() {
		return frame.JSONP
	}
	return t
}

// fallBehind marks a subscriber that must catch up; notBehind unmarks one that does, or that has
// gone.
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

// countLost counts the messages from number from up to next-1, which a subscriber asked for and
// will not get. The numbers that a crash, or a log, has left out (StateGap, LogGap) count as
// one, because it is unknown how many messages were among them. A client that got some of those
// messages before the crash asks for a number in the gap, and lacks a little less than the whole
// gap.
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
