package websocket

import "math/bits"

// bitString is a sequence of bits in deflate's order (RFC 1951 3.1.1).
type bitString struct {
	out    []byte
	acc, n uint
}

// put appends a number, its lowest bit first.
func (b *bitString) put(v, size uint) {
	b.acc |= v << b.n
	for b.n += size; b.n >= 8; b.n -= 8 {
		b.out = append(b.out, byte(b.acc))
		b.acc >>= 8
	}
}

// code appends a Huffman code, its highest bit first.
func (b *bitString) code(v, size uint) { b.put(uint(bits.Reverse16(uint16(v))>>(16-size)), size) }

// flush appends an empty stored block, which ends at a byte.
func (b *bitString) flush() []byte {
	b.put(0, 3)
	b.put(0, (8-b.n%8)%8)
	return append(b.out, flushed...)
}

// emptyDynamicBlock returns the shortest block with its own tables and without content.
func emptyDynamicBlock() []byte {
	var b bitString
	b.put(0b100, 3) // not the last block; its own tables
	b.put(0, 5)     // 257 literals and lengths
	b.put(0, 5)     // one distance
	b.put(14, 4)    // the lengths of 18 length codes
	for _, symbol := range codeOrder[:18] {
		b.put(map[uint8]uint{18: 1, 1: 1}[symbol], 3) // codes of one bit: 1 is "0", 18 is "1"
	}
	b.put(1, 1)      // 18: zeros,
	b.put(138-11, 7) // 138 of them
	b.put(1, 1)      // and once more
	b.put(118-11, 7) // 118: literals 0 to 255 have no code
	b.put(0, 1)      // the end of the block has a code of one bit
	b.put(0, 1)      // so has distance 0
	b.put(0, 1)      // the end of the block
	return b.flush()
}

// longDynamicBlock returns another block without content, with as many codes of more than nine bits as
// possible.
func longDynamicBlock() []byte {
	var b bitString
	b.put(0b100, 3)
	b.put(286-257, 5) // all literals and lengths
	b.put(0, 5)
	b.put(15, 4)
	size := map[uint]uint{16: 1, 10: 2, 1: 5, 3: 5, 4: 5, 5: 5, 7: 6, 8: 6, 9: 6, 11: 6, 12: 6, 13: 6, 14: 6, 15: 6}
	code := map[uint]uint{16: 0, 10: 2, 1: 24, 3: 25, 4: 26, 5: 27, 7: 56, 8: 57, 9: 58, 11: 59, 12: 60, 13: 61, 14: 62, 15: 63}
	for _, symbol := range codeOrder {
		b.put(size[uint(symbol)], 3)
	}
	length := func(n uint) { b.code(code[n], size[n]) }
	for _, n := range []uint{1, 3, 4, 5, 7, 8, 9, 10} {
		length(n)
	}
	for range 45 {
		length(16)  // repeat the last length
		b.put(3, 2) // six times
	}
	for _, n := range []uint{10, 10, 11, 12, 13, 14, 15, 15, 1} { // the last one is for distance 0
		length(n)
	}
	// Codes of ten bits begin after those of 1, 3, 4, 5, 7, 8 and 9 bits, for symbol 7 and the symbols
	// after it.
	const first = 512 + 128 + 64 + 32 + 8 + 4 + 2
	b.code(first+256-7, 10)
	return b.flush()
}
