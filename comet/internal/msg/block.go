package msg

import "unsafe"

// Messages lie in blocks of memory, behind each other, each a record and its content. A
// channel that keeps little has a block for each of its messages; one that keeps more has
// several in one, so that they take less memory and fewer allocations, and the collector has
// one thing to look at. A block holds messages of one channel only, in the order of their
// numbers, and is as large as one of the collector's own sizes, so that none of it is lost.
// It has one pointer, at its beginning, and that is all that the collector reads of it. A
// content that is long or shared stands apart.
//
// A block is filled by its channel's home. It is full when there is another one behind it:
// behind its last message stands none, which its place says, and that stays so.

// block is the beginning of each block. A message knows how far it is behind that.
type block struct {
	next     *Message // the first of the next block
	size     uint16   // bytes, all in all
	messages uint8    // so far
	private  bool     // the channel's home alone has been given them (spare.go)
}

// blockHead is the bytes of a block before its first message.
const blockHead = 12

// sized is a block of messages whose content stands in it.
type sized[R any] struct {
	next *Message
	size uint16
	_    [2]uint8
	_    R // the messages, which have no pointers
}

func with[R any]() *block {
	b := new(sized[R])
	b.size = uint16(unsafe.Sizeof(*b))
	return (*block)(unsafe.Pointer(b))
}

// apartBlock is a block of one message whose content stands apart.
type apartBlock struct {
	next  *Message
	apart *apart
	Message
}

// own is one whose content is not shared.
type own struct {
	apartBlock
	apart
}

// unit is what places in a block are counted in: bytes.
const unit = 4

// Where the first message of a block is, by which blocks are told apart: in a block of
// several the second is behind that.
const (
	firstInside = blockHead / unit
	firstApart  = uint8(unsafe.Offsetof(apartBlock{}.Message) / unit)
)

var _ [firstInside + 1]byte = [firstApart]byte{}
var _ [8]byte = [recordSize]byte{}

// recordSize is the bytes of a record, behind which the content begins.
const recordSize = int(unsafe.Sizeof(Message{}))

// blocks have the bytes of each, in order. Above that the collector puts a head before a block,
// and takes longer to look at it.
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

// MaxBlock is the bytes of the largest block.
const MaxBlock = 512

// MaxInside is the longest content that stands in a block.
const MaxInside = MaxBlock - blockHead - recordSize

// blockOf is which of the blocks has room for so many bytes, by words, rounded up.
var blockOf = func() (of [MaxBlock/8 + 1]uint8) {
	n := 0
	for words := range of {
		if 8*words > int(blocks[n].size) {
			n++
		}
		of[words] = uint8(n)
	}
	return of
}()

// room is the bytes of a message that stands in a block with a content of n bytes.
func room(n int) int { return (recordSize + n + unit - 1) &^ (unit - 1) }

// sizeFor is the bytes of the smallest block with room for so many.
func sizeFor(n int) int { return int(blocks[blockOf[(n+7)/8]].size) }

// newBlock makes a block with room for so many bytes.
func newBlock(n int) *block { return blocks[blockOf[(n+7)/8]].make() }

// at is the message at a place of the block.
func (b *block) at(place int) *Message { return (*Message)(unsafe.Add(unsafe.Pointer(b), place)) }

// put makes a message at a place of the block, which has room for it.
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

// block is where the message lies.
func (message *Message) block() *block {
	return (*block)(unsafe.Add(unsafe.Pointer(message), -unit*int(message.place)))
}

// apart is the content that stands apart, nil where it does not.
func (message *Message) apart() *apart {
	if message.place != firstApart {
		return nil
	}
	return (*apartBlock)(unsafe.Pointer(message.block())).apart
}

// inside is the content that does not stand apart.
func (message *Message) inside() []byte {
	if message.n == 0 {
		return nil // there may be something else
	}
	return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(message), recordSize)), message.n)
}

// behind is where the next message of the block would begin, and whether there is room for
// so many bytes.
func (message *Message) behind(bytes int) (place int, ok bool) {
	if message.place == firstApart {
		return 0, false
	}
	place = unit*int(message.place) + room(int(message.n))
	return place, place+bytes <= int(message.block().size)
}

// Next is the message behind one that is not the last of its run. Of the last it must not be
// asked: the channel's home may be setting it.
func (message *Message) Next() *Message {
	b := message.block()
	if place, ok := message.behind(recordSize); ok {
		if next := b.at(place); next.place != 0 {
			return next
		}
	}
	return b.next
}

// Link has a message be followed by one that is the first of another block, for good.
func (message *Message) Link(next *Message) { message.block().next = next }

// Together is how many messages lie in the block of this one, and Following the first of the
// next block. The channel's home alone may ask.
func (message *Message) Together() uint8 {
	if message.place == firstApart {
		return 1
	}
	return message.block().messages
}
func (message *Message) Following() *Message { return message.block().next }

// Begins says whether the message is the first of its block.
func (message *Message) Begins() bool { return message.place <= firstApart }

// Beside says whether two messages lie in one block.
func (message *Message) Beside(other *Message) bool { return message.block() == other.block() }

// BlockSize is the bytes of the block that the message lies in, with a content that stands
// apart and is not shared.
func (message *Message) BlockSize() int {
	if message.place == firstApart {
		return message.Size()
	}
	return int(message.block().size)
}

// Behind makes a message of content that it copies, to be put behind the last one of a
// channel, nil where there is none. It lies in the block of that where there is room, else in
// another one, with room for so many messages and of so many bytes at the most, but for one
// message.
func (s *Spares) Behind(last *Message, most, bytes int, k Kind, seq int32, content []byte) *Message {
	if last == nil || len(content) > MaxInside {
		return New(k, seq, content)
	}
	size := room(len(content))
	if place, ok := last.behind(size); ok {
		return last.block().put(place, k, seq, content)
	}
	n := max(min((min(bytes, MaxBlock)-blockHead)/size, most), 1)
	return s.take(blockHead+n*size).put(blockHead, k, seq, content)
}

// NearBehind reads what is needed to put a message behind the last one of a channel, and
// NearFollowing what is needed to let go of a block for the next one. What they return says
// nothing.
func (message *Message) NearBehind() uint8 { return message.block().messages }
func (message *Message) NearFollowing() uint8 {
	if next := message.block().next; next != nil {
		return next.block().messages
	}
	return 0
}
