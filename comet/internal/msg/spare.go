package msg

// Spares are blocks that channels of one home have let go of, and that others of its channels,
// or the same ones, are given next. A channel that keeps as much as it may lets go of a block
// for each one that it fills: without spares all of these would be the collector's work.
//
// Only blocks whose messages no one but the home has been given are used again (Lend): others
// may still be read. The zero value has no blocks. It belongs to the home's loop.
type Spares struct {
	blocks [len(blocks)][]*block // by their size
	bytes  int
}

// Bytes is what the blocks take.
func (s *Spares) Bytes() int { return s.bytes }

// Limit forgets the blocks where they take more than most bytes: most of them are of another
// size than what is asked for.
func (s *Spares) Limit(most int) {
	if s.bytes > max(most, 0) {
		*s = Spares{}
	}
}

// Put takes the block of a message, of whose messages no channel keeps any.
func (s *Spares) Put(message *Message) {
	b := message.block()
	if message.place == firstApart || !b.private {
		return
	}
	of := &s.blocks[blockOf[b.size/8]]
	*of = append(*of, b)
	s.bytes += int(b.size)
}

// take is a block without messages, with room for so many bytes.
func (s *Spares) take(n int) *block {
	for of := &s.blocks[blockOf[(n+7)/8]]; len(*of) > 0; {
		last := len(*of) - 1
		b := (*of)[last]
		(*of)[last] = nil
		*of = (*of)[:last]
		s.bytes -= int(b.size)
		if b.private { // it has not been lent since
			b.next, b.messages = nil, 0
			return b
		}
	}
	b := newBlock(n)
	b.private = true
	return b
}

// Lend notes that others than the channel's home are given the run of n messages that begins
// with this one, or this one alone where n is 0. What they may read is not written again.
func (message *Message) Lend(n int32) {
	inBlock := int32(1) // at least, where it begins amid the block
	for at := message; at != nil; at = at.Following() {
		if at.place != firstApart {
			if b := at.block(); b.private { // else it may be another loop's
				b.private = false
			}
		}
		if at.Begins() {
			inBlock = int32(at.Together())
		}
		if n -= inBlock; n <= 0 {
			return
		}
	}
}
