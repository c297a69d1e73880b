package msg

import "unsafe"

// A short message is one piece of memory: its record, and the content behind it. The piece
// has one of the collector's own sizes, so that none of it is lost, and the table below has
// a type of each of them: the collector has to know that the room behind a record has no
// pointers. A longer content stands apart.

// behind is a record with its room.
type behind[R any] struct {
	Message
	_ R
}

func with[R any]() *Message { return &new(behind[R]).Message }

// recordSize is the bytes of a record, behind which the room begins.
const recordSize = int(unsafe.Sizeof(Message{}))

// pieces have the bytes of each, in order.
var pieces = [...]struct {
	size uint16
	make func() *Message
}{
	{24, func() *Message { return new(Message) }},
	{32, with[[8]byte]}, {48, with[[24]byte]}, {64, with[[40]byte]}, {80, with[[56]byte]},
	{96, with[[72]byte]}, {112, with[[88]byte]}, {128, with[[104]byte]}, {144, with[[120]byte]},
	{160, with[[136]byte]}, {176, with[[152]byte]}, {192, with[[168]byte]}, {208, with[[184]byte]},
	{224, with[[200]byte]}, {240, with[[216]byte]}, {256, with[[232]byte]}, {288, with[[264]byte]},
	{320, with[[296]byte]}, {352, with[[328]byte]}, {384, with[[360]byte]}, {416, with[[392]byte]},
	{448, with[[424]byte]}, {480, with[[456]byte]}, {512, with[[488]byte]},
}

// MaxInside is the longest content that stands behind its record: above that the collector
// puts a head before the piece.
const MaxInside = 512 - recordSize

// pieceOf is which of the pieces a content needs, by its length in words, rounded up.
var pieceOf = func() (of [MaxInside/8 + 1]uint8) {
	piece := 0
	for words := range of {
		if recordSize+8*words > int(pieces[piece].size) {
			piece++
		}
		of[words] = uint8(piece)
	}
	return of
}()

// inside makes a message with room for a content of n bytes.
func inside(n int) *Message {
	message := pieces[pieceOf[(n+7)/8]].make()
	message.n = uint16(n)
	return message
}

// room is where the content stands that is inside.
func (message *Message) room() []byte {
	if message.n == 0 {
		return nil // behind the record there is something else
	}
	return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(message), recordSize)), message.n)
}

// pieceSize is the bytes of the piece of a message whose content is inside.
func (message *Message) pieceSize() int { return int(pieces[pieceOf[(message.n+7)/8]].size) }
