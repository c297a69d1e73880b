package httplite

import "bytes"

// head is what requests and responses have in common: the lines, each of which is searched once, and the fields
// that decide how the body is framed and whether the connection persists. It contains only offsets.
//
// However the input is cut, the same rule must fail first. Two things ensure that. A line is checked only when its
// LF has arrived. A limit is a window in which that LF must lie, so it does not matter whether more bytes have
// arrived.
type head struct {
	start  uint32 // where the first line begins, after a tolerated empty line
	pos    uint32 // where the current line begins
	scan   uint32 // there is no LF between pos and here
	phase  phase
	flags  flags
	minor  uint8 // 0: HTTP/1.0; 1: HTTP/1.1 or later
	count  uint8 // header fields so far
	length int64 // Content-Length, if hasLength is set
}

type phase uint8

const (
	phaseEmpty  phase = iota // nothing yet, except perhaps an empty line
	phaseLine                // in the first line
	phaseFields              // in the header
	phaseBody                // the head is complete
	phaseDone                // the message is complete
)

type flags uint8

const (
	hasLength flags = 1 << iota
	hasChunked
	hasHost
	saidClose
	saidKeepAlive
	wantsContinue // 100-continue was asked for, and not reported yet
)

func (f flags) has(bit flags) bool { return f&bit != 0 }

// line looks for the end of the line at pos. It returns the offset of the line's CRLF, or -1 if that has not
// arrived. If the LF does not come before the offset stop, it returns tooLong.
func (h *head) line(buf []byte, stop int, tooLong Kind) (int, Kind) {
	limit := min(len(buf), stop)
	from := int(h.scan)
	if from < limit {
		i := bytes.IndexByte(buf[from:limit], '\n')
		if i >= 0 {
			lf := from + i
			h.scan = uint32(lf + 1)
			// RFC 9112 2.2 lets a recipient accept a bare LF. This one does not: requests can be smuggled past a
			// front end that disagrees about where a line ends.
			if lf == int(h.pos) || buf[lf-1] != '\r' {
				return -1, BareLF
			}
			return lf - 1, 0
		}
		h.scan = uint32(limit)
	}
	if len(buf) >= stop {
		return -1, tooLong
	}
	return -1, 0
}

// firstLine is line for the first line, which has its own limit.
func (h *head) firstLine(buf []byte, l *Limits) (int, Kind) {
	start := int(h.start)
	if stop := l.Line + len("\r\n"); stop <= l.Head {
		return h.line(buf, start+stop, LineTooLong)
	}
	return h.line(buf, start+l.Head, HeadTooLarge)
}

// headerLine is line for a header line.
func (h *head) headerLine(buf []byte, l *Limits) (int, Kind) {
	return h.line(buf, int(h.start)+l.Head, HeadTooLarge)
}

// blame returns BareCR if the line contains a CR, else k. Every rule rejects a CR, so it is enough to ask once some
// rule has failed.
func blame(line []byte, k Kind) Kind {
	if bytes.IndexByte(line, '\r') >= 0 {
		return BareCR
	}
	return k
}

// splitField checks a header line, which is not empty. It returns three offsets in the line: where the name ends,
// and where the value begins and ends.
func splitField(line []byte) (nameEnd, value, end int, k Kind) {
	i := 0
	for i < len(line) && class[line[i]]&isToken != 0 {
		i++
	}
	if i == 0 || i == len(line) || line[i] != ':' {
		return 0, 0, 0, blame(line, nameFault(line, i))
	}
	value, end = i+1, len(line)
	for value < end && (line[value] == ' ' || line[value] == '\t') {
		value++
	}
	for value < end && (line[end-1] == ' ' || line[end-1] == '\t') {
		end--
	}
	if !validValue(line[value:end]) { // RFC 9110 5.5: CR, LF and NUL are dangerous, the rest invalid
		return 0, 0, 0, blame(line, BadHeaderValue)
	}
	return i, value, end, 0
}

// nameFault returns what is wrong with a field name whose first i bytes are valid.
func nameFault(line []byte, i int) Kind {
	if i == 0 && (line[0] == ' ' || line[0] == '\t') {
		return ObsFold // RFC 9112 5.2: reject or replace; and 2.2 for the first header line
	}
	j := i
	for j < len(line) && (line[j] == ' ' || line[j] == '\t') {
		j++
	}
	if i > 0 && j > i && j < len(line) && line[j] == ':' {
		return SpaceBeforeColon // RFC 9112 5.1: must be answered 400
	}
	return BadHeaderName // RFC 9110 5.1: 1*tchar
}

// apply handles a field that decides framing or persistence, and ignores all others.
func (h *head) apply(name, value []byte) Kind {
	switch len(name) {
	case len("Connection"):
		if equalFold(name, "Connection") {
			h.connection(value)
		}
	case len("Content-Length"):
		if equalFold(name, "Content-Length") {
			return h.contentLength(value)
		}
	case len("Transfer-Encoding"):
		if equalFold(name, "Transfer-Encoding") {
			return h.transferEncoding(value)
		}
	}
	return 0
}

func (h *head) connection(value []byte) {
	if HasToken(value, "close") {
		h.flags |= saidClose
	}
	if HasToken(value, "keep-alive") {
		h.flags |= saidKeepAlive
	}
}

// keepAlive follows RFC 9112 9.3: close always wins; HTTP/1.1 persists by default, HTTP/1.0 on request.
func (h *head) keepAlive() bool {
	if h.flags.has(saidClose) {
		return false
	}
	return h.minor == 1 || h.flags.has(saidKeepAlive)
}

func (h *head) contentLength(value []byte) Kind {
	if h.flags.has(hasChunked) {
		return LengthAndChunked // RFC 9112 6.1: ought to be handled as an error
	}
	if h.flags.has(hasLength) || bytes.IndexByte(value, ',') >= 0 {
		return ConflictingContentLength // RFC 9112 6.3 rule 5; identical values are an error, too
	}
	if len(value) == 0 {
		return BadContentLength
	}
	n := int64(0)
	for _, c := range value {
		if c < '0' || c > '9' {
			return BadContentLength // RFC 9110 8.6: 1*DIGIT
		}
		// RFC 9110 8.6 sets no upper bound, so a number that does not fit is kept as "too large".
		if n = n*10 + int64(c-'0'); n > tooLongToCount {
			n = tooLongToCount
		}
	}
	h.flags |= hasLength
	h.length = n
	return 0
}

// tooLongToCount stands for any Content-Length of 10^17 bytes or more.
const tooLongToCount = 1e17

func (h *head) transferEncoding(value []byte) Kind {
	if h.minor == 0 {
		return BadTransferEncoding // RFC 9112 6.1: the framing is faulty
	}
	if h.flags.has(hasLength) {
		return LengthAndChunked
	}
	if equalFold(value, "chunked") {
		if h.flags.has(hasChunked) {
			return BadTransferEncoding // RFC 9112 7: a sender must not apply chunked twice
		}
		h.flags |= hasChunked
		return 0
	}
	if h.flags.has(hasChunked) {
		return BadTransferEncoding // another coding after chunked
	}
	return codingFault(value)
}

// codingFault distinguishes a list of unknown codings with chunked at its end (501, RFC 9112 6.1) from all other
// values (400). Without chunked at the end, the end of the body is unknown; that must be answered 400 (6.3 rule 4),
// whether the codings are known or not. Empty elements, which other lists may have, are refused: their only use is
// to hide a coding.
func codingFault(value []byte) Kind {
	k := BadTransferEncoding
	for {
		item, rest, more := bytes.Cut(value, []byte(","))
		item, value = trim(item), rest
		if equalFold(item, "chunked") {
			if more {
				return BadTransferEncoding
			}
			return k
		}
		if i := bytes.IndexByte(item, ';'); i >= 0 {
			item = trim(item[:i]) // transfer parameters; chunked has none
		}
		if !more || len(item) == 0 || !all(item, isToken) || equalFold(item, "chunked") {
			return BadTransferEncoding
		}
		k = UnsupportedTransferEncoding
	}
}

// parseVersion parses an HTTP version (RFC 9112 2.3), which is case-sensitive. An unknown minor version counts as
// the highest known one (RFC 9110 2.5).
func parseVersion(b []byte) (minor uint8, k Kind) {
	if len(b) != len("HTTP/1.1") || string(b[:5]) != "HTTP/" || b[6] != '.' ||
		b[5] < '0' || b[5] > '9' || b[7] < '0' || b[7] > '9' {
		return 0, BadVersion
	}
	if b[5] != '1' {
		return 0, UnsupportedVersion
	}
	return min(b[7]-'0', 1), 0
}

// HasToken reports whether list, a comma-separated field value such as Connection's, has the element token,
// ignoring case (RFC 9110 5.6.1). It does not parse quoted strings.
func HasToken(list []byte, token string) bool {
	for len(list) >= len(token) {
		i := bytes.IndexByte(list, ',')
		if i < 0 {
			return equalFold(trim(list), token)
		}
		if equalFold(trim(list[:i]), token) {
			return true
		}
		list = list[i+1:]
	}
	return false
}
