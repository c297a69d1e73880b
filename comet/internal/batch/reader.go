// Package batch reads many messages out of one body: lines of JSON objects, or an array of
// them. It is strict: what RFC 8259 does not have is refused, and so is what could be meant
// in two ways. It keeps nothing of the body and allocates nothing for an element.
package batch

import (
	"bytes"
	"strconv"

	"ccomet/comet/internal/msg"
)

// Reader takes the elements out of a body, one after the other:
//
//	for r.Reset(body, array); r.Next(); {
//		… r.Element, or r.Fault where the element is not good
//	}
//	… r.Fault where an array is not good
//
// The zero value is ready to be Reset. One goroutine uses it.
type Reader struct {
	Element
	// Fault says what is wrong with the element; its Reason is empty where it is good. After
	// the last element it is the array's.
	Fault Fault

	in       []byte
	pos, end int  // of the element's text, or of what is left of it
	start    int  // of the line
	array    bool // else lines
	over     bool
	decoded  []byte // names and keys that have escapes
}

// Element is one object of a body. What it has is good until the next one.
type Element struct {
	Number int      // of the line, or in the array; the first is 1
	Names  [][]byte // of channels, one at the least
	Many   bool     // they came as "cnames"
	Key    []byte   // nil: none was given

	content text
}

// Fault is what is wrong with an element or an array.
type Fault struct {
	Reason string
	at     int // in the line, or the body; the first byte is 1
}

// text is the text of a JSON value within the body.
type text struct {
	raw        []byte // of a string, what stands between the quotes
	size       int    // bytes of what a string says, of another value of its text
	str        bool
	escapes    bool // a string has some
	separators bool // a string has U+2028 or U+2029
}

// Reset begins with a body, which must not change while it is read.
func (r *Reader) Reset(body []byte, array bool) {
	*r = Reader{in: body, array: array, decoded: r.decoded[:0], Element: Element{Names: r.Names[:0]}}
}

// Next goes to the next element; false: there are no more, or the array is not good.
func (r *Reader) Next() bool {
	if r.over {
		return false
	}
	r.Names, r.Key, r.Many, r.content, r.Fault = r.Names[:0], nil, false, text{}, Fault{}
	r.decoded = r.decoded[:0]
	if r.array {
		return r.nextOfArray()
	}
	return r.nextLine()
}

// nextLine takes a line that is not empty.
func (r *Reader) nextLine() bool {
	for r.end < len(r.in) {
		r.start, r.pos = r.end, r.end
		r.Number++
		if r.usual('\n') {
			r.end = min(r.pos+1, len(r.in))
			return true
		}
		line := r.in[r.start:]
		if at := bytes.IndexByte(line, '\n'); at >= 0 {
			line = line[:at]
			r.end++
		}
		r.end += len(line)
		stop := r.start + len(line)
		whole := r.in
		r.in = whole[:stop]
		r.space()
		empty := r.pos == stop
		if !empty && r.object() {
			if r.space(); r.pos < stop {
				r.fail("want a line feed behind the object")
			}
		}
		if r.in = whole; !empty {
			return true
		}
	}
	r.over = true
	return false
}

// nextOfArray takes an element of an array. One that is no JSON ends it: where the next one
// begins cannot be known.
func (r *Reader) nextOfArray() bool {
	r.Number++
	r.space()
	if r.Number == 1 {
		if !r.take('[') {
			return r.broken("want [, the beginning of an array")
		}
		if r.space(); r.take(']') {
			return r.ended()
		}
	} else if r.take(']') {
		return r.ended()
	} else if !r.take(',') {
		return r.broken("want , or ] behind an element")
	}
	r.space()
	at := r.pos
	if r.usual(0) || r.object() {
		return true
	}
	if r.Fault.syntax() {
		r.over = true
		return false
	}
	fault := r.Fault // what is meant, not what is written: the others are read
	r.pos, r.Fault = at, Fault{}
	if _, ok := r.skip(); !ok {
		r.over = true
		return false
	}
	r.Fault = fault
	return true
}

func (r *Reader) ended() bool {
	r.over = true
	if r.space(); r.pos < len(r.in) {
		r.fail("want nothing behind the array")
	}
	return false
}

func (r *Reader) broken(reason string) bool {
	r.over = true
	r.fail(reason)
	return false
}

// AppendFault appends where the fault is, and what it is.
func (r *Reader) AppendFault(dst []byte) []byte {
	what := "line "
	if r.array {
		what = "element "
	}
	dst = strconv.AppendInt(append(dst, what...), int64(r.Number), 10)
	if r.Fault.at > 0 {
		dst = strconv.AppendInt(append(dst, ", byte "...), int64(r.Fault.at), 10)
		if r.array {
			dst = append(dst, " of the body"...)
		}
	}
	return append(append(dst, ": "...), r.Fault.Reason...)
}

// syntax says whether the text is no JSON.
func (f *Fault) syntax() bool { return f.at > 0 }

// fail says that the text is no JSON at this place; it is false.
func (r *Reader) fail(reason string) bool {
	if r.Fault.Reason == "" {
		r.Fault = Fault{reason, r.pos - r.start + 1}
	}
	return false
}

// refuse says that the object is JSON, and no message; it is false.
func (r *Reader) refuse(reason string) bool {
	if r.Fault.Reason == "" {
		r.Fault = Fault{Reason: reason}
	}
	return false
}

// Size is the bytes of the element's content: of what a string says, or of the text of any
// other value.
func (e *Element) Size() int { return e.content.size }

// AppendContent appends the element's content as the inside of a JSON string.
func (e *Element) AppendContent(dst []byte) []byte {
	switch t := &e.content; {
	case !t.str:
		return msg.AppendEscaped(dst, t.raw)
	case t.separators:
		dst, _, _ = msg.AppendChecked(dst, t.raw) // it is good
		return dst
	default:
		return append(dst, t.raw...)
	}
}
