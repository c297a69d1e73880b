// Package jsontext parses and writes JSON text (RFC 8259), without allocating. The parser is
// strict, and its results are slices of the text.
package jsontext

import "unicode/utf8"

// Reader is a position in a text. A method that can fail stores the first error and returns
// false; then nothing more may be read. Only one goroutine may use it.
type Reader struct {
	In  []byte
	Pos int
	// Wrong is the first error, and WrongAt its position; empty: none so far.
	Wrong   string
	WrongAt int

	// Depth bounds how deep arrays and objects may be nested in a value, at most MaxDepth.
	Depth int
	// Halves permits half a surrogate pair in a string (see Text.Half).
	Halves bool
}

// TooDeep is the error of a value whose arrays and objects are nested too deep.
const TooDeep = "nested too deep"

// Fail stores an error at this position, if it is the first. It returns false.
func (r *Reader) Fail(what string) bool {
	if r.Wrong == "" {
		r.Wrong, r.WrongAt = what, r.Pos
	}
	return false
}

// Peek returns the next byte, 0 at the end.
func (r *Reader) Peek() byte {
	if r.Pos < len(r.In) {
		return r.In[r.Pos]
	}
	return 0
}

// Take consumes a byte if it is the next.
func (r *Reader) Take(b byte) bool {
	if r.Pos < len(r.In) && r.In[r.Pos] == b {
		r.Pos++
		return true
	}
	return false
}

// Space skips white space.
func (r *Reader) Space() {
	for r.Pos < len(r.In) {
		switch r.In[r.Pos] {
		case ' ', '\t', '\n', '\r':
			r.Pos++
		default:
			return
		}
	}
}

// Text is a string.
type Text struct {
	Raw        []byte // the text between the quotes
	Size       int    // bytes of the decoded string, if it has no halves
	Escapes    bool   // it contains escapes
	Separators bool   // it contains U+2028 or U+2029 without an escape
	Half       bool   // it contains half a surrogate pair, which is no character
}

// ReadString parses a string, which must be valid UTF-8.
func (r *Reader) ReadString() (t Text, ok bool) {
	if !r.Take('"') {
		return t, r.Fail("want a string")
	}
	at, less := r.Pos, 0 // by how many bytes the text is longer than the decoded string
	for {
		r.Pos += Plain(r.In[r.Pos:])
		if r.Pos == len(r.In) {
			return t, r.Fail("a string has no end")
		}
		switch b := r.In[r.Pos]; {
		case b == '"':
			t.Raw = r.In[at:r.Pos:r.Pos]
			t.Size = len(t.Raw) - less
			r.Pos++
			return t, true
		case b == '\\':
			char, n := escape(r.In[r.Pos:])
			if n == 0 || char == half && !r.Halves {
				return t, r.Fail("an escape that is none in JSON, or half of a character")
			}
			t.Escapes, t.Half = true, t.Half || char == half
			less += n - utf8.RuneLen(char)
			r.Pos += n
		case b < ' ':
			return t, r.Fail("a control character in a string: it is to be escaped")
		default:
			char, n := utf8.DecodeRune(r.In[r.Pos:])
			if char == utf8.RuneError && n == 1 {
				return t, r.Fail("not UTF-8")
			}
			t.Separators = t.Separators || char == 0x2028 || char == 0x2029
			r.Pos += n
		}
	}
}

// AppendDecoded appends a decoded string. It must not contain half a surrogate pair.
func AppendDecoded(dst, raw []byte) []byte {
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			dst = append(dst, raw[i])
			i++
			continue
		}
		char, n := escape(raw[i:])
		dst = utf8.AppendRune(dst, char)
		i += n
	}
	return dst
}
