package httplite

import "bytes"

// Args iterates over a query or a form, such as "a=1&b=2", without decoding or copying. Only one goroutine at a
// time may use it. A copy iterates independently.
type Args struct{ rest []byte }

// ParseArgs returns an iterator over raw, which must not change while it is used.
func ParseArgs(raw []byte) Args { return Args{raw} }

// Next returns the next pair as it was sent: decode both with Unescape or AppendUnescape. The value of a piece
// without '=' is nil; it is empty if nothing follows the '='. Empty pieces, as in "&&", are skipped. Only '&'
// separates. After the last pair, ok is false.
func (a *Args) Next() (key, value []byte, ok bool) {
	for len(a.rest) > 0 {
		piece := a.rest
		if i := bytes.IndexByte(piece, '&'); i >= 0 {
			piece, a.rest = piece[:i:i], piece[i+1:]
		} else {
			a.rest = nil
		}
		if len(piece) == 0 {
			continue
		}
		if i := bytes.IndexByte(piece, '='); i >= 0 {
			return piece[:i:i], piece[i+1:], true
		}
		return piece, nil, true
	}
	return nil, nil, false
}

// GetArg returns the value, not decoded, of the first pair in raw whose decoded key equals name. It does not
// allocate.
func GetArg(raw []byte, name string) (value []byte, ok bool) { return getArg(raw, name, false) }

// GetArgFold is GetArg, but ignores the case of ASCII letters in the key and in name.
func GetArgFold(raw []byte, name string) (value []byte, ok bool) { return getArg(raw, name, true) }

func getArg(raw []byte, name string, fold bool) (value []byte, ok bool) {
	for args := ParseArgs(raw); ; {
		key, value, ok := args.Next()
		if !ok {
			return nil, false
		}
		if equalUnescaped(key, name, fold) {
			return value, true
		}
	}
}

// EqualUnescaped reports whether src, decoded, equals name. It does not allocate.
func EqualUnescaped(src []byte, name string) bool { return equalUnescaped(src, name, false) }

// EqualUnescapedFold is EqualUnescaped, but ignores the case of ASCII letters in src and in name.
func EqualUnescapedFold(src []byte, name string) bool { return equalUnescaped(src, name, true) }

func equalUnescaped(src []byte, name string, fold bool) bool {
	if len(src) < len(name) {
		return false
	}
	i := 0
	for j := range len(name) {
		if i >= len(src) {
			return false
		}
		c := src[i]
		switch {
		case c == '+':
			c = ' '
		case c == '%' && escaped(src, i):
			c = unhex[src[i+1]]<<4 | unhex[src[i+2]]
			i += 2
		}
		if c != name[j] && !(fold && lower[c] == lower[name[j]]) {
			return false
		}
		i++
	}
	return i == len(src)
}

// Unescape decodes b in place, '+' to a space and %XX to a byte, and returns the beginning of b that holds the
// result. A '%' that is not followed by two hexadecimal digits stays, as in the URL standard (WHATWG URL,
// percent-decoding): "100%" is understood without an escape.
func Unescape(b []byte) []byte {
	at := plain(b)
	return AppendUnescape(b[:at], b[at:])
}

// AppendUnescape appends src, decoded as by Unescape, to dst. It does not change src, unless src follows dst in the
// same storage. That is allowed, because the result is never longer than what was read.
func AppendUnescape(dst, src []byte) []byte {
	for i := 0; i < len(src); i++ {
		c := src[i]
		switch {
		case c == '+':
			c = ' '
		case c == '%' && escaped(src, i):
			c = unhex[src[i+1]]<<4 | unhex[src[i+2]]
			i += 2
		}
		dst = append(dst, c)
	}
	return dst
}

// plain returns how many bytes at the start of b need no decoding.
func plain(b []byte) int {
	for i, c := range b {
		if c == '%' || c == '+' {
			return i
		}
	}
	return len(b)
}

// AppendEscape appends src with everything but letters, digits and "-._~" as %XX. The result is valid as a key or
// value in a query, and as a segment of a path. A space becomes %20, which every decoder understands.
func AppendEscape(dst, src []byte) []byte {
	for _, c := range src {
		if class[c]&isLetter != 0 {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return dst
}

const upperHex = "0123456789ABCDEF"

// IsForm reports whether a Content-Type value is application/x-www-form-urlencoded, ignoring case and parameters.
func IsForm(contentType []byte) bool {
	if i := bytes.IndexByte(contentType, ';'); i >= 0 {
		contentType = contentType[:i]
	}
	return equalFold(trim(contentType), "application/x-www-form-urlencoded")
}
