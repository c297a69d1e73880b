package op

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// reader goes through a JSON text (RFC 8259).
type reader struct {
	text []byte
	at   int
	room []byte // where strings are decoded
}

func (r *reader) space() {
	for r.at < len(r.text) {
		switch r.text[r.at] {
		case ' ', '\t', '\n', '\r':
			r.at++
		default:
			return
		}
	}
}

// take takes one byte, if it is the next.
func (r *reader) take(c byte) bool {
	if r.at < len(r.text) && r.text[r.at] == c {
		r.at++
		return true
	}
	return false
}

// str takes a string, and returns what is between its quotes; plain: without a backslash.
func (r *reader) str() (inside []byte, plain, ok bool) {
	if !r.take('"') {
		return nil, false, false
	}
	plain = true
	for from := r.at; r.at < len(r.text); r.at++ {
		switch c := r.text[r.at]; {
		case c == '"':
			r.at++
			return r.text[from : r.at-1 : r.at-1], plain, true
		case c < ' ':
			return nil, false, false
		case c == '\\':
			plain = false
			if r.at++; !r.escape() {
				return nil, false, false
			}
		}
	}
	return nil, false, false
}

// escape checks what stands behind a backslash, and leaves the last byte of it.
func (r *reader) escape() bool {
	if r.at >= len(r.text) {
		return false
	}
	switch r.text[r.at] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		if _, ok := unit(r.text[r.at+1:]); ok {
			r.at += 4
			return true
		}
	}
	return false
}

// unit reads the four hex digits of a UTF-16 code unit.
func unit(p []byte) (v rune, ok bool) {
	if len(p) < 4 {
		return 0, false
	}
	for _, c := range p[:4] {
		switch {
		case c >= '0' && c <= '9':
			v = v<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			v = v<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return v, true
}

// escapes are what the letters behind a backslash stand for.
var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// decode returns what the inside of a string says; false: half a surrogate pair is in it.
func (r *reader) decode(s []byte) ([]byte, bool) {
	i := bytes.IndexByte(s, '\\')
	if i < 0 {
		return s, true
	}
	from := len(r.room)
	for ; i >= 0; i = bytes.IndexByte(s, '\\') {
		r.room = append(r.room, s[:i]...)
		if s = s[i+1:]; s[0] != 'u' {
			r.room = append(r.room, escapes[s[0]])
			s = s[1:]
			continue
		}
		v, _ := unit(s[1:])
		s = s[5:]
		if utf16.IsSurrogate(v) {
			low, ok := rune(0), false
			if len(s) >= 6 && s[0] == '\\' && s[1] == 'u' {
				low, ok = unit(s[2:])
			}
			if v = utf16.DecodeRune(v, low); !ok || v == utf8.RuneError {
				return nil, false
			}
			s = s[6:]
		}
		r.room = utf8.AppendRune(r.room, v)
	}
	r.room = append(r.room, s...)
	return r.room[from:len(r.room):len(r.room)], true
}

// skip takes a value of any kind, which is in the operation's object.
func (r *reader) skip() error {
	var in [MaxDepth + 1]byte // what closes each object and array that is open; [0] is the operation's own
	depth := 0
	for {
		opened, err := r.begin()
		if err != nil {
			return err
		}
		if opened != 0 {
			if depth++; depth >= MaxDepth {
				return errDepth
			}
			in[depth] = opened
			r.space()
			if !r.take(opened) {
				if opened == '}' && !r.key() {
					return errSyntax
				}
				continue
			}
			depth--
		}
		for { // a value has ended
			if depth == 0 {
				return nil
			}
			r.space()
			if r.take(',') {
				break
			}
			if !r.take(in[depth]) {
				return errSyntax
			}
			depth--
		}
		r.space()
		if in[depth] == '}' && !r.key() {
			return errSyntax
		}
	}
}

// key takes a member's name and the colon behind it.
func (r *reader) key() bool {
	if _, _, ok := r.str(); !ok {
		return false
	}
	r.space()
	if !r.take(':') {
		return false
	}
	r.space()
	return true
}

// begin takes a value that has nothing in it, or the beginning of one that has, and returns
// what closes that.
func (r *reader) begin() (closing byte, err error) {
	if r.at >= len(r.text) {
		return 0, errSyntax
	}
	switch c := r.text[r.at]; c {
	case '{', '[':
		r.at++
		return c + 2, nil // in ASCII each closing one is two behind
	case '"':
		if _, _, ok := r.str(); ok {
			return 0, nil
		}
	case 't':
		if r.word("true") {
			return 0, nil
		}
	case 'f':
		if r.word("false") {
			return 0, nil
		}
	case 'n':
		if r.word("null") {
			return 0, nil
		}
	default:
		if r.number() {
			return 0, nil
		}
	}
	return 0, errSyntax
}

func (r *reader) word(w string) bool {
	if len(r.text)-r.at < len(w) || string(r.text[r.at:r.at+len(w)]) != w {
		return false
	}
	r.at += len(w)
	return true
}

// number takes a number (RFC 8259 6).
func (r *reader) number() bool {
	r.take('-')
	if !r.take('0') && !r.digits() {
		return false
	}
	if r.take('.') && !r.digits() {
		return false
	}
	if r.take('e') || r.take('E') {
		if !r.take('+') {
			r.take('-')
		}
		return r.digits()
	}
	return true
}

// digits takes one digit or more.
func (r *reader) digits() bool {
	from := r.at
	for r.at < len(r.text) && r.text[r.at] >= '0' && r.text[r.at] <= '9' {
		r.at++
	}
	return r.at > from
}
