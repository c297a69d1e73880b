package httplite

import "bytes"

// Args walks over "a=1&b=2", a query or a form, without decoding or copying. It is used by one goroutine
// at a time; a copy walks on by itself.
type Args struct{ rest []byte }

// ParseArgs returns an iterator over raw, which must not change while it is used.
func ParseArgs(raw []byte) Args { return Args{raw} }

// Next returns the next pair as it was sent: give both to Unescape or AppendUnescape. A piece without '='
// has a nil value, one with nothing behind it an empty one; empty pieces, as in "&&", are passed over. Only
// '&' separates. After the last pair, ok is false.
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

// GetArg returns the value, not decoded, of the first pair in raw whose key, decoded, equals name. It does
// not allocate.
func GetArg(raw []byte, name string) (value []byte, ok bool) { return getArg(raw, name, false) }

// GetArgFold is GetArg with ASCII letters of either case in the key and in name.
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

// EqualUnescapedFold is EqualUnescaped with ASCII letters of either case in src and in name.
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

// Unescape decodes b in place, '+' to a space and %XX to a byte, and returns the beginning of b that holds
// the result. A '%' without two hexadecimal digits behind it is itself, as in the URL standard (WHATWG URL,
// percent-decoding): "100%" needs no escape to be understood.
func Unescape(b []byte) []byte {
	at := plain(b)
	return AppendUnescape(b[:at], b[at:])
}

// AppendUnescape appends src, decoded as by Unescape, to dst. src is not changed, unless dst is the storage
// right before it, which is allowed: the result never outgrows what it is read from.
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

// plain returns how many bytes at the start of b stand for themselves.
func plain(b []byte) int {
	for i, c := range b {
		if c == '%' || c == '+' {
			return i
		}
	}
	return len(b)
}

// AppendEscape appends src with all but letters, digits and "-._~" as %XX, so that it may stand in a query
// as a key or a value, or in a path as a segment. A space becomes %20, which every decoder understands.
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

// IsForm reports whether a Content-Type value is application/x-www-form-urlencoded, letters in either
// case, whatever parameters follow.
func IsForm(contentType []byte) bool {
	if i := bytes.IndexByte(contentType, ';'); i >= 0 {
		contentType = contentType[:i]
	}
	return equalFold(trim(contentType), "application/x-www-form-urlencoded")
}
