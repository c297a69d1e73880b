package broker

import (
	"slices"
	"unsafe"

	"ccomet/comet/internal/limit"
	"ccomet/comet/internal/msg"
)

// history is the buffer of a channel for clients that reconnect: its last messages, bounded in
// number and in bytes of memory. A channel without messages has no history.
//
// The oldest message is dropped without reading it, since it is in no cache any more: gone
// counts the dropped messages of the first block, and the block is freed with its last message.
type history struct {
	first, last *msg.Message // first is the beginning of its block
	gone        uint8        // dropped messages of that block
	inFirst     uint8        // how many messages it has; 0: it is also the last block, which can still grow
	written     uint16       // the attempt to hand over that has written this state (early.go); 0: none
	free        uint32
	count       uint32
	shared      uint32 // how many share their content with other channels
	bytes       int    // of their blocks
	marks       *marks // nil while it is short
}

var _ [48]byte = [unsafe.Sizeof(history{})]byte{}

// oldest returns the oldest message; nil if there is none.
func (h *history) oldest() *msg.Message {
	message := h.first
	for range h.gone {
		message = message.Next()
	}
	return message
}

// histories holds the histories of a loop, by index; 0 means none. They have pointers to
// messages that loops share, so they are in the garbage collector's heap. They are in chunks,
// so that growing copies none of them and leaves no garbage.
type histories struct {
	cfg      *Config
	totals   *limit.Totals
	channels *channels
	short    func(channel uint32) // called if it keeps less than its own bounds allow; may be nil

	chunks   []*[historyChunk]history
	used     uint32 // indexes 1..used have been allocated
	freeList uint32 // head of the free list
	bytes    int    // of all histories
	messages int
	spares   msg.Spares
	hand     uint32 // the channel at which shed looked last

	early    *early  // being written for another program; nil: none
	attempts uint16  // how many attempts to write it have begun
	unread   *unread // histories that another program has written and that have not been read; their chunks may be nil. nil: none
}

const historyChunk = 256

func (t *histories) open(cfg *Config, totals *limit.Totals, of *channels) {
	t.cfg, t.totals, t.channels = cfg, totals, of
}

func (t *histories) At(i uint32) *history {
	if t.unread != nil {
		t.unread.take(i)
	}
	return &t.chunks[i/historyChunk][i%historyChunk]
}

func (t *histories) alloc() uint32 {
	i := t.freeList
	if i != 0 {
		t.freeList = t.At(i).free
	} else {
		t.used++
		if i = t.used; int(i/historyChunk) == len(t.chunks) {
			t.chunks = append(t.chunks, new([historyChunk]history))
		}
	}
	*t.At(i) = history{}
	return i
}

func (t *histories) free(i uint32) {
	*t.At(i) = history{free: t.freeList}
	t.freeList = i
}

// keep appends a message to its channel's history, and drops the oldest messages that exceed
// the bounds.
func (t *histories) keep(i uint32, message *msg.Message) {
	cfg, ch := t.cfg, t.channels.At(i)
	if cfg.ChannelBufferSize == 0 || message.Size() > cfg.ChannelBufferBytes {
		t.drop(ch)
		return
	}
	if ch.history == 0 {
		ch.history = t.alloc()
	}
	h := t.At(ch.history)
	t.put(h, message)
	for int(h.count) > cfg.ChannelBufferSize || h.bytes > cfg.ChannelBufferBytes {
		t.dropOldest(h)
	}
	share := cfg.MaxHistoryBytes / cfg.Loops
	t.spares.Limit(share - t.bytes)
	if t.bytes > share {
		t.totals.HitLimit(limit.History, cfg.MaxHistoryBytes, t.channels.loop.Now())
		t.shed(i, share)
	}
}

// newMessage makes a message of a channel. It must be the next one that is kept, if it is kept
// at all.
func (t *histories) newMessage(ch *Channel, k msg.Kind, seq int32, content []byte) *msg.Message {
	if ch.history == 0 || k == msg.JoinNotice {
		return msg.New(k, seq, content)
	}
	return t.behind(t.At(ch.history), k, seq, content)
}

// behind makes a message of a channel that has a history; it must be put next. A block has at
// most an eighth of the history, so that dropped messages keep little memory alive.
func (t *histories) behind(h *history, k msg.Kind, seq int32, content []byte) *msg.Message {
	return t.spares.Behind(h.last, int(h.count/8), h.bytes/8, k, seq, content)
}

// near reads the memory that publishing the next message to a channel will read, so that it is
// in the processor's cache. The result has no meaning.
func (t *histories) near(ch *Channel) uint8 {
	if ch.history == 0 || t.unread != nil {
		return 0
	}
	h := t.At(ch.history)
	switch {
	case h.count == 0:
		return 0
	case h.gone+1 == h.inFirst: // dropping the oldest message will free its block
		return h.last.NearBehind() + h.first.NearFollowing()
	}
	return h.last.NearBehind()
}

// put appends a message.
func (t *histories) put(h *history, message *msg.Message) {
	switch {
	case h.count == 0:
		h.first = message
	case !message.Beside(h.last):
		if h.inFirst == 0 {
			h.inFirst = h.last.Together()
		}
		h.last.Link(message)
	}
	h.last = message
	t.count(h, message)
	h.mark(message)
}

// count adds a message to the counters.
func (t *histories) count(h *history, message *msg.Message) {
	h.count++
	h.written = 0
	t.messages++
	if message.Begins() {
		h.bytes += message.BlockSize()
		t.bytes += message.BlockSize()
	}
	if sharing := message.Shared(); sharing != nil {
		h.shared++
		if sharing.Kept++; sharing.Kept == 1 {
			t.bytes += cap(sharing.Content())
		}
	}
}

func (t *histories) dropOldest(h *history) {
	if h.shared > 0 {
		if sharing := h.oldest().Shared(); sharing != nil {
			h.shared--
			t.unshare(sharing)
		}
	}
	h.count--
	h.written = 0
	h.gone++
	h.unmark()
	t.messages--
	if h.count == 0 || h.gone == h.inFirst {
		t.dropBlock(h)
	}
}

// dropBlock frees the first block, whose messages have all been dropped.
func (t *histories) dropBlock(h *history) {
	first, size := h.first, h.first.BlockSize()
	h.bytes -= size
	t.bytes -= size
	h.gone, h.inFirst = 0, 0
	if h.count == 0 {
		h.first, h.last = nil, nil
	} else if h.first = first.Following(); !h.first.Beside(h.last) {
		h.inFirst = h.first.Together()
	}
	t.spares.Put(first)
	t.limitSpares()
}

// limitSpares limits the spare blocks to an eighth of the memory of the histories.
func (t *histories) limitSpares() { t.spares.Limit(t.bytes / 8) }

// shedLook is how many channels shed looks at for each message.
const shedLook = 32

// shed reduces the histories of this loop to its share of MaxHistoryBytes. First it drops the
// messages beyond HistoryMinimum of the next channels in turn. If that is not enough, the
// channel that was published to loses messages, if need be all.
func (t *histories) shed(of uint32, share int) {
	for range shedLook {
		if t.bytes <= share {
			return
		}
		if t.hand++; t.hand > t.channels.Used() {
			t.hand = 1
		}
		if other := t.hand; t.channels.At(other).state != channelFree && other != of {
			t.keepLess(other, share)
		}
	}
	t.keepLess(of, share)
	if t.bytes > share {
		t.drop(t.channels.At(of))
	}
}

// keepLess drops the messages of a channel beyond the minimum, as far as necessary.
func (t *histories) keepLess(i uint32, share int) {
	ch := t.channels.At(i)
	if ch.history == 0 {
		return
	}
	if t.short != nil {
		t.short(i)
	}
	for h := t.At(ch.history); int(h.count) > t.cfg.HistoryMinimum && t.bytes > share; {
		t.dropOldest(h)
	}
}

// keepBefore puts messages, in this order, before those of a channel. If there is not enough
// room, it leaves out the oldest.
func (t *histories) keepBefore(i uint32, older []*msg.Message) {
	cfg, ch := t.cfg, t.channels.At(i)
	if ch.history == 0 {
		for _, message := range older {
			t.keep(i, message)
		}
		return
	}
	h := t.At(ch.history)
	if h.gone > 0 {
		return // it has dropped them
	}
	for _, message := range slices.Backward(older) {
		size := message.Size()
		if int(h.count) >= cfg.ChannelBufferSize || h.bytes+size > cfg.ChannelBufferBytes || t.bytes+size > cfg.MaxHistoryBytes/cfg.Loops {
			return
		}
		message.Link(h.first)
		h.first, h.inFirst = message, 1
		t.count(h, message)
	}
}

// from returns the messages from number seq on, and the number of the first of them; without
// any, the next number.
func (t *histories) from(ch *Channel, seq int32) (msg.Run, int32) {
	if ch.history == 0 {
		return msg.Run{}, ch.Next
	}
	kept := t.At(ch.history).from(seq)
	if kept.N == 0 {
		return msg.Run{}, ch.Next
	}
	return kept, kept.First.Seq
}

// kept returns the size of a channel's history.
func (t *histories) kept(ch *Channel) (messages, bytes int) {
	if ch.history == 0 {
		return 0, 0
	}
	h := t.At(ch.history)
	return int(h.count), h.bytes
}

// oldest returns the number of the oldest message; without any, the next number.
func (t *histories) oldest(ch *Channel) int32 {
	if ch.history == 0 {
		return ch.Next
	}
	return t.At(ch.history).oldest().Seq
}

// dropBefore drops the messages of a channel below number seq.
func (t *histories) dropBefore(ch *Channel, seq int32) {
	for t.oldest(ch)-seq < 0 {
		h := t.At(ch.history)
		if h.count == 1 {
			t.drop(ch)
			return
		}
		t.dropOldest(h)
	}
}

// drop drops all messages of a channel.
func (t *histories) drop(ch *Channel) {
	if ch.history != 0 {
		h := t.At(ch.history)
		for message, n := h.oldest(), h.shared; n > 0; message = message.Next() {
			if sharing := message.Shared(); sharing != nil {
				t.unshare(sharing)
				n--
			}
		}
		t.bytes -= h.bytes
		t.messages -= int(h.count)
		t.free(ch.history)
		ch.history = 0
		t.limitSpares()
	}
}

// unshare removes a message from those that share a content.
func (t *histories) unshare(sharing *msg.Sharing) {
	if sharing.Kept--; sharing.Kept == 0 {
		t.bytes -= cap(sharing.Content())
	}
}
