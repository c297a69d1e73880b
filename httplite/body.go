package httplite

import "math"

// Body decodes one message body, piece by piece. It is plain data of 24 bytes without pointers, so that one can be
// kept for each connection. Response.Framing returns one. Only one goroutine at a time may use it.
type Body struct {
	left   int64  // bytes left of the body or of the chunk; while the chunk size is read: the size so far
	room   int64  // bytes that further chunks may contain; unbounded in a response
	budget uint32 // bytes of extensions, padding and trailers still allowed
	state  bodyState
	digits uint8 // number of digits of the chunk size
	fault  Kind  // error with which it failed, for good
}

// unbounded is the room of a body without a limit.
const unbounded = math.MaxInt64

type bodyState uint8

const (
	bodyDone bodyState = iota // also the state of an empty body
	bodyLength
	bodyClose    // ends when the connection closes
	chunkSize    // in the size
	extSpace     // white space; a ';' must follow
	extStart     // after ';'
	extName      // in an extension's name
	extNameEnd   // white space after the name
	extEqual     // after '='
	extToken     // in a token value
	extQuoted    // in a quoted value
	extEscape    // after its backslash
	extQuoteEnd  // after its closing quote
	chunkSizeLF  // after the CR of the size line
	chunkData    // in the data
	chunkDataCR  // after the data
	chunkDataLF  // after the CR that follows the data
	trailerLine  // at the start of a trailer line
	trailerName  // in its name
	trailerValue // after its colon
	trailerLF    // after its CR
	chunkEndLF   // after the CR of the last, empty line
)

func lengthBody(n int64) Body {
	if n == 0 {
		return Body{}
	}
	return Body{state: bodyLength, left: n}
}

func chunkedBody(room int64, budget int) Body {
	return Body{state: chunkSize, room: room, budget: uint32(budget)}
}

// UntilClose reports whether the body ends only when the peer closes the connection. Next never returns done then.
func (b *Body) UntilClose() bool { return b.state == bodyClose }

// Next decodes the next piece of the body, from the start of buf. payload is content, a slice of buf that may be
// empty. n is how many bytes of buf it has consumed. done reports that the body has ended: buf[n:] belongs to the
// next message. Next keeps no reference to buf and never writes to it.
//
// Call it as soon as the head is complete, because an empty body is done without a byte. Call it again with buf[n:]
// until done, or until n is 0: then it needs more input. Errors are of type *Error, and last.
func (b *Body) Next(buf []byte) (payload []byte, n int, done bool, err error) {
	payload, n, done, k := b.next(buf)
	if k != 0 {
		l := DefaultLimits.resolve()
		return nil, n, false, l.fail(k)
	}
	return payload, n, done, nil
}

func (b *Body) next(buf []byte) (payload []byte, n int, done bool, k Kind) {
	switch b.state {
	case bodyDone:
		return nil, 0, b.fault == 0, b.fault
	case bodyClose:
		return buf, len(buf), false, 0
	case bodyLength:
		n = b.take(len(buf))
		if b.left == 0 {
			b.state = bodyDone
		}
		return buf[:n:n], n, b.state == bodyDone, 0
	}
	for n < len(buf) && b.state != chunkData && b.state != bodyDone {
		if k = b.framing(buf[n]); k != 0 {
			b.state, b.fault = bodyDone, k
			return nil, n, false, k
		}
		n++
	}
	if b.state == chunkData {
		at := n
		n += b.take(len(buf) - n)
		if b.left == 0 {
			b.state = chunkDataCR
		}
		payload = buf[at:n:n]
	}
	return payload, n, b.state == bodyDone, 0
}

// unchunk decodes a complete and valid chunked body in place, to the start of buf, and returns the length of the
// result.
func unchunk(buf []byte) int {
	b := chunkedBody(unbounded, maxHead)
	size := 0
	for at := 0; ; {
		payload, n, done, k := b.next(buf[at:])
		size += copy(buf[size:], payload)
		if at += n; done || k != 0 {
			return size
		}
	}
}

// take subtracts up to n bytes from what is left, and returns how many.
func (b *Body) take(n int) int {
	if int64(n) > b.left {
		n = int(b.left)
	}
	b.left -= int64(n)
	return n
}

// framing parses one byte between chunks (RFC 9112 7.1). A byte at a time is slow but simple, and gives the same
// result however the input is cut. The data itself is not parsed this way.
func (b *Body) framing(c byte) Kind {
	switch {
	case b.state >= trailerLine:
		return b.trailer(c)
	case b.state >= extSpace && b.state <= extQuoteEnd:
		return b.extension(c)
	}
	switch b.state {
	case chunkSize:
		return b.size(c)
	case chunkSizeLF:
		if c != '\n' {
			return BareCR
		}
		b.startChunk()
	case chunkDataCR:
		if c == '\n' {
			return BareLF
		}
		if c != '\r' {
			return BadChunk
		}
		b.state = chunkDataLF
	case chunkDataLF:
		if c != '\n' {
			return BareCR
		}
		b.state, b.digits = chunkSize, 0
	}
	return 0
}

// size parses a byte of 1 to 15 hexadecimal digits, or what ends them. Leading zeros count as padding.
func (b *Body) size(c byte) Kind {
	if d := unhex[c]; d != notHex {
		if b.digits == 15 {
			return BadChunk
		}
		if b.digits > 0 && b.left == 0 && !b.spend() {
			return ChunkExtTooLarge
		}
		b.digits++
		if b.left = b.left<<4 | int64(d); b.left > b.room {
			return BodyTooLarge
		}
		return 0
	}
	if c == '\n' {
		return BareLF
	}
	if b.digits == 0 {
		return BadChunk
	}
	switch c {
	case '\r':
		b.state = chunkSizeLF
		return 0
	case ';':
		b.state = extStart
	case ' ', '\t': // RFC 9112 7.1.1: bad white space, allowed only before an extension
		b.state = extSpace
	default:
		return BadChunk
	}
	if !b.spend() {
		return ChunkExtTooLarge
	}
	return 0
}

// extension parses a byte of the chunk extensions, which are ignored but bounded. They must follow their grammar
// (RFC 9112 7.1.1), quotes included: if one reader ends the line inside quotes and another reads on to the next
// quote, they disagree about which bytes are data.
func (b *Body) extension(c byte) Kind {
	if c == '\n' {
		return BareLF
	}
	state := b.state.afterExt(c)
	if state == bodyDone {
		return BadChunk
	}
	b.state = state
	if state != chunkSizeLF && !b.spend() {
		return ChunkExtTooLarge
	}
	return 0
}

// afterExt returns the state after c, a byte of the extensions, or bodyDone if c is not allowed there:
//
//	chunk-ext = *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )
func (s bodyState) afterExt(c byte) bodyState {
	switch {
	case s == extQuoted && c == '"':
		return extQuoteEnd
	case s == extQuoted && c == '\\':
		return extEscape
	case s == extQuoted || s == extEscape:
		if class[c]&isValue == 0 {
			return bodyDone
		}
		return extQuoted
	case class[c]&isToken != 0:
		switch s {
		case extStart, extName:
			return extName
		case extEqual, extToken:
			return extToken
		}
		return bodyDone
	}
	whole := s == extName || s == extToken || s == extQuoteEnd
	switch c {
	case ' ', '\t':
		switch s {
		case extName:
			return extNameEnd
		case extToken, extQuoteEnd:
			return extSpace
		}
		return s
	case '=':
		if s == extName || s == extNameEnd {
			return extEqual
		}
	case '"':
		if s == extEqual {
			return extQuoted
		}
	case ';':
		if whole || s == extNameEnd || s == extSpace {
			return extStart
		}
	case '\r':
		if whole {
			return chunkSizeLF
		}
	}
	return bodyDone
}

// startChunk acts on a complete chunk size. A response may stream for days, so each of its chunks has a budget of
// its own for extensions; a request has one budget for the whole body.
func (b *Body) startChunk() {
	if b.left == 0 {
		b.state = trailerLine
		return
	}
	b.state = chunkData
	if b.room == unbounded {
		b.budget = max(b.budget, uint32(DefaultLimits.resolve().Head))
	} else {
		b.room -= b.left
	}
}

// trailer parses a byte of the trailer section, by the rules of header fields (RFC 9112 7.1.2, 5).
func (b *Body) trailer(c byte) Kind {
	switch {
	case b.state == chunkEndLF || b.state == trailerLF:
		if c != '\n' {
			return BareCR
		}
		if b.state == chunkEndLF {
			b.state = bodyDone
			return 0
		}
		b.state = trailerLine
	case c == '\n':
		return BareLF
	case b.state == trailerLine && c == '\r':
		b.state = chunkEndLF
		return 0
	case b.state == trailerLine && class[c]&isToken != 0:
		b.state = trailerName
	case b.state == trailerName && c == ':':
		b.state = trailerValue
	case b.state == trailerName && class[c]&isToken != 0:
	case b.state == trailerValue && c == '\r':
		b.state = trailerLF
	case b.state == trailerValue && class[c]&isValue != 0:
	default:
		return BadTrailer
	}
	if !b.spend() {
		return HeadTooLarge
	}
	return 0
}

// spend takes one byte off the budget; false: the budget is used up.
func (b *Body) spend() bool {
	if b.budget == 0 {
		return false
	}
	b.budget--
	return true
}
