package jsontext

// MaxDepth is the largest value of Reader.Depth.
const MaxDepth = 128

// nesting stores which arrays and objects a value is in: a bit for each, 1 for
// an object.
type nesting struct {
	bits  [MaxDepth / 64]uint64
	depth int
}

func (n *nesting) enter(object bool) {
	word, bit := &n.bits[n.depth/64], uint64(1)<<(n.depth%64)
	*word &^= bit
	if object {
		*word |= bit
	}
	n.depth++
}

func (n *nesting) inObject() bool { return n.bits[(n.depth-1)/64]&(1<<((n.depth-1)%64)) != 0 }

// Skip parses a value of any kind, and ignores it.
func (r *Reader) Skip() bool {
	var in nesting
	for {
		opened, ok := r.begin(&in)
		if !ok {
			return false
		}
		for !opened { // a value has ended: check what follows
			if in.depth == 0 {
				return true
			}
			object := in.inObject()
			switch r.Space(); {
			case r.Take(','):
				if r.Space(); object && !r.nameAndColon() {
					return false
				}
				opened = true // the next value follows
			case object && r.Take('}'), !object && r.Take(']'):
				in.depth--
			case object:
				return r.Fail("want , or } in an object")
			default:
				return r.Fail("want , or ] in an array")
			}
		}
	}
}

// begin parses a value up to its end, or up to the first value inside it
// (opened).
func (r *Reader) begin(in *nesting) (opened, ok bool) {
	switch b := r.Peek(); b {
	case '"':
		_, ok = r.ReadString()
		return false, ok
	case '{', '[':
		if in.depth == r.Depth {
			return false, r.Fail(TooDeep)
		}
		r.Pos++
		if r.Space(); b == '[' && r.Take(']') || b == '{' && r.Take('}') {
			return false, true
		}
		in.enter(b == '{')
		return true, b == '[' || r.nameAndColon()
	case 't':
		return false, r.literal("true")
	case 'f':
		return false, r.literal("false")
	case 'n':
		return false, r.literal("null")
	}
	return false, r.number()
}

// nameAndColon parses what precedes a value in an object.
func (r *Reader) nameAndColon() bool {
	if _, ok := r.ReadString(); !ok {
		return false
	}
	if r.Space(); !r.Take(':') {
		return r.Fail("want a colon behind a member's name")
	}
	r.Space()
	return true
}

func (r *Reader) literal(word string) bool {
	if len(r.In)-r.Pos < len(word) || string(r.In[r.Pos:r.Pos+len(word)]) != word {
		return r.Fail("want a value: a string, a number, an array, an object, true, false or null")
	}
	r.Pos += len(word)
	return true
}

// number parses a number (RFC 8259 6).
func (r *Reader) number() bool {
	r.Take('-')
	if !r.Take('0') && !r.digits() {
		return r.Fail("want a value: a string, a number, an array, an object, true, false or null")
	}
	if r.Take('.') && !r.digits() {
		return r.Fail("a number without a digit behind its point")
	}
	if r.Take('e') || r.Take('E') {
		if !r.Take('+') {
			r.Take('-')
		}
		if !r.digits() {
			return r.Fail("a number without a digit in its exponent")
		}
	}
	return true
}

// digits consumes one digit or more.
func (r *Reader) digits() bool {
	at := r.Pos
	for r.Pos < len(r.In) && r.In[r.Pos] >= '0' && r.In[r.Pos] <= '9' {
		r.Pos++
	}
	return r.Pos > at
}
