package websocket

import (
	"encoding/binary"
	"errors"
)

// stateSize is the length of a written Parser in bytes.
const stateSize = 8 + 8 + 4 + 4 + 1 + 1 + 3

// ErrState is the error for data that is no possible state of a Parser, and for a Parser that has failed.
var ErrState = errors.New("websocket: not a parser's state")

// Flags in a written Parser.
const (
	stateFinal = 1 << iota
	stateCompressed
)

// AppendBinary appends the state of p, so that another process can continue its connection. That process also needs the
// same Rules, the payload of the Partial, and the input that was not taken. The error is ErrState if p has failed: its
// connection must end.
func (p *Parser) AppendBinary(dst []byte) ([]byte, error) {
	if p.fault != 0 {
		return dst, ErrState
	}
	flags := byte(0)
	if p.final {
		flags |= stateFinal
	}
	if p.compressed {
		flags |= stateCompressed
	}
	dst = binary.BigEndian.AppendUint64(dst, p.left)
	dst = binary.BigEndian.AppendUint64(dst, p.total)
	dst = binary.BigEndian.AppendUint32(dst, p.fragments)
	dst = binary.BigEndian.AppendUint32(dst, p.key)
	return append(dst, byte(p.op), flags, p.text.need, p.text.lo, p.text.hi), nil
}

// UnmarshalBinary sets p to a state that AppendBinary has written. The error is ErrState if data is no possible state.
func (p *Parser) UnmarshalBinary(data []byte) error {
	if len(data) != stateSize {
		return ErrState
	}
	flags := data[25]
	q := Parser{
		left: binary.BigEndian.Uint64(data), total: binary.BigEndian.Uint64(data[8:]),
		fragments: binary.BigEndian.Uint32(data[16:]), key: binary.BigEndian.Uint32(data[20:]),
		op: Opcode(data[24]), final: flags&stateFinal != 0, compressed: flags&stateCompressed != 0,
		text: utf8Check{need: data[26], lo: data[27], hi: data[28]},
	}
	if flags&^(stateFinal|stateCompressed) != 0 || !q.possible() {
		return ErrState
	}
	*p = q
	return nil
}

// possible reports whether some input can lead to p.
func (p *Parser) possible() bool {
	switch {
	case p.Idle():
		return true
	case p.op != Text && p.op != Binary, p.fragments == 0, p.left > p.total, p.total > 2*MaxMessage:
		return false
	case p.final && p.left == 0: // the message would have ended
		return false
	}
	return p.text == utf8Check{} || p.op == Text && !p.compressed && p.text.need <= 3 && p.text.lo <= p.text.hi
}
