package websocket

import "unicode/utf8"

// utf8Check is the position within a character of a text: the next byte must be from lo to hi, and need
// bytes are missing in all. The zero value is between two characters.
type utf8Check struct{ need, lo, hi uint8 }

// write checks the next bytes of a text, and reports whether the text can still be UTF-8 (RFC 3629 4).
// An error is detected at the first byte that makes it certain (RFC 6455 8.1).
func (u *utf8Check) write(p []byte) bool {
	for ; u.need > 0 && len(p) > 0; p = p[1:] {
		if !u.next(p[0]) {
			return false
		}
	}
	whole := len(p) - incomplete(p)
	if !utf8.Valid(p[:whole]) {
		return false
	}
	for i, c := range p[whole:] {
		if i == 0 {
			u.begin(c)
		} else if !u.next(c) {
			return false
		}
	}
	return true
}

// done reports whether the text may end here.
func (u *utf8Check) done() bool { return u.need == 0 }

func (u *utf8Check) next(c byte) bool {
	if c < u.lo || c > u.hi {
		return false
	}
	u.need, u.lo, u.hi = u.need-1, 0x80, 0xBF
	return true
}

// begin takes the first byte of a multi-byte character, C2 to F4.
func (u *utf8Check) begin(c byte) {
	*u = utf8Check{need: uint8(size(c) - 1), lo: 0x80, hi: 0xBF}
	switch c {
	case 0xE0:
		u.lo = 0xA0 // a lower byte would make an overlong encoding
	case 0xED:
		u.hi = 0x9F // a higher byte would make a surrogate
	case 0xF0:
		u.lo = 0x90 // a lower byte would make an overlong encoding
	case 0xF4:
		u.hi = 0x8F // a higher byte would be beyond U+10FFFF
	}
}

// incomplete returns the length of an incomplete character at the end of p.
func incomplete(p []byte) int {
	for n := 1; n <= min(3, len(p)); n++ {
		if c := p[len(p)-n]; c&0xC0 != 0x80 {
			if size(c) > n {
				return n
			}
			return 0
		}
	}
	return 0
}

// size returns the length of a character that begins with c; 1 also if no character does.
func size(c byte) int {
	switch {
	case c < 0xC2 || c > 0xF4:
		return 1
	case c < 0xE0:
		return 2
	case c < 0xF0:
		return 3
	}
	return 4
}
