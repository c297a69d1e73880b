package websocket

import "encoding/binary"

// Next reads a frame in this order (RFC 6455 5.2), and continues where it stopped:
//
//  1. The head: each byte is checked as soon as it has arrived. An incomplete head is left to the
//     caller; it is shorter than maxHead bytes.
//  2. A control frame is also left to the caller until it is complete. Then it is taken as a whole.
//  3. The available part of a data frame's payload is unmasked in place, checked, and returned.

// maxHead is the length of the longest head.
const maxHead = 14

// Parser reads the frames of one connection, in input that may be cut anywhere. It is 32 bytes of plain
// data without pointers, and zero between two messages (Idle), so a server stores it only for
// connections whose input has ended within a message. Only one goroutine may use it at a time.
type Parser struct {
	left       uint64 // bytes of the frame's payload still to come; 0: a head is next
	total      uint64 // bytes of the message, including all of the current frame
	fragments  uint32 // frames of the message, including the current one
	key        uint32 // the mask; its lowest byte is for the next byte of the payload
	op         Opcode // of the current message; 0: none
	final      bool   // the current frame is the last of the message
	compressed bool
	text       utf8Check // of an uncompressed message
	fault      Kind      // the error that has ended the Parser; 0: none
}

// Piece is a control frame, or a piece of a message.
type Piece struct {
	Op         Opcode // Text or Binary, as at the message's start; or Close, Ping, Pong
	Last       bool   // a message ends here; true for control frames
	Compressed bool   // the message must be inflated when it is complete
	Payload    []byte // unmasked, a part of the input; may be empty
}

// Next takes the next frame, or the available part of it, from the start of in. Nil rules mean the zero
// Rules.
//
//   - n > 0: piece is the content of the first n bytes. Its payload is valid until those bytes change.
//     Uncompressed text has been checked to be UTF-8 so far, and the payload of a Close frame to be
//     valid (ParseClose returns it).
//   - n == 0 and err == nil: more input is needed. Call again with the same bytes, which may have
//     moved, and with more after them. They are fewer than 14 + MaxControl.
//   - err != nil: an *Error. Send a Close frame with its code and end the connection, because the start
//     of the next frame is not known. Until the Parser is zeroed, Next returns an error of the same
//     Kind again.
//
// Next writes to the n bytes that it takes. Neither the messages nor the error depend on where the
// input was cut. An error is returned as soon as the byte that causes it has arrived; pieces of the
// same message may have been returned before. Next allocates nothing, except for an error that names a
// limit.
//
// The input after a Close frame must not be given to Next (RFC 6455 1.4).
func (p *Parser) Next(in []byte, rules *Rules) (piece Piece, n int, err error) {
	if rules == nil {
		rules = &Rules{}
	}
	k := p.fault
	if k == 0 {
		piece, n, k = p.advance(in, rules)
	}
	if k != 0 {
		*p = Parser{fault: k}
		return Piece{}, 0, rules.fail(k)
	}
	return piece, n, nil
}

// Idle reports whether no message is under way. The Parser then equals a new one.
func (p *Parser) Idle() bool { return *p == Parser{} }

func (p *Parser) advance(in []byte, rules *Rules) (piece Piece, n int, k Kind) {
	if p.left == 0 {
		h, size, k := p.readHead(in, rules)
		if k != 0 || size == 0 {
			return Piece{}, 0, k
		}
		if h.op.IsControl() {
			return control(h, in, size)
		}
		if k = p.begin(h, rules); k != 0 {
			return Piece{}, 0, k
		}
		n = size
	}
	end := len(in)
	if uint64(end-n) > p.left {
		end = n + int(p.left)
	}
	if end == 0 {
		return Piece{}, 0, 0
	}
	payload := in[n:end:end]
	p.key = mask(payload, p.key)
	p.left -= uint64(len(payload))
	piece = Piece{Op: p.op, Last: p.final && p.left == 0, Compressed: p.compressed, Payload: payload}
	if p.op == Text && !p.compressed && (!p.text.write(payload) || piece.Last && !p.text.done()) {
		return Piece{}, 0, InvalidUTF8 // RFC 6455 5.6, 8.1: the message, not each fragment, is UTF-8
	}
	if piece.Last {
		*p = Parser{}
	}
	return piece, end, 0
}

// control takes a control frame when it is complete. Its head has n bytes.
func control(h head, in []byte, n int) (Piece, int, Kind) {
	end := n + int(h.length)
	if len(in) < end {
		return Piece{}, 0, 0
	}
	payload := in[n:end:end]
	mask(payload, h.key)
	if h.op == Close {
		if k := checkClose(payload); k != 0 {
			return Piece{}, 0, k
		}
	}
	return Piece{Op: h.op, Last: true, Payload: payload}, end, 0
}

// begin starts a data frame whose head has been checked to be allowed here.
func (p *Parser) begin(h head, rules *Rules) Kind {
	if h.op != Continuation {
		p.op, p.compressed = h.op, h.rsv1
	}
	if p.fragments++; int64(p.fragments) > int64(rules.fragments()) {
		return TooManyFragments
	}
	most := rules.message()
	if p.compressed {
		most = rules.compressed()
	}
	if p.total > uint64(most) || h.length > uint64(most)-p.total {
		return TooBig
	}
	p.total += h.length
	p.left, p.key, p.final = h.length, h.key, h.fin
	return 0
}

// head is the head of a frame.
type head struct {
	op        Opcode
	fin, rsv1 bool
	length    uint64 // of the payload
	key       uint32 // 0 without a mask
}

// readHead reads the head at the start of in. n is its length; 0: it is incomplete.
func (p *Parser) readHead(in []byte, rules *Rules) (h head, n int, k Kind) {
	if len(in) == 0 {
		return head{}, 0, 0
	}
	if h, k = p.firstByte(in[0], rules); k != 0 || len(in) == 1 {
		return head{}, 0, k
	}
	h.length = uint64(in[1] & 0x7F)
	switch masked := in[1]&0x80 != 0; {
	case masked && rules.Client:
		return head{}, 0, Masked // RFC 6455 5.1: a client MUST close a connection if it detects a masked frame
	case !masked && !rules.Client:
		return head{}, 0, NotMasked // 5.1: the server MUST close the connection upon receiving a frame that is not masked
	case h.op.IsControl() && h.length > MaxControl:
		return head{}, 0, ControlTooLong // 5.5: MUST have a payload length of 125 bytes or less
	}
	n = 2
	switch h.length {
	case 126:
		if n += 2; len(in) < n {
			return head{}, 0, 0
		}
		if h.length = uint64(binary.BigEndian.Uint16(in[2:])); h.length < 126 {
			return head{}, 0, LengthNotMinimal // 5.2: the minimal number of bytes MUST be used
		}
	case 127:
		if len(in) > 2 && in[2] >= 0x80 {
			return head{}, 0, LengthTooLarge // 5.2: the most significant bit MUST be 0
		}
		if n += 8; len(in) < n {
			return head{}, 0, 0
		}
		if h.length = binary.BigEndian.Uint64(in[2:]); h.length < 1<<16 {
			return head{}, 0, LengthNotMinimal // 5.2
		}
	}
	if !rules.Client {
		if n += 4; len(in) < n {
			return head{}, 0, 0
		}
		h.key = binary.LittleEndian.Uint32(in[n-4:])
	}
	return h, n, 0
}

// firstByte reads the first byte of a frame, and checks that such a frame is allowed here.
func (p *Parser) firstByte(c byte, rules *Rules) (head, Kind) {
	h := head{op: Opcode(c & 0x0F), fin: c&0x80 != 0, rsv1: c&0x40 != 0}
	switch {
	case c&0x30 != 0, h.rsv1 && !rules.Deflate:
		return h, ReservedBits // RFC 6455 5.2: MUST be 0 unless an extension defines them
	case h.op > Binary && h.op < Close, h.op > Pong:
		return h, ReservedOpcode // 5.2: MUST fail the connection
	case h.rsv1 && (h.op.IsControl() || h.op == Continuation):
		return h, MisplacedCompression // RFC 7692 6.1: only on the first fragment of a message
	case h.op.IsControl():
		if !h.fin {
			return h, FragmentedControl // RFC 6455 5.5: MUST NOT be fragmented
		}
	case h.op == Continuation && p.op == 0:
		return h, UnexpectedContinuation // 5.4
	case h.op != Continuation && p.op != 0:
		return h, ExpectedContinuation // 5.4: fragments of messages MUST NOT be interleaved
	}
	return h, 0
}
