package hub

import (
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/record"
)

// writeOwn writes the messages that a subscriber lacks, if they look different for it: in
// a bundle, whose events have ids of their own; or with its channel's epoch.
func (h *Hub) writeOwn(p *pump, i uint32, from int) {
	b := &h.Batch
	h.resetFor(b, i)
	h.appendMessages(b, p.Msgs[from:p.round], h.Rosters.name(p.roster))
	h.writeBatch(i, h.Subs.At(i), b, 0)
}

// writeBatch writes a batch to a subscriber, from message index from on (-1: from the very
// beginning, head included). The first of these messages is the one that its cursor names.
// It returns how many messages are written or held. The subscription has ended if the last
// of them is a close.
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

// wroteShort leaves a subscriber behind whose write got as far as pos. But if what is held
// of the batch ends its subscription, while its connection continues, the subscription ends
// now: when the client has read that, its next request must find that it has left the
// channel.
func (h *Hub) wroteShort(i uint32, sub *Subscriber, b *frame.Batch, from, pos int) (messages int) {
	c := h.loop.ConnAt(sub.Conn)
	h.fallBehind(sub)
	if h.loop.Blocked(c) {
		// Something else is already stuck, so not even a head was written.
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

// noteTold records that a subscriber was sent its channel's epoch, if one of the first
// messages of a batch contains it.
func (h *Hub) noteTold(sub *Subscriber, b *frame.Batch, messages int) {
	if b.WasTold(messages) {
		sub.Flags &^= subTell
	}
}
