package websocket

import (
	"encoding/binary"
	"unicode/utf8"
)

// Code is a close code (RFC 6455 7.4, and the registry that 11.7 began): why a connection ends.
type Code uint16

// The registered codes. NoStatus, Abnormal and TLSHandshake are only for local use: they never appear
// in a frame.
const (
	NormalClosure      Code = 1000
	GoingAway          Code = 1001 // for example: a page was left, a server stops
	ProtocolError      Code = 1002
	UnsupportedData    Code = 1003 // for example: binary data where only text is supported
	NoStatus           Code = 1005 // not sent: a Close frame without a code
	Abnormal           Code = 1006 // not sent: the connection ended without a Close frame
	InvalidPayload     Code = 1007 // text that is not UTF-8, data that cannot be inflated
	PolicyViolation    Code = 1008
	MessageTooBig      Code = 1009
	MandatoryExtension Code = 1010 // from clients: the server did not agree to a required extension
	InternalError      Code = 1011
	ServiceRestart     Code = 1012
	TryAgainLater      Code = 1013
	BadGateway         Code = 1014
	TLSHandshake       Code = 1015 // not sent
)

// Valid reports whether c may appear in a Close frame, sent or received: a registered code that is not
// reserved for local use (RFC 6455 7.4.1), or one of 3000 to 4999, which are for libraries and
// applications (7.4.2).
func (c Code) Valid() bool {
	switch c {
	case 1004, NoStatus, Abnormal:
		return false
	}
	return c >= 1000 && c <= 1014 || c >= 3000 && c <= 4999
}

// maxReason is the most bytes of a reason that fit into a Close frame beside the code.
const maxReason = MaxControl - 2

// ParseClose returns the code and the reason of a Close frame's payload. The code is NoStatus if the
// payload is empty. The reason is a part of payload, and is UTF-8. The error is an *Error.
func ParseClose(payload []byte) (Code, []byte, error) {
	if k := checkClose(payload); k != 0 {
		return 0, nil, &faults[k]
	}
	if len(payload) == 0 {
		return NoStatus, nil, nil // RFC 6455 7.1.5
	}
	return Code(binary.BigEndian.Uint16(payload)), payload[2:len(payload):len(payload)], nil
}

// checkClose returns the rule that a Close frame's payload breaks, or 0.
func checkClose(payload []byte) Kind {
	switch {
	case len(payload) == 0:
		return 0
	case len(payload) == 1: // RFC 6455 5.5.1: the first two bytes MUST be an unsigned integer
		return ShortClose
	case !Code(binary.BigEndian.Uint16(payload)).Valid(): // 7.4
		return BadCloseCode
	case !utf8.Valid(payload[2:]): // 5.5.1: UTF-8-encoded data; 8.1
		return InvalidUTF8
	}
	return 0
}

// AppendClosePayload appends the payload of a Close frame, at most MaxControl bytes. A reason that is
// too long is cut between two characters, and invalid UTF-8 in it is replaced. If code is not Valid,
// for example NoStatus, the payload is empty.
func AppendClosePayload(dst []byte, code Code, reason string) []byte {
	if !code.Valid() {
		return dst
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(code))
	room := maxReason
	for _, r := range reason {
		if room -= utf8.RuneLen(r); room < 0 {
			break
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}
