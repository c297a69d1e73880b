package websocket

import "unicode/utf8"

// Message is a complete message, or a control frame.
type Message struct {
	Op      Opcode // Text, Binary, Close, Ping or Pong; 0: nothing is complete yet
	Payload []byte // unmasked, joined and inflated; valid until the next call of Next or until the input changes
}

// Partial is the state of a connection whose input has ended within a message: the Parser, and the payload so far. The
// zero value is for a connection between two messages, so none need be stored while it is Idle. Only one goroutine may
// use it at a time.
type Partial struct {
	Parser  Parser
	Payload []byte // as received, not inflated; may be an empty buffer with capacity, which may be taken back when Idle
}

// Idle reports whether no message is under way. m then need not be stored.
func (m *Partial) Idle() bool { return m.Parser.Idle() }

// Reader makes messages from input, for any number of connections, on one goroutine. The zero value is ready to use,
// and takes about 7 KB.
type Reader struct{ inflater Inflater }

// Next takes input of m's connection from the start of in, up to the end of a message or of a control frame. Nil rules
// mean the zero Rules.
//
//   - msg.Op > 0: a complete message or control frame, which ends with the n bytes taken. Call again for the rest.
//   - msg.Op == 0 and err == nil: nothing is complete yet. Call again with the input after the n bytes taken, which is
//     fewer than 14 + MaxControl bytes, and with more after it.
//   - err != nil: an *Error: see Parser.Next.
//
// A message that is complete in the input is not copied. A message that arrives in pieces is joined in m.Payload. Next
// writes to the n bytes that it takes. The input after a Close frame must not be given to it.
func (r *Reader) Next(m *Partial, in []byte, rules *Rules) (msg Message, n int, err error) {
	if rules == nil {
		rules = &Rules{}
	}
	for {
		piece, used, err := m.Parser.Next(in[n:], rules)
		n += used
		if err != nil || used == 0 {
			return Message{}, n, err
		}
		if piece.Op.IsControl() {
			return Message{piece.Op, piece.Payload}, n, nil
		}
		payload := piece.Payload
		if !piece.Last || len(m.Payload) > 0 {
			m.Payload = append(m.Payload, payload...)
			payload = m.Payload
		}
		if !piece.Last {
			continue
		}
		m.Payload = m.Payload[:0]
		if piece.Compressed {
			if payload, err = r.inflate(m, piece.Op, payload, rules); err != nil {
				return Message{}, n, err
			}
		}
		return Message{piece.Op, payload}, n, nil
	}
}

// inflate inflates a complete message and checks text to be UTF-8, which is only possible now (RFC 7692 6.2).
func (r *Reader) inflate(m *Partial, op Opcode, payload []byte, rules *Rules) ([]byte, error) {
	out, k := r.inflater.inflate(payload, rules.message())
	if k == 0 && op == Text && !utf8.Valid(out) {
		k = InvalidUTF8
	}
	if k != 0 {
		m.Parser.fault = k
		return nil, rules.fail(k)
	}
	return out, nil
}
