// Package batch reads many messages out of one body: lines of JSON objects, or an array of
// them. It is strict: what RFC 8259 does not have is refused, and so is what could be meant
// in two ways. It keeps nothing of the body and allocates nothing for an element.
package batch

import (
	"bytes"
	"strconv"

	"ccomet/comet/internal/jsontext"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/pool"
)

// MaxDepth is how many arrays and objects may stand in each other within a content.
const MaxDepth = jsontext.MaxDepth

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

	jsontext.Reader // where the element's text is, or what is left of it
	end             int
	start           int  // of the line
	array           bool // else lines
	over            bool
	decoded         []byte // names and keys that have escapes
	escaped         []byte // a content that stands otherwise in a JSON string
}

// Element is one object of a body. What it has is good until the next one.
type Element struct {
	Number int      // of the line, or in the array; the first is 1
	Names  [][]byte // of channels, one at the least
	Many   bool     // they came as "cnames"
	Key    []byte   // nil: none was given

	content content
}

// Fault is what is wrong with an element or an array.
type Fault struct {
	Reason string
	at     int // in the line, or the body; the first byte is 1
}

// content is that of an element: a string, or the text of another value.
type content struct {
	jsontext.Text
	str bool
}

// Reset begins with a body, which must not change while it is read. Of what has been read
// before it keeps no more room than most bodies need.
func (r *Reader) Reset(body []byte, array bool) {
	pool.Trimmed(&r.decoded, &r.escaped)
	*r = Reader{Reader: jsontext.Reader{In: body, Depth: MaxDepth}, array: array, decoded: r.decoded, escaped: r.escaped, Element: Element{Names: pool.Emptied(r.Names)}}
}

// Next goes to the next element; false: there are no more, or the array is not good.
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

// nextLine takes a line that is not empty.
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

// nextOfArray takes an element of an array. One that is no JSON ends it: where the next one
// begins cannot be known.
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
		r.Pos = at // what is wrong is what is meant, not how it is written: the others are read
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
	dst = append(append(dst, ": "...), r.Fault.Reason...)
	if r.Fault.Reason == jsontext.TooDeep {
		dst = append(strconv.AppendInt(append(dst, ": at most "...), MaxDepth, 10), " arrays and objects in each other"...)
	}
	return dst
}

// refuse says that the object is JSON, and no message; it is false.
func (r *Reader) refuse(reason string) bool {
	r.Fault = Fault{Reason: reason}
	return false
}

// decode is what a string says.
func (r *Reader) decode(t *jsontext.Text) []byte {
	if !t.Escapes {
		return t.Raw
	}
	at := len(r.decoded)
	r.decoded = jsontext.AppendDecoded(r.decoded, t.Raw)
	return r.decoded[at:len(r.decoded):len(r.decoded)]
}

// Size is the bytes of the element's content: of what a string says, or of the text of any
// other value.
func (e *Element) Size() int { return e.content.Size }

// Content is the element's content as the inside of a JSON string, good until the next call.
func (r *Reader) Content() []byte {
	t := &r.content
	if t.str && !t.Separators {
		return t.Raw
	}
	if r.escaped = r.escaped[:0]; t.str {
		r.escaped, _, _ = msg.AppendChecked(r.escaped, t.Raw) // it is good
	} else {
		r.escaped = msg.AppendEscaped(r.escaped, t.Raw)
	}
	return r.escaped
}
