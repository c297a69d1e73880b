package httplite

// MaxHeaders is the number of header fields that a Request has room for. A larger Limits.Headers means MaxHeaders.
const MaxHeaders = 128

// Ceilings that keep offsets and sums within their types. A limit above its ceiling means the ceiling.
const (
	maxHead = 1 << 30
	maxBody = 1 << 48
)

// Limits bounds what a message may cost. A field that is zero or negative means the value in DefaultLimits, and a
// nil *Limits means all of them. Parsing only reads a Limits, so goroutines may share one as long as none writes to
// it.
type Limits struct {
	Line    int // bytes of the request line (or status line), without its CRLF; default 8192
	Head    int // bytes of the whole head, from the first line to the empty line inclusive; default 16384
	Headers int // header fields; default 128, at most MaxHeaders
	Body    int // bytes of the decoded body of a request; default 1<<20. Responses are read in pieces and have no such limit
}

// DefaultLimits are the limits that apply if none are given. Change them, if at all, before anything is parsed.
var DefaultLimits = Limits{Line: 8192, Head: 16384, Headers: MaxHeaders, Body: 1 << 20}

// MaxInput returns the most bytes that a caller may have to hold for one request within l: an empty line before it,
// its head, and its body. The worst body comes in chunks of one byte, six bytes each, with all extensions and
// trailers that are allowed.
func (l *Limits) MaxInput() int {
	eff := l.resolve()
	return len("\r\n") + 2*eff.Head + 6*eff.Body + len(LastChunk)
}

// resolve returns l with defaults for missing values, and ceilings for values that are too large.
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

// fail returns the error for k, with the number of the limit that was exceeded, if any.
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
