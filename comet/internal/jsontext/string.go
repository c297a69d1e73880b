package jsontext

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// Plain returns how many bytes at the start of s are plain ASCII that needs no escape in a JSON
// string. Most strings are either shorter than eight bytes or much longer.
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

// first returns which of eight bytes is the first odd one.
func first(odd uint64) int { return bits.TrailingZeros64(odd) / 8 }

const ones, tops = 0x0101010101010101, 0x8080808080808080

// odd sets the top bit of each of eight bytes that is below a space, not ASCII, a quote or a
// backslash. It may also set those of bytes after such a byte, because only such a byte
// borrows.
func odd(s []byte) uint64 {
	v := binary.LittleEndian.Uint64(s)
	quote := v ^ ones*('"'^' ') // turns a quote into a space, and nothing else into less than that
	return ((quote - ones*(' '+1)) | v | (v ^ ones*'\\' - ones)) & tops
}

func isPlain(b byte) bool { return b >= ' ' && b != '"' && b != '\\' && b < utf8.RuneSelf }

// half stands for half a surrogate pair. In UTF-8 it has the length of the character that
// replaces it.
const half = utf8.MaxRune + 1

// escape returns the character of the escape at the start of s, and the length of the escape;
// both halves of a surrogate pair are one escape. char is half if one is missing, n is 0 if
// there is no valid escape.
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

// codeUnit returns the value of the \uXXXX at the start of s, -1 if there is none.
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
