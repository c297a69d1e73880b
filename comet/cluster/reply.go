package cluster

import (
	"bytes"
	"math"
)

// reply parses the answers to XREAD as they arrive:
//
//	*streams, each *2 $key *entries, each *2 $id *texts, each $text
//
// or a null list. Each entry is found as soon as it is complete. What is incomplete is parsed
// again from its beginning when more has arrived; long texts are skipped by their length.
type reply struct {
	begun   bool
	streams int // streams that are still to begin
	stream  int // index of the current stream among the keys
	entries int // entries that the current stream still has
}

// streamEntry is an entry of a stream. Its slices point into the buffer that it was parsed from.
type streamEntry struct {
	stream int // index of its stream among the keys
	id     []byte
	texts  [][]byte // names of fields and their values, by turns
}

// found is the result of next.
type found byte

const (
	foundPart  found = iota // nothing, or something incomplete
	foundEntry              // an entry
	foundEnd                // the end of an answer
)

// Limits for answers of Redis. Memory is only allocated for bytes that have arrived, not for the
// length that an answer announces.
const (
	longestText = 512 << 20 // bytes of a text: Redis' own limit
	longestLine = 4 << 10   // bytes of any other line
	mostTexts   = 1 << 20   // elements of a list
)

// next parses text, the bytes of an answer that are not consumed yet, up to the next entry or the
// end of the answer. used is how many bytes it has consumed. keys are those of the call.
func (a *reply) next(text []byte, keys []string, e *streamEntry) (what found, used int, err error) {
	c := cursor{text: text}
	for {
		switch {
		case a.entries > 0:
			if !c.entry(e) {
				return foundPart, used, c.failed
			}
			a.entries--
			e.stream = a.stream
			return foundEntry, c.at, nil
		case a.begun && a.streams == 0:
			*a = reply{}
			return foundEnd, used, nil
		case !a.begun:
			n, ok := c.list()
			if !ok {
				return foundPart, used, c.failed
			}
			*a = reply{begun: true, streams: n, stream: -1}
		default:
			key, entries, ok := c.stream()
			if !ok {
				return foundPart, used, c.failed
			}
			a.streams--
			for a.stream++; a.stream < len(keys) && keys[a.stream] != string(key); a.stream++ {
			}
			if a.entries = entries; a.stream >= len(keys) {
				return foundPart, used, errAnswer
			}
		}
		used = c.at
	}
}

// cursor parses elements of an answer. Its methods return false if the element is incomplete, or,
// with failed set, if it is malformed or an error of Redis.
type cursor struct {
	text   []byte
	at     int
	failed error
}

// line parses a line, which has a character at least.
func (c *cursor) line() (line []byte, ok bool) {
	rest := c.text[c.at:]
	end := bytes.IndexByte(rest[:min(len(rest), longestLine)], '\n')
	switch {
	case end < 0 && len(rest) < longestLine:
		return nil, false
	case end < 2 || rest[end-1] != '\r':
		c.failed = errAnswer
		return nil, false
	}
	c.at += end + 1
	return rest[: end-1 : end-1], true
}

// number parses a line that consists of kind and a number.
func (c *cursor) number(kind byte) (n int64, ok bool) {
	if rest := c.text[c.at:]; len(rest) > 0 && rest[0] != kind && rest[0] != '-' {
		c.failed = errAnswer
		return 0, false
	}
	line, ok := c.line()
	if !ok {
		return 0, false
	}
	if line[0] == '-' {
		c.failed = newRefusal(line)
		return 0, false
	}
	if n, ok = parseNumber(line[1:]); !ok {
		c.failed = errAnswer
	}
	return n, ok
}

// parseNumber parses a decimal number, which may be negative.
func parseNumber(digits []byte) (n int64, ok bool) {
	const most = 19 // digits of the highest number
	negative := len(digits) > 0 && digits[0] == '-'
	if negative {
		digits = digits[1:]
	}
	if len(digits) == 0 || len(digits) > most {
		return 0, false
	}
	v := uint64(0) // has room for any 19 digits
	for _, digit := range digits {
		if digit < '0' || digit > '9' {
			return 0, false
		}
		v = 10*v + uint64(digit-'0')
	}
	if n = int64(v); negative {
		n = -n
	}
	return n, v <= math.MaxInt64
}

// head parses a line that consists of kind and a length, which must not exceed most. It is -1 for
// null.
func (c *cursor) head(kind byte, most int) (n int, ok bool) {
	v, ok := c.number(kind)
	if ok && (v < -1 || v > int64(most)) {
		c.failed = errAnswer
		return 0, false
	}
	return int(v), ok
}

// numbers parses a list of numbers, and appends them to dst. The result also has what an incomplete
// list begins with.
func (c *cursor) numbers(dst []int64) ([]int64, bool) {
	n, ok := c.list()
	for ; ok && n > 0; n-- {
		var v int64
		if v, ok = c.number(':'); ok {
			dst = append(dst, v)
		}
	}
	return dst, ok
}

// list parses the head of a list. A null list is an empty one.
func (c *cursor) list() (n int, ok bool) {
	n, ok = c.head('*', mostTexts)
	return max(n, 0), ok
}

// pair parses the head of a list of two elements.
func (c *cursor) pair() bool {
	n, ok := c.list()
	if ok && n != 2 {
		c.failed = errAnswer
	}
	return ok && n == 2
}

// word parses a text.
func (c *cursor) word() (text []byte, ok bool) {
	n, ok := c.head('$', longestText)
	switch {
	case !ok:
		return nil, false
	case n < 0:
		c.failed = errAnswer
		return nil, false
	case len(c.text)-c.at < n+2:
		return nil, false
	}
	text = c.text[c.at : c.at+n : c.at+n]
	if c.at += n + 2; c.text[c.at-2] != '\r' || c.text[c.at-1] != '\n' {
		c.failed = errAnswer
		return nil, false
	}
	return text, true
}

// stream parses the head of a stream.
func (c *cursor) stream() (key []byte, entries int, ok bool) {
	if !c.pair() {
		return nil, 0, false
	}
	if key, ok = c.word(); ok {
		entries, ok = c.list()
	}
	return key, entries, ok
}

// entry parses an entry.
func (c *cursor) entry(e *streamEntry) (ok bool) {
	if !c.pair() {
		return false
	}
	if e.id, ok = c.word(); !ok {
		return false
	}
	n, ok := c.list()
	if e.texts = e.texts[:0]; ok && n%2 != 0 {
		c.failed = errAnswer
		return false
	}
	for ; ok && n > 0; n-- {
		var text []byte
		text, ok = c.word()
		e.texts = append(e.texts, text)
	}
	return ok
}

// inlet is the buffer of a connection: the bytes that have arrived and are not consumed yet.
type inlet struct {
	least    int // bytes of room for each read
	text     []byte
	from, to int // the bytes of text that are not consumed
	took     int // bytes consumed since took was set to 0
}

const inletKept = 1 << 20 // a larger buffer is released when it is empty

func (in *inlet) rest() []byte { return in.text[in.from:in.to] }

// take consumes n bytes.
func (in *inlet) take(n int) {
	in.took += n
	if in.from += n; in.from == in.to {
		in.from, in.to = 0, 0
	}
}

// room returns the space for the next bytes. It invalidates the result of rest.
func (in *inlet) room() []byte {
	switch left := in.to - in.from; {
	case left == 0 && len(in.text) > inletKept:
		in.text = nil
	case in.from > 0:
		in.from, in.to = 0, copy(in.text, in.rest())
	}
	if len(in.text)-in.to < in.least {
		more := make([]byte, max(2*len(in.text), 2*in.least))
		copy(more, in.text[:in.to])
		in.text = more
	}
	return in.text[in.to:]
}

func (in *inlet) filled(n int) { in.to += n }
