package websocket

import "unicode/utf8"

// Message is a message that is whole, or a control frame.
type Message struct {
	Op      Opcode // Text, Binary, Close, Ping or Pong; 0: none is whole yet
	Payload []byte // unmasked, joined and inflated; valid until Next is called again or the input changes
}

// Partial is what must be kept of a connection whose input ended within a message: the Parser, and what has come of
// the message. Its zero value is that of a connection between two messages, so none need be kept while it is Idle. It
// is used by one goroutine at a time.
type Partial struct {
	Parser  Parser
	Payload []byte // as it came, not inflated; may be an empty buffer with room, which may be taken back when Idle
}

// Idle reports that no message is under way: nothing of m need be kept.
func (m *Partial) Idle() bool { return m.Parser.Idle() }

// Reader makes messages of input, for any number of connections, one after the other, on one goroutine. The zero
// value is ready, and takes some 7 KB.
type Reader struct{ inflater Inflater }

// Next takes input of m's connection from the start of in, up to the end of a message or of a control frame. Nil
// rules mean the zero Rules.
//
//   - msg.Op > 0: a whole message or control frame, which ends with the n bytes taken. Call again for what follows.
//   - msg.Op == 0 and err == nil: none is whole. Call again with the rest behind the n bytes taken, which is
//     fewer than 14 + MaxControl bytes, and more behind it.
//   - err != nil: an *Error: see Parser.Next.
//
// A message that is whole in the input is not copied. One that comes in pieces is joined in m.Payload. Next writes to
// the n bytes that it takes. The input behind a Close frame must not be given to it.
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

// inflate inflates a whole message, which is checked only now (RFC 7692 6.2: UTF-8 is what is inflated).
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
