package httplite

import "encoding/binary"

// Classes of bytes. One table holds all classes, so that a parser touches only four cache lines of it.
const (
	isToken  = 1 << iota // tchar, RFC 9110 5.6.2
	isValue              // field-vchar, SP, HTAB: allowed in a field value, RFC 9110 5.5
	isPath               // allowed in a path, except '%', which two digits must follow, RFC 3986 3.3
	isQuery              // allowed in a query
	isHost               // reg-name except '%', RFC 3986 3.2.2
	isLetter             // not escaped by AppendEscape: unreserved, RFC 3986 2.3
)

var (
	class [256]uint8
	lower [256]uint8 // lower case of ASCII letters; other bytes as they are
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
		// RFC 3986 3.4 allows neither all ASCII in a query nor anything beyond ASCII. But browsers send a query as
		// it is typed, and old clients send raw UTF-8.
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

// validValue reports whether b is allowed as a field value (RFC 9110 5.5). Values are most of a head, so it checks
// eight bytes at once, and single bytes only if one of those is suspicious.
func validValue(b []byte) bool {
	for len(b) >= 8 {
		if suspicious(b) && !all(b[:8], isValue) {
			return false
		}
		b = b[8:]
	}
	return all(b, isValue)
}

// suspicious reports whether one of the first eight bytes of b is below SP or equal to DEL. The subtraction may
// flag a byte above such a byte, too, which does not change the result.
func suspicious(b []byte) bool {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	x := binary.LittleEndian.Uint64(b)
	del := x ^ 0x7f*ones
	return ((x-' '*ones)&^x|(del-ones)&^del)&tops != 0
}

// equalFold reports whether b equals s, ignoring the case of ASCII letters.
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
