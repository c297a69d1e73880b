package comet

// history is what a channel keeps for those who come back: a run of messages,
// bounded in number and in bytes of memory. Channels without any have none of it.
type history struct {
	first, last *message
	bytes       int
	n           uint32
	shared      uint32 // of them share what they say with other channels
	marks       *marks // nil while it is short
	free        uint32
}

// histories are a loop's, named by index; 0 is none. They hold pointers, to
// messages that loops share, so they live in the collector's heap; in chunks,
// so that growing copies none of them and leaves no garbage.
type histories struct {
	chunks []*[historyChunk]history
	used   uint32 // indexes 1..used have been handed out
	free   uint32 // head of the free list
}

const historyChunk = 256

func (t *histories) at(i uint32) *history { return &t.chunks[i/historyChunk][i%historyChunk] }

func (t *histories) alloc() uint32 {
	i := t.free
	if i != 0 {
		t.free = t.at(i).free
	} else {
		t.used++
		if i = t.used; int(i/historyChunk) == len(t.chunks) {
			t.chunks = append(t.chunks, new([historyChunk]history))
		}
	}
	*t.at(i) = history{}
	return i
}

func (t *histories) drop(i uint32) {
	*t.at(i) = history{free: t.free}
	t.free = i
}

// keep appends a message to its channel's history and lets go of the oldest
// ones that are too many.
func (b *broker) keep(ch *channel, msg *message) {
	cfg := b.cfg
	if cfg.ChannelBufferSize == 0 || msg.size() > cfg.ChannelBufferBytes {
		b.dropHistory(ch)
		return
	}
	if ch.history == 0 {
		ch.history = b.histories.alloc()
	}
	h := b.histories.at(ch.history)
	if h.n == 0 {
		h.first = msg
	} else {
		h.last.next = msg
	}
	h.last = msg
	h.n++
	h.mark(msg)
	h.bytes += msg.size()
	b.historyBytes += msg.size()
	b.historyMessages++
	if msg.shared != nil {
		h.shared++
		if msg.shared.kept++; msg.shared.kept == 1 {
			b.historyBytes += cap(msg.content)
		}
	}
	for int(h.n) > cfg.ChannelBufferSize || h.bytes > cfg.ChannelBufferBytes {
		b.dropOldest(h)
	}
	if share := cfg.MaxHistoryBytes / cfg.Loops; b.historyBytes > share {
		b.totals.hitLimit(limitHistory, cfg.MaxHistoryBytes, b.loop.Now())
		b.shedHistory(ch, share)
	}
}

func (b *broker) dropOldest(h *history) {
	h.bytes -= h.first.size()
	b.historyBytes -= h.first.size()
	if h.first.shared != nil {
		h.shared--
		b.unshare(h.first)
	}
	h.unmark(h.first)
	h.first = h.first.next
	h.n--
	b.historyMessages--
}

// shedLook is how many channels are looked at, for each message, for history that
// may go.
const shedLook = 32

// shedHistory brings what this loop's channels keep under its share of the
// ceiling. What is beyond HistoryMinimum goes first, of whichever channel comes
// next; where that is not enough at once, the channel that was published to keeps
// less, at the worst nothing.
func (b *broker) shedHistory(ch *channel, share int) {
	for range shedLook {
		if b.historyBytes <= share {
			return
		}
		if b.historyHand++; b.historyHand > b.channels.Used() {
			b.historyHand = 1
		}
		if other := b.channels.At(b.historyHand); other.state != channelFree && other != ch {
			b.keepLess(other, share)
		}
	}
	b.keepLess(ch, share)
	if b.historyBytes > share {
		b.dropHistory(ch)
	}
}

// keepLess lets go of what a channel keeps beyond the minimum, as far as needed.
func (b *broker) keepLess(ch *channel, share int) {
	if ch.history == 0 {
		return
	}
	for h := b.histories.at(ch.history); int(h.n) > b.cfg.HistoryMinimum && b.historyBytes > share; {
		b.dropOldest(h)
	}
}

// from returns the messages kept from number seq on, and the number of the
// first that is there (the next number, if none is).
func (b *broker) from(ch *channel, seq int32) (run, int32) {
	if ch.history == 0 {
		return run{}, ch.next
	}
	kept := b.histories.at(ch.history).from(seq)
	if kept.n == 0 {
		return run{}, ch.next
	}
	return kept, kept.first.seq
}

// oldest is the number of the oldest message kept, the next one's if there is
// none.
func (b *broker) oldest(ch *channel) int32 {
	if ch.history == 0 {
		return ch.next
	}
	return b.histories.at(ch.history).first.seq
}

// dropHistory forgets what a channel keeps.
func (b *broker) dropHistory(ch *channel) {
	if ch.history != 0 {
		h := b.histories.at(ch.history)
		for msg, n := h.first, h.shared; n > 0; msg = msg.next {
			if msg.shared != nil {
				b.unshare(msg)
				n--
			}
		}
		b.historyBytes -= h.bytes
		b.historyMessages -= int(h.n)
		b.histories.drop(ch.history)
		ch.history = 0
	}
}

// unshare takes a message that goes off those that share what it says.
func (b *broker) unshare(msg *message) {
	if msg.shared.kept--; msg.shared.kept == 0 {
		b.historyBytes -= cap(msg.content)
	}
}
