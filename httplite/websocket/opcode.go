package websocket

import "strconv"

// Opcode is the type of a frame (RFC 6455 5.2).
type Opcode uint8

// The defined opcodes. All others are reserved, and an error.
const (
	Continuation Opcode = 0x0 // a further fragment of a message
	Text         Opcode = 0x1
	Binary       Opcode = 0x2
	Close        Opcode = 0x8
	Ping         Opcode = 0x9
	Pong         Opcode = 0xA
)

// MaxControl is the most bytes of a control frame's payload (RFC 6455 5.5).
const MaxControl = 125

// IsControl reports whether op is a control frame. Control frames are never fragmented, and may appear
// between the fragments of a message.
func (op Opcode) IsControl() bool { return op&0x8 != 0 }

// String returns the constant's name, or "Opcode(n)" for a value that is none.
func (op Opcode) String() string {
	switch op {
	case Continuation:
		return "Continuation"
	case Text:
		return "Text"
	case Binary:
		return "Binary"
	case Close:
		return "Close"
	case Ping:
		return "Ping"
	case Pong:
		return "Pong"
	}
	return "Opcode(" + strconv.Itoa(int(op)) + ")"
}
