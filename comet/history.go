package comet

// history is what a channel keeps for those who come back: a run of messages,
// bounded in number and bytes. Channels without any have none of it.
type history struct {
	first, last *message
	n, bytes    int
	free        uint32
}

// keep appends a message to its channel's history and lets go of the oldest
// ones that are too many.
func (s *shard) keep(ch *channel, msg *message) {
	cfg := &s.srv.cfg
	if cfg.ChannelBufferSize == 0 || len(msg.json) > cfg.ChannelBufferBytes {
		s.dropHistory(ch)
		return
	}
	if ch.history == 0 {
		ch.history = s.newHistory()
	}
	h := &s.histories[ch.history]
	if h.n == 0 {
		h.first = msg
	} else {
		h.last.next = msg
	}
	h.last = msg
	h.n++
	h.bytes += len(msg.json)
	for h.n > cfg.ChannelBufferSize || h.bytes > cfg.ChannelBufferBytes {
		h.bytes -= len(h.first.json)
		h.first = h.first.next
		h.n--
	}
}

// from returns the messages kept from number seq on, and the number of the
// first that is there (the next number, if none is).
func (s *shard) from(ch *channel, seq int32) (run, int32) {
	if ch.history == 0 {
		return run{}, ch.next
	}
	h := s.histories[ch.history]
	for h.n > 0 && h.first.seq-seq < 0 {
		h.first = h.first.next
		h.n--
	}
	if h.n == 0 {
		return run{}, ch.next
	}
	return run{h.first, h.n}, h.first.seq
}

// oldest is the number of the oldest message kept, the next one's if there is
// none.
func (s *shard) oldest(ch *channel) int32 {
	if ch.history == 0 {
		return ch.next
	}
	return s.histories[ch.history].first.seq
}

func (s *shard) newHistory() uint32 {
	if s.historyFree == 0 {
		s.histories = append(s.histories, history{})
		return uint32(len(s.histories) - 1)
	}
	i := s.historyFree
	s.historyFree = s.histories[i].free
	s.histories[i] = history{}
	return i
}

// dropHistory forgets what a channel keeps.
func (s *shard) dropHistory(ch *channel) {
	if i := ch.history; i != 0 {
		s.histories[i] = history{free: s.historyFree}
		s.historyFree = i
		ch.history = 0
	}
}
