package hub

import (
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/record"
)

// writeOwn writes what it lacks to a subscriber to which that is not what it is to
// others: in a bundle, whose events' ids are its own; with its channel's epoch.
func (h *Hub) writeOwn(p *pump, i uint32, from int) {
	b := &h.Batch
	h.resetFor(b, i)
	for _, message := range p.Msgs[from:p.round] {
		b.Append(message, h.rosterName(p.roster))
	}
	h.writeBatch(i, h.Subs.At(i), b, 0)
}

// writeBatch writes a batch to a subscriber from message index from on (-1:
// from the very beginning, head included), of which the first is the one its
// cursor names.
func (h *Hub) writeBatch(i uint32, sub *Subscriber, b *frame.Batch, from int) {
	start := b.Start(from)
	n, err := h.Sockets().write(sub, b.Buf[start:])
	switch {
	case err != nil: // the loop reports it to Closed
	case start+n < len(b.Buf):
		h.wroteShort(sub, b, from, start+n)
	default:
		sub.Cursor += int32(len(b.Ends) - max(from, 0))
		h.noteTold(sub, b, len(b.Ends))
		if b.Closes {
			h.endOne(i, h.loop.ConnAt(sub.Conn), record.EpochClosed)
		}
	}
}

// wroteShort leaves a subscriber behind whose write got as far as pos.
func (h *Hub) wroteShort(sub *Subscriber, b *frame.Batch, from, pos int) {
	c := h.loop.ConnAt(sub.Conn)
	h.fallBehind(sub)
	if h.loop.Blocked(c) {
		// Something else is stuck already, so not even a head could go.
		if from < 0 {
			_ = h.loop.Write(c, b.Buf[:b.Head])
			h.noteTold(sub, b, 0)
		}
		return
	}
	framed, at, through := b.Rest(pos, h.LastHeldFrame)
	sub.Cursor += int32(through - max(from, 0))
	h.noteTold(sub, b, through)
	h.LastHeldFrame = framed
	h.loop.Hold(c, framed, at)
	h.loop.SetTimer(c, h.loop.WriteTime(c))
}

// noteTold notes that a subscriber has been sent its channel's epoch, if so many messages
// of a batch carry it.
func (h *Hub) noteTold(sub *Subscriber, b *frame.Batch, messages int) {
	if b.WasTold(messages) {
		sub.Flags &^= subTell
	}
}
