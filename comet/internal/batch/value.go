package batch

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxDepth is how many arrays and objects may stand in each other within a content.
const MaxDepth = 128

func (r *Reader) peek() byte {
	if r.pos < len(r.in) {
		return r.in[r.pos]
	}
	return 0
}

// take takes a byte if it is the next.
func (r *Reader) take(b byte) bool {
	if r.pos < len(r.in) && r.in[r.pos] == b {
		r.pos++
		return true
	}
	return false
}

func (r *Reader) space() {
	for r.pos < len(r.in) {
		switch r.in[r.pos] {
		case ' ', '\t', '\n', '\r':
			r.pos++
		default:
			return
		}
	}
}

// plain is how many bytes s begins with that stand for themselves in a JSON string, one byte
// a character.
func plain(s []byte) int {
	rest := s
	for len(rest) >= 32 {
		p := (*[32]byte)(rest)
		if (odd(p[0:])|odd(p[8:])|odd(p[16:])|odd(p[24:]))&tops != 0 {
			break
		}
		rest = rest[32:]
	}
	for ; len(rest) >= 8; rest = rest[8:] {
		// The lowest top bit is that of the first byte which is odd.
		if v := odd(rest) & tops; v != 0 {
			return len(s) - len(rest) + bits.TrailingZeros64(v)/8
		}
	}
	for len(rest) > 0 && isPlain(rest[0]) {
		rest = rest[1:]
	}
	return len(s) - len(rest)
}

const ones, tops = 0x0101010101010101, 0x8080808080808080

// odd sets the top bits of those of eight bytes that are below a space, no ASCII, or one of
// two characters, and may set those of bytes behind such a one: a borrow comes from it alone.
func odd(s []byte) uint64 {
	v := binary.LittleEndian.Uint64(s)
	return (v - ones*' ') | v | (v ^ ones*'"' - ones) | (v ^ ones*'\\' - ones)
}

func isPlain(b byte) bool { return b >= ' ' && b != '"' && b != '\\' && b < utf8.RuneSelf }

// stringText reads a string (RFC 8259 7): valid UTF-8, and no half of a surrogate pair.
func (r *Reader) stringText() (t text, ok bool) {
	if !r.take('"') {
		return t, r.fail("want a string")
	}
	t.str = true
	at, less := r.pos, 0 // bytes that the text has more than what it says
	for {
		r.pos += plain(r.in[r.pos:])
		if r.pos == len(r.in) {
			return t, r.fail("a string has no end")
		}
		switch b := r.in[r.pos]; {
		case b == '"':
			t.raw = r.in[at:r.pos:r.pos]
			t.size = len(t.raw) - less
			r.pos++
			return t, true
		case b == '\\':
			char, n := escape(r.in[r.pos:])
			if n == 0 {
				return t, r.fail("an escape that is none in JSON, or half of a character")
			}
			t.escapes = true
			less += n - utf8.RuneLen(char)
			r.pos += n
		case b < ' ':
			return t, r.fail("a control character in a string: it is to be escaped")
		default:
			char, n := utf8.DecodeRune(r.in[r.pos:])
			if char == utf8.RuneError && n == 1 {
				return t, r.fail("not UTF-8")
			}
			t.separators = t.separators || char == 0x2028 || char == 0x2029
			r.pos += n
		}
	}
}

// escape is the character that the escape at the beginning of s stands for, and the length of
// that, with both halves of a surrogate pair; 0 where there is none.
func escape(s []byte) (char rune, n int) {
	if len(s) < 2 {
		return 0, 0
	}
	switch s[1] {
	case '"', '\\', '/':
		return rune(s[1]), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	}
	char = codeUnit(s)
	if !utf16.IsSurrogate(char) {
		if char < 0 {
			return 0, 0
		}
		return char, 6
	}
	if char = utf16.DecodeRune(char, codeUnit(s[6:])); char == utf8.RuneError {
		return 0, 0
	}
	return char, 12
}

// codeUnit is the value of the \uXXXX at the beginning of s, -1 where there is none.
func codeUnit(s []byte) (v rune) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return -1
	}
	for _, b := range s[2:6] {
		switch {
		case b >= '0' && b <= '9':
			b -= '0'
		case b >= 'a' && b <= 'f':
			b -= 'a' - 10
		case b >= 'A' && b <= 'F':
			b -= 'A' - 10
		default:
			return -1
		}
		v = v<<4 | rune(b)
	}
	return v
}

// unescape decodes what a string says, which is good.
func (r *Reader) unescape(raw []byte) []byte {
	at := len(r.decoded)
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			r.decoded = append(r.decoded, raw[i])
			i++
			continue
		}
		char, n := escape(raw[i:])
		r.decoded = utf8.AppendRune(r.decoded, char)
		i += n
	}
	return r.decoded[at:len(r.decoded):len(r.decoded)]
}

// nesting says what the arrays and objects are that a value is in: a bit each, 1 for an object.
type nesting struct {
	bits  [MaxDepth / 64]uint64
	depth int
}

func (n *nesting) enter(object bool) {
	word, bit := &n.bits[n.depth/64], uint64(1)<<(n.depth%64)
	*word &^= bit
	if object {
		*word |= bit
	}
	n.depth++
}

func (n *nesting) inObject() bool { return n.bits[(n.depth-1)/64]&(1<<((n.depth-1)%64)) != 0 }

// skip reads a value of any kind, and returns its length.
func (r *Reader) skip() (n int, ok bool) {
	var in nesting
	at := r.pos
	for {
		opened, ok := r.begin(&in)
		if !ok {
			return 0, false
		}
		for !opened { // a value has ended: what stands behind it?
			if in.depth == 0 {
				return r.pos - at, true
			}
			object := in.inObject()
			switch r.space(); {
			case r.take(','):
				if r.space(); object && !r.nameAndColon() {
					return 0, false
				}
				opened = true // the next value
			case object && r.take('}'), !object && r.take(']'):
				in.depth--
			case object:
				return 0, r.fail("want , or } in an object")
			default:
				return 0, r.fail("want , or ] in an array")
			}
		}
	}
}

// begin reads a value up to its end, or up to the first value in it: then it has opened.
func (r *Reader) begin(in *nesting) (opened, ok bool) {
	switch b := r.peek(); b {
	case '"':
		_, ok = r.stringText()
		return false, ok
	case '{', '[':
		if in.depth == MaxDepth {
			return false, r.fail("nested too deep: at most 128 arrays and objects in each other")
		}
		r.pos++
		if r.space(); b == '[' && r.take(']') || b == '{' && r.take('}') {
			return false, true
		}
		in.enter(b == '{')
		return true, b == '[' || r.nameAndColon()
	case 't':
		return false, r.literal("true")
	case 'f':
		return false, r.literal("false")
	case 'n':
		return false, r.literal("null")
	}
	return false, r.number()
}

// nameAndColon reads what stands before a value in an object.
func (r *Reader) nameAndColon() bool {
	if _, ok := r.stringText(); !ok {
		return false
	}
	if r.space(); !r.take(':') {
		return r.fail("want a colon behind a member's name")
	}
	r.space()
	return true
}

func (r *Reader) literal(word string) bool {
	if len(r.in)-r.pos < len(word) || string(r.in[r.pos:r.pos+len(word)]) != word {
		return r.fail("want a value: a string, a number, an array, an object, true, false or null")
	}
	r.pos += len(word)
	return true
}

// number reads a number (RFC 8259 6).
func (r *Reader) number() bool {
	r.take('-')
	if !r.take('0') && !r.digits() {
		return r.fail("want a value: a string, a number, an array, an object, true, false or null")
	}
	if r.take('.') && !r.digits() {
		return r.fail("a number without a digit behind its point")
	}
	if r.take('e') || r.take('E') {
		if !r.take('+') {
			r.take('-')
		}
		if !r.digits() {
			return r.fail("a number without a digit in its exponent")
		}
	}
	return true
}

// digits takes some, one at the least.
func (r *Reader) digits() bool {
	at := r.pos
	for r.pos < len(r.in) && r.in[r.pos] >= '0' && r.in[r.pos] <= '9' {
		r.pos++
	}
	return r.pos > at
}
