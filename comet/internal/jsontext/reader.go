// Package jsontext goes through JSON text (RFC 8259), strictly and without allocating: what it
// reads are pieces of the text.
package jsontext

import "unicode/utf8"

// Reader is at a place in a text. Its methods that may fail note the first thing that is no
// JSON, and are false; then nothing more is to be read. One goroutine uses it.
type Reader struct {
	In  []byte
	Pos int
	// Wrong is what is no JSON, and WrongAt where; empty: nothing so far.
	Wrong   string
	WrongAt int

	// Depth is how many arrays and objects may stand in each other in a value, at most MaxDepth.
	Depth int
	// Halves lets half of a surrogate pair pass in a string, which says so.
	Halves bool
}

// TooDeep is what is wrong with a value in which arrays and objects stand in each other too deep.
const TooDeep = "nested too deep"

// Fail notes what is no JSON at this place, if it is the first; it is false.
func (r *Reader) Fail(what string) bool {
	if r.Wrong == "" {
		r.Wrong, r.WrongAt = what, r.Pos
	}
	return false
}

// Peek is the next byte, 0 at the end.
func (r *Reader) Peek() byte {
	if r.Pos < len(r.In) {
		return r.In[r.Pos]
	}
	return 0
}

// Take takes a byte if it is the next.
func (r *Reader) Take(b byte) bool {
	if r.Pos < len(r.In) && r.In[r.Pos] == b {
		r.Pos++
		return true
	}
	return false
}

// Space goes behind white space.
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
	Raw        []byte // what stands between the quotes
	Size       int    // bytes of what it says, if it has no halves
	Escapes    bool   // it has some
	Separators bool   // it has U+2028 or U+2029, as they are
	Half       bool   // it has half of a surrogate pair, which is no character
}

// ReadString reads a string, which must be valid UTF-8.
func (r *Reader) ReadString() (t Text, ok bool) {
	if !r.Take('"') {
		return t, r.Fail("want a string")
	}
	at, less := r.Pos, 0 // bytes that the text has more than what it says
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

// AppendDecoded appends what a string says, which has no halves.
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
