package hub

import (
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/record"
)

// A cluster's log may leave out numbers of a live channel, if it cannot tell which messages it
// has lost. A round of a pump ends before such a gap, so that a gap is always before the first
// message of a round. A subscriber whose cursor is before that message has lost what was in the
// gap, if anything. That is counted, the client is told if it asked for that, and it goes on
// after the gap.

// deliverBehindGap gives a round to a subscriber whose cursor is in the gap before it.
func (k *pumps) deliverBehindGap(p *pump, i uint32) {
	sub, first := k.Subs.At(i), p.Msgs[0].Seq
	lost := sub.Cursor
	k.countLost(lost, first)
	sub.Cursor = first
	if !sub.Has(SubSayLost) {
		k.deliver(p, i, 0)
		return
	}
	k.Tally.Delivered += uint64(p.round)
	cname := k.Rosters.name(p.roster)
	if sub.poll() {
		tell := k.tellOf(i)
		body := record.TellLast(frame.AppendSpan(append(k.Object[:0], '['), cname, lost, first), tell)
		at := len(body)
		body = frame.AppendPollBody(body, k.fitPoll(p.Msgs[:p.round], cname), cname, true, record.EpochNone)
		body[at] = ','
		k.Object = body
		k.Scratch = k.appendPollResponse(k.Scratch[:0], k.Subs.At(k.Subs.owner(i)), body)
		k.finishPoll(i, k.Scratch)
		return
	}
	b := &k.Batch
	k.resetFor(b, i)
	k.Object = frame.AppendSpan(k.Object[:0], cname, lost, first)
	b.AppendPreface(k.Object, first-1)
	k.appendMessages(b, p.Msgs[:p.round], cname)
	k.writeBatch(i, sub, b, -1)
}

// appendMessages renders consecutive messages.
func (h *Hub) appendMessages(b *frame.Batch, msgs []*msg.Message, cname []byte) {
	for _, message := range msgs {
		b.Append(message, cname)
	}
}
