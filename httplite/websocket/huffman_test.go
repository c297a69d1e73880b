package websocket

import (
	"bytes"
	"compress/flate"
	"io"
	"strings"
	"testing"
)

// codesBlock begins a block with these code lengths of literals and lengths, and of distances, each written separately.
// Of the codes for lengths, 13 have four bits and 6 have five.
func codesBlock(lits, dists []uint8) *bitString {
	var b bitString
	b.put(0b100, 3) // not the last block; its own tables
	b.put(uint(len(lits)-257), 5)
	b.put(uint(len(dists)-1), 5)
	b.put(numLenCodes-4, 4)
	for _, symbol := range codeOrder {
		if symbol < 13 {
			b.put(4, 3)
		} else {
			b.put(5, 3)
		}
	}
	for _, lengths := range [][]uint8{lits, dists} {
		for _, n := range lengths {
			b.length(uint(n))
		}
	}
	return &b
}

// length writes a code length, or 16 to 18, which stand for several lengths.
func (b *bitString) length(n uint) {
	if n < 13 {
		b.code(n, 4)
	} else {
		b.code(26+n-13, 5)
	}
}

// lengthsOf returns n code lengths: 0 except for the given symbols.
func lengthsOf(n int, of map[int]uint8) []uint8 {
	lengths := make([]uint8, n)
	for symbol, bits := range of {
		lengths[symbol] = bits
	}
	return lengths
}

// plainBlock begins a block with codes of two bits each, in this order: 'x', the end of the block, and the lengths 3
// and 258. dists are the code lengths of distances.
func plainBlock(dists map[int]uint8) *bitString {
	return codesBlock(lengthsOf(286, map[int]uint8{'x': 2, 256: 2, 257: 2, 285: 2}), lengthsOf(30, dists))
}

// of appends codes of two bits.
func (b *bitString) of(codes ...uint) *bitString {
	for _, code := range codes {
		b.code(code, 2)
	}
	return b
}

// bits appends single bits.
func (b *bitString) bits(bits ...uint) *bitString {
	for _, bit := range bits {
		b.put(bit, 1)
	}
	return b
}

// fixedBlock begins a block with the fixed codes, and 'x'.
func fixedBlock() *bitString {
	var b bitString
	b.put(0b010, 3)
	b.code(0x30+'x', 8)
	return &b
}

// repeated returns fixedBlock with a length and a distance, and the end of the block.
func repeated(length, lengthSize, dist uint) *bitString {
	b := fixedBlock()
	b.code(length, lengthSize)
	b.code(dist, 5)
	b.code(0, 7)
	return b
}

// allLiterals returns code lengths for n literals and the end of the block, of eight bits each.
func allLiterals(n int) map[int]uint8 {
	of := map[int]uint8{256: 8}
	for symbol := range n {
		of[symbol] = 8
	}
	return of
}

// lengthsBlock begins a block with these lengths of the codes for lengths, for 257 literals and one distance.
func lengthsBlock(lens map[uint8]uint) *bitString {
	var b bitString
	b.put(0b100, 3)
	b.put(0, 5)
	b.put(0, 5)
	b.put(numLenCodes-4, 4)
	for _, symbol := range codeOrder {
		b.put(lens[symbol], 3)
	}
	return &b
}

// zeros writes that n symbols have no code, if code 18 is the single bit 1.
func (b *bitString) zeros(n uint) *bitString {
	b.bits(1).put(n-11, 7)
	return b
}

// eight appends codes of eight bits.
func (b *bitString) eight(codes ...uint) *bitString {
	for _, code := range codes {
		b.code(code, 8)
	}
	return b
}

// The codes of plainBlock.
const codeX, codeEnd, codeThree, codeMost = 0, 1, 2, 3

func manyOfX(n int) string { return strings.Repeat("x", n) }

// huffmanCases are blocks and their content; the content is empty if a block must be refused.
var huffmanCases = []struct {
	name  string
	block *bitString
	want  string
}{
	{"a distance of one bit, alone", plainBlock(map[int]uint8{0: 1}).of(codeX, codeThree).bits(0).of(codeEnd), manyOfX(4)},
	{"the other bit", plainBlock(map[int]uint8{0: 1}).of(codeX, codeThree).bits(1).of(codeEnd), ""},
	{"a distance of two bits, alone", plainBlock(map[int]uint8{0: 2}).of(codeX, codeEnd), ""},
	{"no distance, which none asks for", plainBlock(nil).of(codeX, codeX, codeEnd), "xx"},
	{"no distance, and a length", plainBlock(nil).of(codeX, codeThree).bits(0).of(codeEnd), ""},
	{"two distances", plainBlock(map[int]uint8{0: 1, 1: 1}).of(codeX, codeX, codeMost).bits(1).of(codeEnd), manyOfX(260)},
	{"three distances of one bit", plainBlock(map[int]uint8{0: 1, 1: 1, 2: 1}).of(codeX, codeEnd), ""},
	{"a distance that is missing", plainBlock(map[int]uint8{0: 2, 1: 2, 2: 2}).of(codeX, codeEnd), ""},
	{"a distance to before the message", plainBlock(map[int]uint8{0: 1, 1: 1}).of(codeX, codeThree).bits(1).of(codeEnd), ""},
	{"the longest distance", plainBlock(map[int]uint8{29: 1}).of(codeX, codeThree).bits(0).bits(make([]uint, 13)...).of(codeEnd), ""},
	{"the literals' code is full", codesBlock(lengthsOf(257, allLiterals(255)), lengthsOf(1, nil)).eight(0, 255), "\x00"},
	{"one too many", codesBlock(lengthsOf(257, allLiterals(256)), lengthsOf(1, nil)), ""},
	{"one too few", codesBlock(lengthsOf(257, allLiterals(254)), lengthsOf(1, nil)), ""},
	{"no code at all", codesBlock(lengthsOf(257, nil), lengthsOf(1, nil)).bits(0), ""},
	{"no end of the block", codesBlock(lengthsOf(257, map[int]uint8{'x': 1, 'y': 1}), lengthsOf(1, nil)).bits(0, 1), ""},
	{"codes of 15 bits", deepBlock(15), "x"},
	{"287 codes for literals and lengths", codesBlock(lengthsOf(287, map[int]uint8{'x': 1, 256: 1}), lengthsOf(1, nil)).bits(0, 1), ""},
	{"31 distances", codesBlock(lengthsOf(257, map[int]uint8{'x': 1, 256: 1}), lengthsOf(31, nil)).bits(0, 1), ""},
	{"lengths: the last one, and there is none", lengthsBlock(map[uint8]uint{16: 1, 1: 1}).bits(1, 0, 0), ""},
	{"lengths: more than there are", lengthsBlock(map[uint8]uint{18: 1, 1: 1}).zeros(138).zeros(138), ""},
	{"lengths: some of what is not asked for", lengthsBlock(map[uint8]uint{18: 1, 1: 1}).zeros('x').bits(0).zeros(255-'x').bits(0).zeros(11).bits(0, 1), ""},
	{"lengths: three codes of one bit", lengthsBlock(map[uint8]uint{18: 1, 1: 1, 2: 1}), ""},
	{"lengths: a code is missing", lengthsBlock(map[uint8]uint{18: 2, 1: 2, 2: 2}), ""},
	{"lengths: no code", lengthsBlock(nil).bits(0), ""},
	{"length 258, by five further bits", longest(), manyOfX(259)},
	{"length 258", repeated(0xC5, 8, 0), manyOfX(259)},
	{"a length that only pads the code", repeated(0xC6, 8, 0), ""},
	{"the other", repeated(0xC7, 8, 0), ""},
	{"a distance that only pads the code", repeated(1, 7, 30), ""},
	{"the other", repeated(1, 7, 31), ""},
}

// TestHuffmanCodes: a block is inflated or refused according to RFC 1951 (3.2.3 to 3.2.7), and as by the standard
// library.
func TestHuffmanCodes(t *testing.T) {
	for _, c := range huffmanCases {
		block := *c.block
		payload := bytes.Clone(block.flush())
		theirs, stdErr := io.ReadAll(flate.NewReader(bytes.NewReader(append(bytes.Clone(payload), "\x03\x00"...))))
		if stdErr != nil {
			theirs = nil
		}
		var f Inflater
		got, err := f.Inflate(bytes.TrimSuffix(payload, []byte(flushed)), 1000)
		if string(got) != c.want || (err == nil) != (c.want != "") || err != nil && err.(*Error).Kind != BadCompression {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
		if string(theirs) != c.want {
			t.Errorf("%s: the standard library makes %q of it: %v", c.name, theirs, stdErr)
		}
	}
}

// longest writes the greatest length, with five extra bits.
func longest() *bitString {
	b := fixedBlock()
	b.code(0xC4, 8)
	b.put(31, 5)
	b.code(0, 5)
	b.code(0, 7)
	return b
}

// deepBlock returns a block that encodes 'x' by the last code of n bits, after one code of each shorter length.
func deepBlock(n int) *bitString {
	of := map[int]uint8{256: 1, 'x': uint8(n)}
	for bits := 2; bits <= n; bits++ {
		of[bits] = uint8(bits)
	}
	b := codesBlock(lengthsOf(257, of), lengthsOf(1, nil))
	b.code(1<<n-1, uint(n))
	return b.bits(0)
}
