package websocket

import "encoding/binary"

// Inflater inflates messages of permessage-deflate, each by itself (no context takeover), so one is enough for all
// connections of a loop. The zero value is ready, and takes some 7 KB, beside the buffers of what it has inflated last.
// It is used by one goroutine at a time.
//
// It has the whole message at hand, so it needs no window, and allocates nothing but room for what it makes.
type Inflater struct {
	in   []byte // the message, and what its sender left out
	pos  int    // of in that is in acc
	acc  uint64 // bits not taken yet, the lowest first
	n    uint   // how many
	out  []byte
	lit  huffman
	dist huffman
	// The code of blocks that bring none.
	fixedLit, fixedDist huffman
	fixed               bool // those two are set up
}

const (
	// flushed is how what a compressor has flushed ends: an empty stored block. Senders leave it out (RFC 7692 7.2.1).
	flushed = "\x00\x00\xff\xff"
	// keptBytes is the most that the buffers keep between messages.
	keptBytes = 64 << 10
)

// Inflate returns what a whole compressed message holds, valid until the next call. The error is an *Error: of kind
// BadCompression, or TooBig where it holds more than limit bytes; inflating ends when that is seen. A limit of zero or
// less means DefaultMessage.
func (f *Inflater) Inflate(payload []byte, limit int) ([]byte, error) {
	rules := Rules{Message: limit}
	out, k := f.inflate(payload, rules.message())
	if k != 0 {
		return nil, rules.fail(k)
	}
	return out, nil
}

func (f *Inflater) inflate(payload []byte, limit int) ([]byte, Kind) {
	if cap(f.in) > keptBytes {
		f.in = nil
	}
	if cap(f.out) > keptBytes {
		f.out = nil
	}
	if len(payload) == 0 {
		return nil, 0 // RFC 7692 7.2.3.6 asks for one zero byte; zlib makes this of nothing, and takes it
	}
	f.in = append(append(f.in[:0], payload...), flushed...)
	f.pos, f.acc, f.n, f.out = 0, 0, 0, f.out[:0]
	for {
		f.fill()
		last, kind := f.take(1), f.take(2)
		k := f.block(kind, limit)
		if k == 0 && f.over() {
			k = BadCompression
		}
		if k != 0 {
			return nil, k
		}
		switch at := (f.bits() + 7) / 8; {
		case last == 0 && f.bits() == 8*len(f.in):
			return f.out, 0
		case last == 1 && (at == len(f.in) || at == len(payload)): // the second: it does without an empty block
			return f.out, 0
		case last == 1 && at > len(payload):
			return nil, BadCompression
		}
		if last == 1 { // 7.2.1: more blocks may follow, from the next byte on
			f.take(f.n % 8)
		}
	}
}

// block inflates what a block holds, whose kind has been read (RFC 1951 3.2.3).
func (f *Inflater) block(kind uint64, limit int) Kind {
	switch kind {
	case 0:
		return f.stored(limit)
	case 1:
		if !f.fixed {
			f.initFixed()
		}
		return f.compressed(&f.fixedLit, &f.fixedDist, limit)
	case 2:
		if !f.readCodes() {
			return BadCompression
		}
		return f.compressed(&f.lit, &f.dist, limit)
	}
	return BadCompression
}

// fill makes the next bits 56 at the least: zeros behind the end, which over sees.
func (f *Inflater) fill() {
	if f.pos+8 <= len(f.in) {
		f.acc |= binary.LittleEndian.Uint64(f.in[f.pos:]) << f.n
		f.pos += int(63-f.n) >> 3
		f.n |= 56
		return
	}
	for ; f.n < 56; f.n += 8 {
		if f.pos < len(f.in) {
			f.acc |= uint64(f.in[f.pos]) << f.n
		}
		f.pos++
	}
}

// take takes the next bits, of which so many are there.
func (f *Inflater) take(n uint) uint64 {
	v := f.acc & (1<<n - 1)
	f.acc >>= n
	f.n -= n
	return v
}

// bits returns how many bits have been taken.
func (f *Inflater) bits() int { return 8*f.pos - int(f.n) }

// over says whether more bits have been taken than there are.
func (f *Inflater) over() bool { return f.bits() > 8*len(f.in) }

// stored takes a block that is not compressed (3.2.4).
func (f *Inflater) stored(limit int) Kind {
	at := (f.bits() + 7) / 8
	if at+4 > len(f.in) {
		return BadCompression
	}
	n := int(binary.LittleEndian.Uint16(f.in[at:]))
	if n != int(^binary.LittleEndian.Uint16(f.in[at+2:])) {
		return BadCompression
	}
	at += 4
	some := min(n, len(f.in)-at)
	if len(f.out)+some > limit {
		return TooBig
	}
	if some < n {
		return BadCompression
	}
	f.out = append(f.out, f.in[at:at+n]...)
	f.pos, f.acc, f.n = at+n, 0, 0
	return 0
}

// What lengths and distances begin with, and how many further bits say by how much they are more (3.2.5).
var (
	lengthBase = [29]uint16{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lengthBits = [29]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distBase   = [30]uint16{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
	distBits   = [30]uint8{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
)

const endOfBlock = 256

// compressed takes a block of literals and of references to what is before them.
func (f *Inflater) compressed(lit, dist *huffman, limit int) Kind {
	for {
		f.fill() // a literal or a length has 20 bits at the most, a distance 28
		symbol, n := lit.decode(f.acc)
		f.take(n)
		switch {
		case n == 0 || symbol > endOfBlock+len(lengthBase) || f.over():
			return BadCompression
		case symbol == endOfBlock:
			return 0
		case symbol < endOfBlock:
			if len(f.out) == limit {
				return TooBig
			}
			f.out = append(f.out, byte(symbol))
			continue
		}
		symbol -= endOfBlock + 1
		length := int(lengthBase[symbol]) + int(f.take(uint(lengthBits[symbol])))
		symbol, n = dist.decode(f.acc)
		f.take(n)
		if n == 0 || symbol >= len(distBase) {
			return BadCompression
		}
		distance := int(distBase[symbol]) + int(f.take(uint(distBits[symbol])))
		if f.over() || distance > len(f.out) {
			return BadCompression
		}
		if len(f.out)+length > limit {
			return TooBig
		}
		f.repeat(distance, length)
	}
}

// repeat appends length bytes of what is distance before the end, which may be some that it appends.
func (f *Inflater) repeat(distance, length int) {
	for length > 0 {
		from := len(f.out) - distance
		n := min(length, distance)
		f.out = append(f.out, f.out[from:from+n]...)
		length -= n
		distance += n
	}
}

// codeOrder is in which order the lengths of the codes for lengths come (3.2.7).
var codeOrder = [numLenCodes]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// readCodes reads the codes that a block brings, and says whether they are well-formed.
func (f *Inflater) readCodes() bool {
	f.fill()
	lits, dists, lens := int(f.take(5))+257, int(f.take(5))+1, int(f.take(4))+4
	if lits > endOfBlock+1+len(lengthBase) || dists > len(distBase) {
		return false
	}
	var lengths [maxLitCodes + maxDistCodes]uint8
	for i := range lens {
		if f.n < 3 {
			f.fill()
		}
		lengths[codeOrder[i]] = uint8(f.take(3))
	}
	if !f.lit.init(lengths[:numLenCodes]) {
		return false
	}
	clear(lengths[:numLenCodes])
	for i := 0; i < lits+dists; {
		f.fill()
		symbol, n := f.lit.decode(f.acc)
		f.take(n)
		repeat, value := 1, uint8(symbol)
		switch {
		case n == 0 || f.over() || symbol == 16 && i == 0:
			return false
		case symbol == 16:
			repeat, value = int(f.take(2))+3, lengths[i-1]
		case symbol == 17:
			repeat, value = int(f.take(3))+3, 0
		case symbol == 18:
			repeat, value = int(f.take(7))+11, 0
		}
		if i+repeat > lits+dists {
			return false
		}
		for range repeat {
			lengths[i] = value
			i++
		}
	}
	return f.lit.init(lengths[:lits]) && f.dist.init(lengths[lits:lits+dists])
}

// initFixed sets up the code of blocks that bring none (3.2.6).
func (f *Inflater) initFixed() {
	var lengths [maxLitCodes]uint8
	for i := range lengths {
		switch {
		case i < 144:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		case i < 280:
			lengths[i] = 7
		default:
			lengths[i] = 8
		}
	}
	f.fixedLit.init(lengths[:])
	for i := range maxDistCodes {
		lengths[i] = 5
	}
	f.fixedDist.init(lengths[:maxDistCodes])
	f.fixed = true
}
