// Package batch reads many messages from one body: lines of JSON objects, or an array of them.
// It is strict: it refuses everything that RFC 8259 does not allow, and everything ambiguous.
// It does not keep the body, and allocates nothing for an element.
package batch

import (
	"bytes"
	"strconv"

	"ccomet/comet/internal/jsontext"
	"ccomet/comet/internal/pool"
)

// maxDepth is the most levels of nested arrays and objects in a content.
const maxDepth = jsontext.MaxDepth

// Reader reads the elements of a body, one after the other:
//
//	for r.Reset(body, array); r.Next(); {
//		… r.Element, or r.Fault if the element has an error
//	}
//	… r.Fault if the array has an error
//
// The zero value must be Reset before use. Only one goroutine may use it.
type Reader struct {
	Element
	// Fault is the error of the element; its Reason is empty if there is none. After the last
	// element it is the error of the array.
	Fault Fault

	jsontext.Reader // position in the body, or in the line
	end             int
	start           int  // of the line
	array           bool // false: lines
	over            bool
	decoded         []byte // names and keys with escapes
	escaped         []byte // a content that must be escaped differently
}

// Element is one object of a body, valid until the next one is read.
type Element struct {
	Number int      // of the line, or in the array, from 1
	Names  [][]byte // of channels, at least one
	Many   bool     // the names were given as "cnames"
	Key    []byte   // nil: no key

	content content
}

// Fault is an error of an element or an array.
type Fault struct {
	Reason string
	at     int // position in the line or the body, from 1; 0: none
}

// content is the content of an element: a string, or the text of another value.
type content struct {
	jsontext.Text
	str bool
}

// Reset starts to read a body, which must not change meanwhile. It keeps the buffers of earlier
// bodies, except large ones.
func (r *Reader) Reset(body []byte, array bool) {
	pool.Trimmed(&r.decoded, &r.escaped)
	*r = Reader{Reader: jsontext.Reader{In: body, Depth: maxDepth}, array: array, decoded: r.decoded, escaped: r.escaped, Element: Element{Names: pool.Emptied(r.Names)}}
}

// Next reads the next element. It returns false if there are no more, or if the array has an
// error.
func (r *Reader) Next() bool {
	if r.over {
		return false
	}
	r.Names, r.Key, r.Many, r.content, r.Fault = r.Names[:0], nil, false, content{}, Fault{}
	r.decoded, r.Wrong = r.decoded[:0], ""
	more := false
	if r.array {
		more = r.nextOfArray()
	} else {
		more = r.nextLine()
	}
	if r.Wrong != "" {
		r.Fault = Fault{r.Wrong, r.WrongAt - r.start + 1}
	}
	return more
}

// nextLine reads a line that is not empty.
func (r *Reader) nextLine() bool {
	for r.end < len(r.In) {
		r.start, r.Pos = r.end, r.end
		r.Number++
		if r.usual('\n') {
			r.end = min(r.Pos+1, len(r.In))
			return true
		}
		line := r.In[r.start:]
		if at := bytes.IndexByte(line, '\n'); at >= 0 {
			line = line[:at]
			r.end++
		}
		r.end += len(line)
		stop := r.start + len(line)
		whole := r.In
		r.In = whole[:stop]
		r.Space()
		empty := r.Pos == stop
		if !empty && r.object() {
			if r.Space(); r.Pos < stop {
				r.Fail("want a line feed behind the object")
			}
		}
		if r.In = whole; !empty {
			return true
		}
	}
	r.over = true
	return false
}

// nextOfArray reads an element of an array. An element that is not JSON ends the array, because
// the start of the next one is unknown.
func (r *Reader) nextOfArray() bool {
	r.Number++
	r.Space()
	if r.Number == 1 {
		if !r.Take('[') {
			if r.Peek() == '{' {
				return r.broken("want [, the beginning of an array: objects alone, one a line, are application/x-ndjson")
			}
			return r.broken("want [, the beginning of an array")
		}
		if r.Space(); r.Take(']') {
			return r.ended()
		}
	} else if r.Take(']') {
		return r.ended()
	} else if !r.Take(',') {
		return r.broken("want , or ] behind an element")
	}
	r.Space()
	at := r.Pos
	if r.usual(0) || r.object() {
		return true
	}
	if r.Wrong == "" {
		r.Pos = at // The element is JSON but no message, so the others can be read.
		r.Skip()
	}
	r.over = r.Wrong != ""
	return !r.over
}

func (r *Reader) ended() bool {
	r.over = true
	if r.Space(); r.Pos < len(r.In) {
		r.Fail("want nothing behind the array")
	}
	return false
}

func (r *Reader) broken(reason string) bool {
	r.over = true
	r.Fail(reason)
	return false
}

// AppendFault appends the position and the reason of Fault.
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
	dst = append(append(dst, ": "...), r.Fault.Reason...)
	if r.Fault.Reason == jsontext.TooDeep {
		dst = append(strconv.AppendInt(append(dst, ": at most "...), maxDepth, 10), " arrays and objects in each other"...)
	}
	return dst
}

// refuse sets the error of an element that is JSON but no message. It returns false.
func (r *Reader) refuse(reason string) bool {
	r.Fault = Fault{Reason: reason}
	return false
}

// decode returns the value of a string.
func (r *Reader) decode(t *jsontext.Text) []byte {
	if !t.Escapes {
		return t.Raw
	}
	at := len(r.decoded)
	r.decoded = jsontext.AppendDecoded(r.decoded, t.Raw)
	return r.decoded[at:len(r.decoded):len(r.decoded)]
}

// Size returns the size of the content in bytes: of a string's value, or of the text of another
// value.
func (e *Element) Size() int { return e.content.Size }

// Content returns the content as the inside of a JSON string, valid until the next call.
func (r *Reader) Content() []byte {
	t := &r.content
	if t.str && !t.Separators {
		return t.Raw
	}
	if r.escaped = r.escaped[:0]; t.str {
		r.escaped, _, _ = jsontext.AppendChecked(r.escaped, t.Raw) // never fails: the text has been checked
	} else {
		r.escaped = jsontext.AppendEscaped(r.escaped, t.Raw)
	}
	return r.escaped
}
