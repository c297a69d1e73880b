package httplite

import "math"

// Body decodes one message body, piece by piece. It is plain data of 24 bytes without pointers, made to be
// kept for each connection; Response.Framing returns one. It is used by one goroutine at a time.
type Body struct {
	left   int64  // bytes still to come of the body, or of the chunk; the size while it is read
	room   int64  // bytes the chunks still to come may hold; unbounded in a response
	budget uint32 // bytes of extensions, padding and trailers still allowed
	state  bodyState
	digits uint8 // of the chunk size
	fault  Kind  // what it failed with, for good
}

// unbounded is the room of a body that has no limit.
const unbounded = math.MaxInt64

type bodyState uint8

const (
	bodyDone bodyState = iota // also the state of a body that is empty
	bodyLength
	bodyClose    // ends when the connection does
	chunkSize    // in the size
	extSpace     // white space, which a ';' must follow
	extStart     // behind ';'
	extName      // in an extension's name
	extNameEnd   // white space behind it
	extEqual     // behind '='
	extToken     // in a value
	extQuoted    // in one in quotes
	extEscape    // behind its backslash
	extQuoteEnd  // behind its last quote
	chunkSizeLF  // CR of the size line seen
	chunkData    // in the data
	chunkDataCR  // data complete
	chunkDataLF  // and its CR seen
	trailerLine  // at the beginning of a trailer line
	trailerName  // in its name
	trailerValue // behind its colon
	trailerLF    // its CR seen
	chunkEndLF   // CR of the last, empty line seen
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

// UntilClose reports whether the body ends only when the peer closes the connection. Next never says done then.
func (b *Body) UntilClose() bool { return b.state == bodyClose }

// Next takes the next piece of the body from the start of buf: payload, a part of buf, is content and may
// be empty; n is how many bytes of buf it took; done says that the body has ended, and buf[n:] belongs to
// the next message. It keeps nothing of buf and never writes to it.
//
// Call it at once when the head is complete, since an empty body is done without a byte, and then again
// with buf[n:] until done, or until n is 0, which means it needs more input. Errors are *Error; they last.
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

// unchunk decodes a whole chunked body, known to be good, to the beginning of its own storage, and returns
// the length of the result.
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

// take counts off up to n bytes of what is left.
func (b *Body) take(n int) int {
	if int64(n) > b.left {
		n = int(b.left)
	}
	b.left -= int64(n)
	return n
}

// framing takes in one byte between chunks (RFC 9112 7.1). A byte at a time is slow and simple, and by
// its nature the same however the input is cut; the data itself is not touched.
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

// size takes in a byte of 1 to 15 hexadecimal digits, or what ends them. Zeros in front count as padding.
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
	case ' ', '\t': // RFC 9112 7.1.1: bad white space, but only before an extension
		b.state = extSpace
	default:
		return BadChunk
	}
	if !b.spend() {
		return ChunkExtTooLarge
	}
	return 0
}

// extension takes in a byte of the extensions, which are ignored but not unlimited. They are held to
// their grammar (RFC 9112 7.1.1), quotes and all: where one reader ends the line inside of quotes and another
// reads on to the next quote, they disagree about which bytes are data.
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

// afterExt returns the state behind c, a byte of the extensions, or bodyDone if it may not stand there:
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

// startChunk acts on a size that is complete. A response may stream for days, so there the budget for
// extensions is each chunk's own; in a request it is one for the whole body.
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

// trailer takes in a byte of the trailer section, by the rules of header fields (RFC 9112 7.1.2, 5).
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

// spend takes one byte off the budget, if there is one.
func (b *Body) spend() bool {
	if b.budget == 0 {
		return false
	}
	b.budget--
	return true
}
