package msg

import "unsafe"

// Messages lie in blocks of memory, one after the other, each a record and its content. A
// channel that keeps few has a block for each message. One that keeps more has several in one
// block: that takes less memory and fewer allocations, and the garbage collector has one object
// to look at. A block contains messages of one channel only, in the order of their numbers. Its
// size is one of the allocator's own, so that none of it is lost. It has one pointer, at its
// beginning, and that is all that the garbage collector reads of it. Long or shared content is
// stored apart.
//
// The channel's home fills a block. A block is full when another one follows it. After its last
// message it has none: the place of the message that would follow is 0, and stays so.

// block is the beginning of each block. A message knows its offset from it.
type block struct {
	next     *Message // first message of the next block
	size     uint16   // total bytes
	messages uint8    // number of messages so far
	private  bool     // only the channel's home has got its messages (spare.go)
}

// blockHead is the number of bytes in a block before its first message.
const blockHead = 12

// sized is a block of messages with their content.
type sized[R any] struct {
	next *Message
	size uint16
	_    [2]uint8
	_    R // the messages, without pointers
}

func with[R any]() *block {
	b := new(sized[R])
	b.size = uint16(unsafe.Sizeof(*b))
	return (*block)(unsafe.Pointer(b))
}

// apartBlock is a block of one message whose content is stored apart.
type apartBlock struct {
	next  *Message
	apart *apart
	Message
}

// own is an apartBlock whose content is not shared.
type own struct {
	apartBlock
	apart
}

// unit is the unit of offsets in a block, in bytes.
const unit = 4

// Offset of a block's first message, which distinguishes the two kinds of blocks: the second
// message of a block has a larger one.
const (
	firstInside = blockHead / unit
	firstApart  = uint8(unsafe.Offsetof(apartBlock{}.Message) / unit)
)

var _ [firstInside + 1]byte = [firstApart]byte{}
var _ [8]byte = [recordSize]byte{}

// recordSize is the number of bytes of a record, which the content follows.
const recordSize = int(unsafe.Sizeof(Message{}))

// blocks lists the block sizes, in order. The allocator puts a header before larger ones, and
// the garbage collector takes longer to look at them.
var blocks = [...]struct {
	size uint16
	make func() *block
}{
	{24, with[[12]byte]}, {32, with[[20]byte]}, {48, with[[36]byte]}, {64, with[[52]byte]},
	{80, with[[68]byte]}, {96, with[[84]byte]}, {112, with[[100]byte]}, {128, with[[116]byte]},
	{144, with[[132]byte]}, {160, with[[148]byte]}, {176, with[[164]byte]}, {192, with[[180]byte]},
	{208, with[[196]byte]}, {224, with[[212]byte]}, {240, with[[228]byte]}, {256, with[[244]byte]},
	{288, with[[276]byte]}, {320, with[[308]byte]}, {352, with[[340]byte]}, {384, with[[372]byte]},
	{416, with[[404]byte]}, {448, with[[436]byte]}, {480, with[[468]byte]}, {512, with[[500]byte]},
}

// maxBlock is the size of the largest block, in bytes.
const maxBlock = 512

// MaxInside is the length of the longest content that is stored in a block.
const MaxInside = maxBlock - blockHead - recordSize

// blockOf is the index of the smallest block with room for so many bytes, by words of 8 bytes,
// rounded up.
var blockOf = func() (of [maxBlock/8 + 1]uint8) {
	n := 0
	for words := range of {
		if 8*words > int(blocks[n].size) {
			n++
		}
		of[words] = uint8(n)
	}
	return of
}()

// room returns the bytes that a message takes in a block with n bytes of content.
func room(n int) int { return (recordSize + n + unit - 1) &^ (unit - 1) }

// sizeFor returns the size of the smallest block with room for n bytes.
func sizeFor(n int) int { return int(blocks[blockOf[(n+7)/8]].size) }

// newBlock makes a block with room for n bytes.
func newBlock(n int) *block { return blocks[blockOf[(n+7)/8]].make() }

// at returns the message at an offset in the block.
func (b *block) at(place int) *Message { return (*Message)(unsafe.Add(unsafe.Pointer(b), place)) }

// put makes a message at an offset in the block, which must have room for it.
func (b *block) put(place int, k Kind, seq int32, content []byte) *Message {
	message := b.at(place)
	*message = Message{Seq: seq, n: uint16(len(content)), Kind: k, place: uint8(place / unit)}
	copy(message.inside(), content)
	b.messages++
	if behind := place + room(len(content)); behind+recordSize <= int(b.size) {
		b.at(behind).place = 0
	}
	return message
}

// block returns the block of the message.
func (m *Message) block() *block {
	return (*block)(unsafe.Add(unsafe.Pointer(m), -unit*int(m.place)))
}

// apart returns the content that is stored apart, nil if it is in the block.
func (m *Message) apart() *apart {
	if m.place != firstApart {
		return nil
	}
	return (*apartBlock)(unsafe.Pointer(m.block())).apart
}

// inside returns the content that is in the block.
func (m *Message) inside() []byte {
	if m.n == 0 {
		return nil // another message may be there
	}
	return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(m), recordSize)), m.n)
}

// behind returns the offset of the next message in the block, and whether there is room for
// that many bytes.
func (m *Message) behind(bytes int) (place int, ok bool) {
	if m.place == firstApart {
		return 0, false
	}
	place = unit*int(m.place) + room(int(m.n))
	return place, place+bytes <= int(m.block().size)
}

// Next returns the message after one that is not the last of its run. Do not call it on the
// last: the channel's home may be writing what it reads.
func (m *Message) Next() *Message {
	b := m.block()
	if place, ok := m.behind(recordSize); ok {
		if next := b.at(place); next.place != 0 {
			return next
		}
	}
	return b.next
}

// Link makes the first message of another block follow this one's block. It is never undone.
func (m *Message) Link(next *Message) { m.block().next = next }

// Together returns how many messages are in the block of this one, Following the first message
// of the next block. Only the channel's home may call them.
func (m *Message) Together() uint8 {
	if m.place == firstApart {
		return 1
	}
	return m.block().messages
}
func (m *Message) Following() *Message { return m.block().next }

// Begins reports whether the message is the first of its block.
func (m *Message) Begins() bool { return m.place <= firstApart }

// Beside reports whether two messages are in the same block.
func (m *Message) Beside(other *Message) bool { return m.block() == other.block() }

// BlockSize returns the bytes of the message's block, and of content that is stored apart and
// not shared.
func (m *Message) BlockSize() int {
	if m.place == firstApart {
		return m.Size()
	}
	return int(m.block().size)
}

// Behind makes a message with a copy of content, to follow the last message of a channel (nil:
// there is none). It lies in the block of last if that has room, else in another block, which
// may be a spare one. That has room for at most that many messages of this size, and bytes, but
// for at least one message.
func (s *Spares) Behind(last *Message, most, bytes int, k Kind, seq int32, content []byte) *Message {
	if last == nil || len(content) > MaxInside {
		return New(k, seq, content)
	}
	size := room(len(content))
	if place, ok := last.behind(size); ok {
		return last.block().put(place, k, seq, content)
	}
	n := max(min((min(bytes, maxBlock)-blockHead)/size, most), 1)
	return s.take(blockHead+n*size).put(blockHead, k, seq, content)
}

// NearBehind touches the memory that is needed to put a message after the last one of a
// channel, NearFollowing that which is needed to drop a block for the next one. Their results
// mean nothing.
func (m *Message) NearBehind() uint8 { return m.block().messages }
func (m *Message) NearFollowing() uint8 {
	if next := m.block().next; next != nil {
		return next.block().messages
	}
	return 0
}
