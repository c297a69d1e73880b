package websocket

import "strconv"

// Kind says which rule a peer broke. Its String is the constant's name, fit for a log or a metric.
type Kind uint8

// The rules. Each comment begins with the close code of the Error.
const (
	_ Kind = iota // zero: nothing is wrong

	ReservedBits           // 1002: a reserved bit is set to which no agreed extension gives a meaning (RFC 6455 5.2)
	MisplacedCompression   // 1002: RSV1 on a control frame or on a further fragment (RFC 7692 6.1)
	ReservedOpcode         // 1002: 3 to 7, or 11 to 15 (5.2)
	FragmentedControl      // 1002: a control frame without FIN (5.5)
	ControlTooLong         // 1002: a control frame of more than MaxControl bytes (5.5)
	NotMasked              // 1002: a client's frame is not masked (5.1)
	Masked                 // 1002: a server's frame is masked (5.1)
	LengthNotMinimal       // 1002: a length uses more bytes than necessary (5.2)
	LengthTooLarge         // 1002: a length of 2^63 or more (5.2)
	UnexpectedContinuation // 1002: a further fragment without a message (5.4)
	ExpectedContinuation   // 1002: a message begins within another one (5.4)
	ShortClose             // 1002: a Close frame of one byte (5.5.1)
	BadCloseCode           // 1002: a close code that must not be sent (7.4)
	InvalidUTF8            // 1007: text, or the reason of a Close frame, that is not UTF-8 (8.1)
	BadCompression         // 1007: a compressed message that does not inflate (RFC 7692 7.2.2)
	TooBig                 // 1009: over Rules.Message
	TooManyFragments       // 1009: over Rules.Fragments

	numKinds
)

// Error is the error of the parsers. Values without a Limit are shared: do not change them.
type Error struct {
	Kind   Kind
	Code   Code   // the close code to end the connection with
	Reason string // one line of text, without the limit's number
	Limit  int    // the limit that was exceeded; 0: the error is not about a limit
}

// Error returns one line of plain text, which names the limit and its number where one was broken. It holds
// nothing the peer sent and fits into a Close frame, so it may be sent to the peer.
func (e *Error) Error() string {
	if e.Limit == 0 {
		return e.Reason
	}
	unit := " bytes"
	if e.Kind == TooManyFragments {
		unit = " frames"
	}
	return e.Reason + ": the limit is " + strconv.Itoa(e.Limit) + unit
}

// Is reports whether target is an *Error of the same Kind, whatever its limit, for errors.Is.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Kind == e.Kind
}

// String returns the constant's name, or "Kind(n)" for a value that is none.
func (k Kind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return "Kind(" + strconv.Itoa(int(k)) + ")"
}

// faults holds one Error a kind, so that bad input costs no allocation.
var faults = [numKinds]Error{
	ReservedBits:           {Code: ProtocolError, Reason: "reserved bit set"},
	MisplacedCompression:   {Code: ProtocolError, Reason: "compression bit on a control frame or a further fragment"},
	ReservedOpcode:         {Code: ProtocolError, Reason: "reserved opcode"},
	FragmentedControl:      {Code: ProtocolError, Reason: "fragmented control frame"},
	ControlTooLong:         {Code: ProtocolError, Reason: "control frame of more than 125 bytes"},
	NotMasked:              {Code: ProtocolError, Reason: "frame of a client without a mask"},
	Masked:                 {Code: ProtocolError, Reason: "frame of a server with a mask"},
	LengthNotMinimal:       {Code: ProtocolError, Reason: "length in more bytes than it needs"},
	LengthTooLarge:         {Code: ProtocolError, Reason: "length of 2^63 or more"},
	UnexpectedContinuation: {Code: ProtocolError, Reason: "continuation of no message"},
	ExpectedContinuation:   {Code: ProtocolError, Reason: "message within a fragmented message"},
	ShortClose:             {Code: ProtocolError, Reason: "close frame with half a code"},
	BadCloseCode:           {Code: ProtocolError, Reason: "close code that must not be sent"},
	InvalidUTF8:            {Code: InvalidPayload, Reason: "text that is not UTF-8"},
	BadCompression:         {Code: InvalidPayload, Reason: "compressed message that does not inflate"},
	TooBig:                 {Code: MessageTooBig, Reason: "message too big"},
	TooManyFragments:       {Code: MessageTooBig, Reason: "message of too many fragments"},
}

func init() {
	for k := range faults {
		faults[k].Kind = Kind(k)
	}
}

var kindNames = [numKinds]string{
	ReservedBits:           "ReservedBits",
	MisplacedCompression:   "MisplacedCompression",
	ReservedOpcode:         "ReservedOpcode",
	FragmentedControl:      "FragmentedControl",
	ControlTooLong:         "ControlTooLong",
	NotMasked:              "NotMasked",
	Masked:                 "Masked",
	LengthNotMinimal:       "LengthNotMinimal",
	LengthTooLarge:         "LengthTooLarge",
	UnexpectedContinuation: "UnexpectedContinuation",
	ExpectedContinuation:   "ExpectedContinuation",
	ShortClose:             "ShortClose",
	BadCloseCode:           "BadCloseCode",
	InvalidUTF8:            "InvalidUTF8",
	BadCompression:         "BadCompression",
	TooBig:                 "TooBig",
	TooManyFragments:       "TooManyFragments",
}
