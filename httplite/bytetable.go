package httplite

import "encoding/binary"

// What a byte may be. One table holds all classes, so that a parser touches four cache lines of it.
const (
	isToken  = 1 << iota // tchar, RFC 9110 5.6.2
	isValue              // field-vchar, SP, HTAB: what a field value may hold, RFC 9110 5.5
	isPath               // a path's bytes but '%', which needs two digits behind it, RFC 3986 3.3
	isQuery              // a query's bytes
	isHost               // reg-name but '%', RFC 3986 3.2.2
	isLetter             // what AppendEscape leaves alone: unreserved, RFC 3986 2.3
)

var (
	class [256]uint8
	lower [256]uint8 // ASCII letters to lower case; the rest as it is
	unhex [256]uint8 // value of a hexadecimal digit, or notHex
)

const notHex = 0xff

func init() {
	for c := range 256 {
		b := byte(c)
		lower[c], unhex[c] = b, notHex
		digit := '0' <= b && b <= '9'
		letter := 'a' <= b|0x20 && b|0x20 <= 'z'
		switch {
		case digit:
			unhex[c] = b - '0'
		case letter:
			lower[c] = b | 0x20
			if b|0x20 <= 'f' {
				unhex[c] = b | 0x20 - 'a' + 10
			}
		}
		if digit || letter {
			class[c] |= isToken | isPath | isHost | isLetter
		}
		if b == '\t' || b >= ' ' && b != 0x7f {
			class[c] |= isValue
		}
		if b > ' ' && b < 0x7f {
			class[c] |= isQuery
		}
		// Not all ASCII may stand in a query (RFC 3986 3.4), and nothing outside it, but browsers send the one
		// as it is typed, and old clients raw UTF-8.
		if b >= 0x80 {
			class[c] |= isQuery
		}
	}
	mark(isToken, "!#$%&'*+-.^_`|~")
	mark(isPath, "-._~!$&'()*+,;=:@/")
	mark(isHost, "-._~!$&'()*+,;=")
	mark(isLetter, "-._~")
	class['#'] &^= isQuery // a fragment is never sent, RFC 9112 3.2.1
}

func mark(bits uint8, set string) {
	for i := range len(set) {
		class[set[i]] |= bits
	}
}

// all reports whether every byte of b is of the class.
func all(b []byte, bits uint8) bool {
	for _, c := range b {
		if class[c]&bits == 0 {
			return false
		}
	}
	return true
}

// validValue reports whether b may stand in a field value (RFC 9110 5.5). Values are most of a head, so
// it looks at eight bytes at once, and at each only where there is reason to.
func validValue(b []byte) bool {
	for len(b) >= 8 {
		if suspicious(b) && !all(b[:8], isValue) {
			return false
		}
		b = b[8:]
	}
	return all(b, isValue)
}

// suspicious reports whether one of the first eight bytes of b may be below SP or equal to DEL. Beside the
// right ones it may suspect a byte above one that is suspected; it never misses one.
func suspicious(b []byte) bool {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	x := binary.LittleEndian.Uint64(b)
	del := x ^ 0x7f*ones
	return ((x-' '*ones)&^x|(del-ones)&^del)&tops != 0
}

// equalFold reports whether b equals s, letters in either case. Both are bytes: nothing beyond ASCII folds.
func equalFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i, c := range b {
		if lower[c] != lower[s[i]] {
			return false
		}
	}
	return true
}

// trim removes optional white space (RFC 9110 5.6.3) from both ends.
func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}
