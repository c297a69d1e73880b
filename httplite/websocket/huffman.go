package websocket

import "math/bits"

// The sizes of deflate's Huffman codes (RFC 1951 3.2.5 to 3.2.7).
const (
	maxCodeBits  = 15
	maxLitCodes  = 288 // literals and lengths; two of them only complete the fixed code
	maxDistCodes = 32  // distances; two of them only complete the fixed code
	numLenCodes  = 19  // codes for the lengths of codes
	fastBits     = 9   // bits of the lookup table's index
)

// huffman decodes a canonical Huffman code. It is initialized for each block with its own code, and allocates nothing.
type huffman struct {
	fast   [1 << fastBits]uint16   // by the next bits: symbol<<4 | length of its code; 0: a longer code, or none
	count  [maxCodeBits + 1]uint16 // number of codes of each length
	symbol [maxLitCodes]uint16     // in the order of their codes
}

// init sets h up for codes of these lengths; a length of 0 means that the symbol has no code. It reports whether the
// code is valid: it must be complete, or have no symbol, or have a single symbol with a code of one bit, as compressors
// write a single distance (3.2.7).
func (h *huffman) init(lengths []uint8) bool {
	clear(h.count[:])
	for _, n := range lengths {
		h.count[n]++
	}
	used := len(lengths) - int(h.count[0])
	h.count[0] = 0
	left := 1 // unused codes of n bits
	var next, first [maxCodeBits + 2]uint16
	for n := 1; n <= maxCodeBits; n++ {
		if left = left<<1 - int(h.count[n]); left < 0 {
			return false
		}
		next[n+1] = next[n] + h.count[n]
		first[n+1] = (first[n] + h.count[n]) << 1
	}
	if left > 0 && used > 0 && !(used == 1 && h.count[1] == 1) {
		return false
	}
	clear(h.fast[:])
	for s, n := range lengths {
		if n == 0 {
			continue
		}
		h.symbol[next[n]] = uint16(s)
		next[n]++
		if n <= fastBits {
			entry := uint16(s)<<4 | uint16(n)
			for i := int(bits.Reverse16(first[n]) >> (16 - n)); i < len(h.fast); i += 1 << n {
				h.fast[i] = entry
			}
		}
		first[n]++
	}
	return true
}

// decode decodes the next symbol. The lowest bit of in is the first one. n is the length of the code; 0: there is no
// such code.
func (h *huffman) decode(in uint64) (symbol int, n uint) {
	if e := h.fast[in&(1<<fastBits-1)]; e != 0 {
		return int(e >> 4), uint(e & 15)
	}
	// The codes of one length are consecutive numbers, and the codes of the next length continue after them (3.2.2).
	code, first, index := 0, 0, 0
	for n := 1; n <= maxCodeBits; n++ {
		code = code<<1 | int(in&1)
		in >>= 1
		count := int(h.count[n])
		if code-first < count {
			return int(h.symbol[index+code-first]), uint(n)
		}
		index += count
		first = (first + count) << 1
	}
	return 0, 0
}
