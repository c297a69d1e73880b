package websocket

// Rules are the end of a connection that reads, whether compression was agreed on, and the limits of a
// message. The zero value is for a server, without compression, with the default limits; so is a nil
// *Rules. Parsers only read them, so any number of goroutines may share one value while none writes to
// it.
type Rules struct {
	Client    bool // a client reads, so frames must not be masked; otherwise they must be
	Deflate   bool // permessage-deflate was agreed on
	Message   int  // most bytes of a message, joined and inflated; zero or less: DefaultMessage
	Fragments int  // most frames of a message; zero or less: DefaultFragments
}

// The default limits.
const (
	DefaultMessage   = 1 << 20
	DefaultFragments = 4096
)

// MaxMessage is the largest limit of Rules.Message: higher values mean this one.
const MaxMessage = 1 << 48

func (r *Rules) message() int {
	if r.Message <= 0 {
		return DefaultMessage
	}
	return min(r.Message, MaxMessage)
}

// compressed returns the most bytes of a compressed message within the limit. Deflate never needs more
// than nine bits for a byte (RFC 1951 3.2.6), and a little for the blocks.
func (r *Rules) compressed() int {
	n := r.message()
	return n + n/8 + 64
}

func (r *Rules) fragments() int {
	if r.Fragments <= 0 {
		return DefaultFragments
	}
	return r.Fragments
}

// fail returns the error for k, with the number of the limit that was exceeded.
func (r *Rules) fail(k Kind) *Error {
	limit := 0
	switch k {
	case TooBig:
		limit = r.message()
	case TooManyFragments:
		limit = r.fragments()
	default:
		return &faults[k]
	}
	e := faults[k]
	e.Limit = limit
	return &e
}
