package jsontext

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// Plain is how many bytes s begins with that stand for themselves in a JSON string, one byte
// a character. Most strings are either shorter than eight bytes, or longer than many.
func Plain(s []byte) int {
	rest := s
	if len(rest) >= 8 {
		if v := odd(rest); v != 0 {
			return first(v)
		}
		rest = rest[8:]
	}
	for ; len(rest) >= 32; rest = rest[32:] {
		p := (*[32]byte)(rest)
		v0, v1, v2, v3 := odd(p[0:]), odd(p[8:]), odd(p[16:]), odd(p[24:])
		if v0|v1|v2|v3 == 0 {
			continue
		}
		at := len(s) - len(rest)
		switch {
		case v0 != 0:
			return at + first(v0)
		case v1 != 0:
			return at + 8 + first(v1)
		case v2 != 0:
			return at + 16 + first(v2)
		}
		return at + 24 + first(v3)
	}
	for ; len(rest) >= 8; rest = rest[8:] {
		if v := odd(rest); v != 0 {
			return len(s) - len(rest) + first(v)
		}
	}
	for len(rest) > 0 && isPlain(rest[0]) {
		rest = rest[1:]
	}
	return len(s) - len(rest)
}

// first is which of eight bytes is the first that is odd.
func first(odd uint64) int { return bits.TrailingZeros64(odd) / 8 }

const ones, tops = 0x0101010101010101, 0x8080808080808080

// odd has the top bits of those of eight bytes that are below a space, no ASCII, or one of
// two characters, and may have those of bytes behind such a one: a borrow comes from it alone.
func odd(s []byte) uint64 {
	v := binary.LittleEndian.Uint64(s)
	quote := v ^ ones*('"'^' ') // has a space for it, and for none below that something else
	return ((quote - ones*(' '+1)) | v | (v ^ ones*'\\' - ones)) & tops
}

func isPlain(b byte) bool { return b >= ' ' && b != '"' && b != '\\' && b < utf8.RuneSelf }

// half stands for half of a surrogate pair: as long in UTF-8 as what is put in its place.
const half = utf8.MaxRune + 1

// escape is the character that the escape at the beginning of s stands for, and the length of
// that, with both halves of a surrogate pair; half where one is missing; 0 where there is none.
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
		return half, 6
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
