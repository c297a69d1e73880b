package broker

import (
	"slices"
	"unsafe"

	"ccomet/comet/internal/limit"
	"ccomet/comet/internal/msg"
)

// history is what a channel keeps for clients that come back: a run of messages,
// bounded in number and in bytes of memory. Channels without any have none of it.
//
// The oldest is let go of without a look at it, which is in no cache any more: of the first
// block it is counted how many messages have gone, and the block goes with its last one.
type history struct {
	first, last *msg.Message // first begins its block
	gone        uint8        // messages of that block
	inFirst     uint8        // that it has; 0: it is the last block as well, which is not full
	written     uint16       // the attempt to hand it over in which it was written as it is (early.go); 0: none
	free        uint32
	count       uint32
	shared      uint32 // of them share what they say with other channels
	bytes       int    // of their blocks
	marks       *marks // nil while it is short
}

var _ [48]byte = [unsafe.Sizeof(history{})]byte{}

// oldest is the first message that is kept; nil: there is none.
func (h *history) oldest() *msg.Message {
	message := h.first
	for range h.gone {
		message = message.Next()
	}
	return message
}

// histories are a loop's, named by index; 0 is none. They hold pointers, to
// messages that loops share, so they live in the collector's heap; in chunks,
// so that growing copies none of them and leaves no garbage.
type histories struct {
	cfg      *Config
	totals   *limit.Totals
	channels *channels
	short    func(channel uint32) // called where it keeps less than its own bounds allow; nil: none asks

	chunks   []*[historyChunk]history
	used     uint32 // indexes 1..used have been handed out
	freeList uint32 // head of the free list
	bytes    int    // of what all of them keep
	messages int
	spares   msg.Spares
	hand     uint32 // the channel that was last looked at for messages to let go of

	early    *early  // written for another program; nil: nothing is
	attempts uint16  // to write it, that have begun
	unread   *unread // of places that another program has written, whose chunks may be nil; nil: there are none
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

// keep appends a message to its channel's history and lets go of the oldest
// ones that are too many.
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

// newMessage makes a message of a channel, which is to be kept next if it is at all.
func (t *histories) newMessage(ch *Channel, k msg.Kind, seq int32, content []byte) *msg.Message {
	if ch.history == 0 || k == msg.JoinNotice {
		return msg.New(k, seq, content)
	}
	return t.behind(t.At(ch.history), k, seq, content)
}

// behind makes a message of a channel that has a history, which is to be put next. A block has
// an eighth of what is kept at the most, so that little is alive that has gone.
func (t *histories) behind(h *history, k msg.Kind, seq int32, content []byte) *msg.Message {
	return t.spares.Behind(h.last, int(h.count/8), h.bytes/8, k, seq, content)
}

// near reads what will be read for another message of a channel, so that it is in the
// processor's cache then. What it returns says nothing.
func (t *histories) near(ch *Channel) uint8 {
	if ch.history == 0 || t.unread != nil {
		return 0
	}
	h := t.At(ch.history)
	switch {
	case h.count == 0:
		return 0
	case h.gone+1 == h.inFirst: // with the oldest its block will go
		return h.last.NearBehind() + h.first.NearFollowing()
	}
	return h.last.NearBehind()
}

// put puts a message behind those that are kept.
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

// count counts a message more.
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

// dropBlock lets go of the first block, all of whose messages have gone.
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

// limitSpares has the blocks that are to be used again take an eighth of what is kept at the most.
func (t *histories) limitSpares() { t.spares.Limit(t.bytes / 8) }

// shedLook is how many channels are looked at, for each message, for history that
// may go.
const shedLook = 32

// shed brings what this loop's channels keep under its share of the
// ceiling. What is beyond HistoryMinimum goes first, of whichever channel comes
// next; where that is not enough at once, the channel that was published to keeps
// less, at the worst nothing.
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

// keepLess lets go of what a channel keeps beyond the minimum, as far as needed.
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

// keepBefore puts messages before those that a channel keeps, in this order: as many of the
// last of them as there is room for.
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
		return // it has let go of them
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

// from returns the messages kept from number seq on, and the number of the
// first that is there (the next number, if none is).
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

// kept is how much a channel keeps.
func (t *histories) kept(ch *Channel) (messages, bytes int) {
	if ch.history == 0 {
		return 0, 0
	}
	h := t.At(ch.history)
	return int(h.count), h.bytes
}

// oldest is the number of the oldest message kept, the next one's if there is
// none.
func (t *histories) oldest(ch *Channel) int32 {
	if ch.history == 0 {
		return ch.Next
	}
	return t.At(ch.history).oldest().Seq
}

// dropBefore forgets what a channel keeps before number seq.
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

// drop forgets what a channel keeps.
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

// unshare takes a message that goes off those that share what it says.
func (t *histories) unshare(sharing *msg.Sharing) {
	if sharing.Kept--; sharing.Kept == 0 {
		t.bytes -= cap(sharing.Content())
	}
}
