package websocket

import (
	"encoding/binary"
	"errors"
)

// stateSize is the bytes of a Parser that is written down.
const stateSize = 8 + 8 + 4 + 4 + 1 + 1 + 3

// ErrState says that bytes are no Parser's that Parser.AppendBinary has written.
var ErrState = errors.New("websocket: not a parser's state")

// The bits of a Parser that is written down.
const (
	stateFinal = 1 << iota
	stateCompressed
)

// AppendBinary appends p, so that another process can go on with its connection: with the same Rules, the payload of the
// Partial, and the input that was not taken. The error is ErrState, for a Parser that has failed: its connection ends.
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

// UnmarshalBinary makes p what AppendBinary has written. The error is ErrState, for what no Parser can be.
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

// possible says whether p can have come of input.
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
