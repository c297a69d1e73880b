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
	h.appendMessages(b, p.Msgs[from:p.round], h.Rosters.name(p.roster))
	h.writeBatch(i, h.Subs.At(i), b, 0)
}

// writeBatch writes a batch to a subscriber from message index from on (-1:
// from the very beginning, head included), of which the first is the one its
// cursor names. It returns how many messages are written, or held to be. The
// subscription has ended if the last of them is a close.
func (h *Hub) writeBatch(i uint32, sub *Subscriber, b *frame.Batch, from int) (messages int) {
	start := b.Start(from)
	n, err := h.Sockets.write(sub, b.Buf[start:])
	switch {
	case err != nil: // the loop reports it to Closed
		return 0
	case start+n < len(b.Buf):
		return h.wroteShort(i, sub, b, from, start+n)
	}
	messages = len(b.Ends) - max(from, 0)
	sub.Cursor += int32(messages)
	h.noteTold(sub, b, len(b.Ends))
	if b.Closes {
		h.endOne(i, h.loop.ConnAt(sub.Conn), record.EpochClosed)
	}
	return messages
}

// wroteShort leaves a subscriber behind whose write got as far as pos, unless what is held
// of the batch ends its subscription, and its connection goes on: the client knows when it
// has read that, and what it asks for next must find the channel left.
func (h *Hub) wroteShort(i uint32, sub *Subscriber, b *frame.Batch, from, pos int) (messages int) {
	c := h.loop.ConnAt(sub.Conn)
	h.fallBehind(sub)
	if h.loop.Blocked(c) {
		// Something else is stuck already, so not even a head could go.
		if from < 0 {
			_ = h.loop.Write(c, b.Buf[:b.Head])
			h.noteTold(sub, b, 0)
		}
		return 0
	}
	framed, at, through := b.Rest(pos, h.Pumps.LastHeldFrame)
	messages = through - max(from, 0)
	sub.Cursor += int32(messages)
	h.noteTold(sub, b, through)
	h.Pumps.LastHeldFrame = framed
	h.loop.Hold(c, framed, at)
	h.loop.SetTimer(c, h.loop.WriteTime(c))
	if b.Closes && through == len(b.Ends) && (sub.socket() || !h.Subs.endsWith(i)) {
		h.endOne(i, c, record.EpochClosed)
	}
	return messages
}

// noteTold notes that a subscriber has been sent its channel's epoch, if so many messages
// of a batch carry it.
func (h *Hub) noteTold(sub *Subscriber, b *frame.Batch, messages int) {
	if b.WasTold(messages) {
		sub.Flags &^= subTell
	}
}
