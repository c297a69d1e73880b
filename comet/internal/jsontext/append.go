package jsontext

import (
	"strconv"
	"time"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// AppendEscaped appends s, valid UTF-8, as the inside of a JSON string that is also a
// JavaScript string: U+2028 and U+2029 are escaped for older readers of JSONP.
func AppendEscaped(dst, s []byte) []byte {
	done := 0
	for i := 0; i < len(s); i++ {
		b := s[i]
		if b >= ' ' && b != '"' && b != '\\' && b != 0xE2 {
			continue
		}
		if b == 0xE2 {
			if isLineSeparator(s[i:]) {
				dst = appendLineSeparator(append(dst, s[done:i]...), s[i:])
				i += 2
				done = i + 1
			}
			continue
		}
		dst = append(dst, s[done:i]...)
		done = i + 1
		switch b {
		case '"', '\\':
			dst = append(dst, '\\', b)
		case '\b':
			dst = append(dst, `\b`...)
		case '\f':
			dst = append(dst, `\f`...)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		default:
			dst = append(dst, `\u00`...)
			dst = append(dst, hexDigits[b>>4], hexDigits[b&15])
		}
	}
	return append(dst, s[done:]...)
}

// isLineSeparator reports whether s begins with U+2028 or U+2029.
func isLineSeparator(s []byte) bool {
	return len(s) >= 3 && s[0] == 0xE2 && s[1] == 0x80 && (s[2] == 0xA8 || s[2] == 0xA9)
}

// appendLineSeparator appends the escape of the line separator at the start of s.
func appendLineSeparator(dst, s []byte) []byte {
	return append(append(dst, `\u202`...), '8'+s[2]-0xA8)
}

// AppendChecked appends s, which should be the inside of a JSON string (RFC 8259 section
// 7). If it is not, ok is false and bad is the index of the error. Escaped surrogates must
// come in pairs: half of one is no character. U+2028 and U+2029 are escaped.
func AppendChecked(dst, s []byte) (out []byte, bad int, ok bool) {
	for i := 0; i < len(s); {
		switch b := s[i]; {
		case b < ' ' || b == '"':
			return dst, i, false
		case b == '\\':
			char, n := escape(s[i:])
			if n == 0 || char == half {
				return dst, i, false
			}
			dst = append(dst, s[i:i+n]...)
			i += n
		case b == 0xE2 && isLineSeparator(s[i:]):
			dst = appendLineSeparator(dst, s[i:])
			i += 3
		case b < utf8.RuneSelf:
			dst = append(dst, b)
			i++
		default:
			r, n := utf8.DecodeRune(s[i:])
			if r == utf8.RuneError && n == 1 {
				return dst, i, false
			}
			dst = append(dst, s[i:i+n]...)
			i += n
		}
	}
	return dst, 0, true
}

// AppendField appends a member of a JSON object whose value is a number. between separates it
// from the member before.
func AppendField(dst []byte, between, name string, value int64) []byte {
	dst = append(append(append(append(dst, between...), '"'), name...), `": `...)
	return strconv.AppendInt(dst, value, 10)
}

// AppendSeconds appends a duration as JSON: seconds, with one decimal; 0 for a negative one.
func AppendSeconds(dst []byte, d time.Duration) []byte {
	return strconv.AppendFloat(dst, max(d, 0).Seconds(), 'f', 1, 64)
}
