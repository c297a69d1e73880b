package httplite

// MaxHeaders is the most header fields a Request has room for, whatever Limits.Headers says.
const MaxHeaders = 128

// Ceilings that keep offsets and sums within their types; a limit above its ceiling means the ceiling.
const (
	maxHead = 1 << 30
	maxBody = 1 << 48
)

// Limits bounds what a message may cost. A field that is zero or negative takes its value from
// DefaultLimits, and a nil *Limits means all of them. A Limits is only read while parsing, so one value
// may serve any number of goroutines as long as none writes to it.
type Limits struct {
	Line    int // bytes of the request line (or status line), without its CRLF; default 8192
	Head    int // bytes of the whole head, first line to the empty line inclusive; default 16384
	Headers int // header fields; default 128, at most MaxHeaders
	Body    int // bytes of the decoded body of a request; default 1<<20. Responses are read in pieces and have no such bound
}

// DefaultLimits are the limits in force where none are given. It is to be changed, if at all, before
// anything is parsed.
var DefaultLimits = Limits{Line: 8192, Head: 16384, Headers: MaxHeaders, Body: 1 << 20}

// MaxInput returns the most bytes a caller may have to hold for one request which keeps within l: the
// empty line before it, its head, and its body. The worst body comes in chunks of one byte, at six bytes
// each, with every byte of chunk extensions and trailers it is allowed.
func (l *Limits) MaxInput() int {
	eff := l.resolve()
	return len("\r\n") + 2*eff.Head + 6*eff.Body + len(LastChunk)
}

// resolve returns l with defaults in place of what is missing and ceilings in place of what is too large.
func (l *Limits) resolve() Limits {
	if l == nil {
		l = &DefaultLimits
	}
	return Limits{
		Line:    pick(l.Line, DefaultLimits.Line, maxHead),
		Head:    pick(l.Head, DefaultLimits.Head, maxHead),
		Headers: pick(l.Headers, DefaultLimits.Headers, MaxHeaders),
		Body:    pick(l.Body, DefaultLimits.Body, maxBody),
	}
}

func pick(value, fallback, ceiling int) int {
	if value <= 0 {
		value = fallback
	}
	return min(value, ceiling)
}

// fail returns the error for k, with the number of the limit it is about.
func (l *Limits) fail(k Kind) *Error {
	limit := 0
	switch k {
	case LineTooLong:
		limit = l.Line
	case HeadTooLarge, ChunkExtTooLarge:
		limit = l.Head
	case TooManyHeaders:
		limit = l.Headers
	case BodyTooLarge:
		limit = l.Body
	default:
		return &faults[k]
	}
	e := faults[k]
	e.Limit = limit
	return &e
}
