package broker

import (
	"slices"

	"ccomet/comet/internal/limit"
	"ccomet/comet/internal/msg"
)

// history is what a channel keeps for clients that come back: a run of messages,
// bounded in number and in bytes of memory. Channels without any have none of it.
type history struct {
	First, last *msg.Message
	Bytes       int
	N           uint32
	Shared      uint32 // of them share what they say with other channels
	marks       *marks // nil while it is short
	Free        uint32
}

// histories are a loop's, named by index; 0 is none. They hold pointers, to
// messages that loops share, so they live in the collector's heap; in chunks,
// so that growing copies none of them and leaves no garbage.
type histories struct {
	chunks []*[historyChunk]history
	Used   uint32  // indexes 1..used have been handed out
	Free   uint32  // head of the free list
	early  *early  // written for another program; nil: nothing is
	unread *unread // of places that another program has written; nil: there are none
}

const historyChunk = 256

func (t *histories) At(i uint32) *history {
	h := t.place(i)
	if t.unread != nil {
		t.unread.take(i, h)
	}
	return h
}

// place is a history whose messages may not have been made yet.
func (t *histories) place(i uint32) *history { return &t.chunks[i/historyChunk][i%historyChunk] }

func (t *histories) alloc() uint32 {
	i := t.Free
	if i != 0 {
		t.Free = t.At(i).Free
	} else {
		t.Used++
		if i = t.Used; int(i/historyChunk) == len(t.chunks) {
			t.chunks = append(t.chunks, new([historyChunk]history))
		}
	}
	*t.At(i) = history{}
	return i
}

func (t *histories) drop(i uint32) {
	*t.At(i) = history{Free: t.Free}
	t.Free = i
}

// keep appends a message to its channel's history and lets go of the oldest
// ones that are too many.
func (b *Broker) keep(i uint32, message *msg.Message) {
	cfg, ch := b.cfg, b.channels.At(i)
	if cfg.ChannelBufferSize == 0 || message.Size() > cfg.ChannelBufferBytes {
		b.dropHistory(ch)
		return
	}
	if ch.history == 0 {
		ch.history = b.histories.alloc()
	}
	h := b.histories.At(ch.history)
	b.put(h, message)
	for int(h.N) > cfg.ChannelBufferSize || h.Bytes > cfg.ChannelBufferBytes {
		b.dropOldest(h)
	}
	if share := cfg.MaxHistoryBytes / cfg.Loops; b.historyBytes > share {
		b.totals.HitLimit(limit.History, cfg.MaxHistoryBytes, b.loop.Now())
		b.shedHistory(i, share)
	}
}

// put puts a message behind those that are kept.
func (b *Broker) put(h *history, message *msg.Message) {
	if h.N == 0 {
		h.First = message
	} else {
		h.last.Next = message
	}
	h.last = message
	b.count(h, message)
	h.mark(message)
}

// count counts a message more.
func (b *Broker) count(h *history, message *msg.Message) {
	h.N++
	h.Bytes += message.Size()
	b.historyBytes += message.Size()
	b.historyMessages++
	if sharing := message.Shared(); sharing != nil {
		h.Shared++
		if sharing.Kept++; sharing.Kept == 1 {
			b.historyBytes += cap(sharing.Content())
		}
	}
}

func (b *Broker) dropOldest(h *history) {
	h.Bytes -= h.First.Size()
	b.historyBytes -= h.First.Size()
	if sharing := h.First.Shared(); sharing != nil {
		h.Shared--
		b.unshare(sharing)
	}
	h.unmark(h.First)
	h.First = h.First.Next
	h.N--
	b.historyMessages--
}

// shedLook is how many channels are looked at, for each message, for history that
// may go.
const shedLook = 32

// shedHistory brings what this loop's channels keep under its share of the
// ceiling. What is beyond HistoryMinimum goes first, of whichever channel comes
// next; where that is not enough at once, the channel that was published to keeps
// less, at the worst nothing.
func (b *Broker) shedHistory(of uint32, share int) {
	for range shedLook {
		if b.historyBytes <= share {
			return
		}
		if b.historyHand++; b.historyHand > b.channels.Used() {
			b.historyHand = 1
		}
		if other := b.historyHand; b.channels.At(other).state != channelFree && other != of {
			b.keepLess(other, share)
		}
	}
	b.keepLess(of, share)
	if b.historyBytes > share {
		b.dropHistory(b.channels.At(of))
	}
}

// keepLess lets go of what a channel keeps beyond the minimum, as far as needed.
func (b *Broker) keepLess(i uint32, share int) {
	ch := b.channels.At(i)
	if ch.history == 0 {
		return
	}
	if b.remote != nil {
		b.remote.attached.At(i).state &^= whole // a log beyond the loops may keep it
	}
	for h := b.histories.At(ch.history); int(h.N) > b.cfg.HistoryMinimum && b.historyBytes > share; {
		b.dropOldest(h)
	}
}

// keepBefore puts messages before those that a channel keeps, in this order: as many of the
// last of them as there is room for.
func (b *Broker) keepBefore(i uint32, older []*msg.Message) {
	cfg, ch := b.cfg, b.channels.At(i)
	if ch.history == 0 {
		for _, message := range older {
			b.keep(i, message)
		}
		return
	}
	h := b.histories.At(ch.history)
	for _, message := range slices.Backward(older) {
		size := message.Size()
		if int(h.N) >= cfg.ChannelBufferSize || h.Bytes+size > cfg.ChannelBufferBytes || b.historyBytes+size > cfg.MaxHistoryBytes/cfg.Loops {
			return
		}
		message.Next = h.First
		h.First = message
		b.count(h, message)
	}
}

// from returns the messages kept from number seq on, and the number of the
// first that is there (the next number, if none is).
func (b *Broker) from(ch *Channel, seq int32) (msg.Run, int32) {
	if ch.history == 0 {
		return msg.Run{}, ch.Next
	}
	kept := b.histories.At(ch.history).from(seq)
	if kept.N == 0 {
		return msg.Run{}, ch.Next
	}
	return kept, kept.First.Seq
}

// oldest is the number of the oldest message kept, the next one's if there is
// none.
func (b *Broker) oldest(ch *Channel) int32 {
	if ch.history == 0 {
		return ch.Next
	}
	return b.histories.At(ch.history).First.Seq
}

// dropHistory forgets what a channel keeps.
func (b *Broker) dropHistory(ch *Channel) {
	if ch.history != 0 {
		h := b.histories.At(ch.history)
		for message, n := h.First, h.Shared; n > 0; message = message.Next {
			if sharing := message.Shared(); sharing != nil {
				b.unshare(sharing)
				n--
			}
		}
		b.historyBytes -= h.Bytes
		b.historyMessages -= int(h.N)
		b.histories.drop(ch.history)
		ch.history = 0
	}
}

// unshare takes a message that goes off those that share what it says.
func (b *Broker) unshare(sharing *msg.Sharing) {
	if sharing.Kept--; sharing.Kept == 0 {
		b.historyBytes -= cap(sharing.Content())
	}
}
