package websocket

// Rules says at which end of a connection frames are read, what was agreed on, and what a message may cost.
// The zero value is for a server, without compression, with the default limits; so is a nil *Rules. Rules are
// only read while parsing: one value may serve any number of goroutines as long as none writes to it.
type Rules struct {
	Client    bool // frames are read by a client: they must not be masked; else they must be
	Deflate   bool // permessage-deflate was agreed on
	Message   int  // bytes of a message, joined and inflated; zero or less: DefaultMessage
	Fragments int  // frames of a message; zero or less: DefaultFragments
}

// The limits in force where none are given.
const (
	DefaultMessage   = 1 << 20
	DefaultFragments = 4096
)

// MaxMessage is the most that Rules.Message can be: more means this.
const MaxMessage = 1 << 48

func (r *Rules) message() int {
	if r.Message <= 0 {
		return DefaultMessage
	}
	return min(r.Message, MaxMessage)
}

// compressed returns the most bytes that a message within the limit may take compressed. Deflate never needs
// more than nine bits for a byte (RFC 1951 3.2.6), and a little for the blocks.
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

// fail returns the error for k, with the number of the limit it is about.
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
