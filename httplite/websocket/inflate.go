package websocket

import "encoding/binary"

// Inflater inflates messages of permessage-deflate, each by itself (no context takeover), so a loop needs only one. The
// zero value is ready to use. It takes about 7 KB, plus the buffers of the last message. Only one goroutine may use it
// at a time.
//
// It is given whole messages, so it needs no window, and allocates only room for its input and output.
type Inflater struct {
	in   []byte // the message, and the block that its sender has left out
	pos  int    // number of bytes of in that have been read into acc
	acc  uint64 // bits that are not used yet; the lowest is the first
	n    uint   // number of bits in acc
	out  []byte
	lit  huffman
	dist huffman
	// The fixed codes, of blocks without their own tables.
	fixedLit, fixedDist huffman
	fixed               bool // the fixed codes are set up
}

const (
	// flushed is the empty stored block at the end of a compressor's flushed output. Senders leave it out (RFC 7692
	// 7.2.1).
	flushed = "\x00\x00\xff\xff"
	// keptBytes is the largest capacity that a buffer keeps between messages.
	keptBytes = 64 << 10
)

// Inflate returns the content of a whole compressed message, valid until the next call. The error is an *Error of kind
// BadCompression, or of kind TooBig if the content is more than limit bytes; inflating then stops at once. A limit of
// zero or less means DefaultMessage.
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
		return nil, 0 // RFC 7692 7.2.3.6 requires one zero byte; zlib sends and accepts an empty payload
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
		case last == 1 && (at == len(f.in) || at == len(payload)): // second case: the sender has not added an empty block
			return f.out, 0
		case last == 1 && at > len(payload):
			return nil, BadCompression
		}
		if last == 1 { // 7.2.1: more blocks may follow, at the next byte
			f.take(f.n % 8)
		}
	}
}

// block inflates a block, whose type has been read (RFC 1951 3.2.3).
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

// fill fills acc to at least 56 bits. Behind the end it adds zeros, which over detects.
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

// take takes the next n bits, which must be in acc.
func (f *Inflater) take(n uint) uint64 {
	v := f.acc & (1<<n - 1)
	f.acc >>= n
	f.n -= n
	return v
}

// bits returns the number of bits taken.
func (f *Inflater) bits() int { return 8*f.pos - int(f.n) }

// over reports whether more bits have been taken than the input has.
func (f *Inflater) over() bool { return f.bits() > 8*len(f.in) }

// stored copies an uncompressed block (3.2.4).
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

// The base values of lengths and distances, and the number of extra bits that are added to them (3.2.5).
var (
	lengthBase = [29]uint16{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lengthBits = [29]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distBase   = [30]uint16{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
	distBits   = [30]uint8{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
)

const endOfBlock = 256

// compressed inflates a block of literals and of references to earlier output.
func (f *Inflater) compressed(lit, dist *huffman, limit int) Kind {
	for {
		f.fill() // a literal or a length takes at most 20 bits, a distance 28
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

// repeat appends length bytes from distance bytes before the end. They may include bytes that it has just appended.
func (f *Inflater) repeat(distance, length int) {
	for length > 0 {
		from := len(f.out) - distance
		n := min(length, distance)
		f.out = append(f.out, f.out[from:from+n]...)
		length -= n
		distance += n
	}
}

// codeOrder is the order in which the lengths of the codes for lengths are stored (3.2.7).
var codeOrder = [numLenCodes]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// readCodes reads a block's own codes, and reports whether they are valid.
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

// initFixed sets up the fixed codes (3.2.6).
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
