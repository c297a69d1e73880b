package msg

// Spares are blocks that channels of one home have dropped, for use by channels of that home. A
// channel with a full history drops a block for each block that it fills; without spares, these
// blocks would be garbage.
//
// A block is used again only if its messages were never given to others than the home (Lend),
// who may still read them. The zero value has no blocks. Only the home's loop may use it.
type Spares struct {
	blocks [len(blocks)][]*block // by size
	bytes  int
}

// Limit drops all blocks if they take more than most bytes: most of them then have the wrong
// size.
func (s *Spares) Limit(most int) {
	if s.bytes > max(most, 0) {
		*s = Spares{}
	}
}

// Put adds the block of a message. No channel may still keep any of the block's messages.
func (s *Spares) Put(message *Message) {
	b := message.block()
	if message.place == firstApart || !b.private {
		return
	}
	of := &s.blocks[blockOf[b.size/8]]
	*of = append(*of, b)
	s.bytes += int(b.size)
}

// take returns a block without messages, with room for n bytes.
func (s *Spares) take(n int) *block {
	for of := &s.blocks[blockOf[(n+7)/8]]; len(*of) > 0; {
		last := len(*of) - 1
		b := (*of)[last]
		(*of)[last] = nil
		*of = (*of)[:last]
		s.bytes -= int(b.size)
		if b.private { // it was not lent meanwhile
			b.next, b.messages = nil, 0
			return b
		}
	}
	b := newBlock(n)
	b.private = true
	return b
}

// Lend records that others than the channel's home get a run of n messages that starts with
// this one; if n is 0, they get only this one. A block that they may read is never overwritten.
func (m *Message) Lend(n int32) {
	inBlock := int32(1) // at least, if it starts inside the block
	for at := m; at != nil; at = at.Following() {
		if at.place != firstApart {
			if b := at.block(); b.private { // otherwise it may belong to another loop
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
