package hub

import (
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/record"
)

// A log beyond the loops may leave out numbers of a channel that lives, where it cannot tell
// which messages it has lost. A round of a pump has none of its messages behind such a gap, so
// that the gap is before its first. A subscriber whose cursor is before it has lost what was
// there, if anything was: that is counted, the client is sent that it is gone where it asked to
// be, and it goes on behind it.

// deliverBehindGap gives a round to a subscriber whose cursor is in the gap before it.
func (h *Hub) deliverBehindGap(p *pump, i uint32) {
	sub, first := h.Subs.At(i), p.Msgs[0].Seq
	lost := sub.Cursor
	h.countLost(lost, first)
	sub.Cursor = first
	if !sub.Has(SubSayLost) {
		h.deliver(p, i, 0)
		return
	}
	h.Tally.Delivered += uint64(p.round)
	cname := h.rosterName(p.roster)
	if sub.poll() {
		tell := h.tellOf(i)
		body := record.TellLast(frame.AppendSpan(append(h.Object[:0], '['), cname, lost, first), tell)
		at := len(body)
		body = frame.AppendPollBody(body, h.fitPoll(p.Msgs[:p.round], cname), cname, true, record.EpochNone)
		body[at] = ','
		h.Object = body
		h.Scratch = h.appendPollResponse(h.Scratch[:0], h.Subs.At(h.owner(i)), body)
		h.finishPoll(i, h.Scratch)
		return
	}
	b := &h.Batch
	h.resetFor(b, i)
	h.Object = frame.AppendSpan(h.Object[:0], cname, lost, first)
	b.AppendPreface(h.Object, first-1)
	h.appendMessages(b, p.Msgs[:p.round], cname)
	h.writeBatch(i, sub, b, -1)
}

// appendMessages renders messages that follow each other.
func (h *Hub) appendMessages(b *frame.Batch, msgs []*msg.Message, cname []byte) {
	for _, message := range msgs {
		b.Append(message, cname)
	}
}
