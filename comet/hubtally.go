package comet

// What is counted where it changes (Tally): what connections do, who listens, who is
// behind, what is lost.

// listensBy is where a subscriber counts: at its transport, of which a poll with a
// callback is one of its own.
func (h *hub) listensBy(i uint32) transport {
	t := h.subs.At(i).transport
	if t == transportPoll && h.subs.At(h.owner(i)).cbLen != 0 {
		return listenJSONP
	}
	return t
}

// fallBehind marks a subscriber that is to go on by catching up, notBehind one that
// does, or that has gone.
func (h *hub) fallBehind(sub *subscriber) {
	if !sub.has(subBehind) {
		sub.flags |= subBehind
		h.tally.behind++
	}
}

func (h *hub) notBehind(sub *subscriber) {
	if sub.has(subBehind) {
		sub.flags &^= subBehind
		h.tally.behind--
	}
}

// lose counts the messages from a number on, up to the one before next, that a
// subscriber wanted and is not going to get. The numbers that a crash has left out
// (StateGap) count as one: how many messages were among them, nobody knows. Who had
// some of those messages before the crash wants a number in the gap, and lacks a little
// less than the whole of it.
func (h *hub) lose(from, next int32) {
	n := int64(next - from)
	if n <= 0 {
		return
	}
	if h.totals.gapped {
		gaps := (n + StateGap/2) / StateGap
		n = gaps + max(n-gaps*StateGap, 0)
	}
	h.tally.lost += uint64(n)
}
