package httplite

// A request is parsed in this order. Parse continues where it stopped:
//
//  1. phaseEmpty: one empty line is tolerated, then the first byte must be one that can begin a method.
//  2. phaseLine: the request line (target.go).
//  3. phaseFields: header lines. Each is checked, recorded and applied (head.go) as soon as its LF has arrived.
//  4. phaseBody: Parse waits for a body of known length. A chunked body is decoded in place, all at once when it is
//     complete (body.go).
//  5. phaseDone.

// Request is one request, parsed incrementally. It stores offsets, not slices, so the bytes may move between calls.
// The zero value is ready to use, and a Request may be reused. Only one goroutine at a time may use it. It takes
// some 1.2 KB, so connections should share one rather than own one each.
type Request struct {
	buf []byte // argument of the last Parse; the accessors return slices of it
	err *Error // error with which Parse failed, for good
	head

	method       Method
	hostInTarget bool
	verb         span
	target       span
	path         span
	query        span
	host         span

	body    Body // has checked a chunked body up to in
	bodyAt  int  // where the body begins: directly after the head
	bodyLen int  // bytes of the body that Body returns
	in      int

	fields [MaxHeaders]field
}

// field is where a header field is, from its name to the end of its value: eight bytes each, because there are
// many.
type field span

// value returns the value of the field if the field has that name, in any case.
func (f field) value(buf []byte, name string) (value []byte, ok bool) {
	line := span(f).of(buf)
	if len(line) <= len(name) || line[len(name)] != ':' || !equalFold(line[:len(name)], name) {
		return nil, false
	}
	return trim(line[len(name)+1:]), true
}

// Reset makes r ready for another request, and drops the input.
func (r *Request) Reset() {
	r.buf = nil
	r.err = nil
	r.head = head{}
	r.method, r.hostInTarget = Other, false
	r.verb, r.target, r.path, r.query, r.host = span{}, span{}, span{}, span{}, span{}
	r.body = Body{}
	r.bodyAt, r.bodyLen, r.in = 0, 0, 0
	// fields beyond count are never read
}

// Parse parses one request from the start of buf. A nil lim means DefaultLimits.
//
//   - n > 0: the request is complete and took n bytes of buf; the next one may follow. Parse it without a Reset.
//   - n == 0 and err == nil: the request is incomplete. Call Parse again with the same bytes, which may have moved,
//     and more after them. Nothing is searched twice: a request that arrives byte by byte costs O(its length).
//   - err != nil: an *Error. Answer with its status (AppendError) and close the connection, because it is unknown
//     where the next request would begin. Until Reset, Parse returns the same error again.
//
// The result does not depend on how the input was cut. An invalid line is reported as soon as it is complete, an
// exceeded limit at once, and a Content-Length over Limits.Body before the body arrives.
//
// A chunked body is decoded in place: when the request is complete, and not before, Parse writes to the n bytes
// that it takes. So the bytes of an incomplete request are still as they were sent. They may be given to another
// Request, even in another process, which parses them again. Trailers are checked and dropped.
func (r *Request) Parse(buf []byte, lim *Limits) (n int, err error) {
	if r.phase == phaseDone {
		r.Reset()
	}
	r.buf = buf
	if r.err != nil {
		return 0, r.err
	}
	l := lim.resolve()
	n, k := r.advance(buf, &l)
	if k != 0 {
		r.err = l.fail(k)
		return 0, r.err
	}
	return n, nil
}

func (r *Request) advance(buf []byte, l *Limits) (n int, k Kind) {
	if r.phase == phaseEmpty {
		if k = r.begin(buf); k != 0 || r.phase == phaseEmpty {
			return 0, k
		}
	}
	if r.phase == phaseLine {
		end, k := r.firstLine(buf, l)
		if end < 0 {
			return 0, k
		}
		if k = r.requestLine(buf, int(r.pos), end); k != 0 {
			return 0, k
		}
		r.pos = r.scan
		r.phase = phaseFields
	}
	for r.phase == phaseFields {
		end, k := r.headerLine(buf, l)
		if end < 0 {
			return 0, k
		}
		if at := int(r.pos); end > at {
			k = r.field(buf, at, end, l)
		} else {
			k = r.endHead(l)
		}
		if k != 0 {
			return 0, k
		}
		r.pos = r.scan
	}
	return r.readBody(buf)
}

// begin skips one empty line (RFC 9112 2.2: at least one should be ignored) and checks the first byte after it: a
// client that speaks TLS, or nonsense, is answered at once instead of timing out.
func (r *Request) begin(buf []byte) Kind {
	if r.start == 0 && len(buf) > 0 && buf[0] == '\r' {
		if len(buf) == 1 {
			return 0
		}
		if buf[1] != '\n' {
			return BareCR
		}
		r.start, r.pos, r.scan = 2, 2, 2
	}
	if len(buf) <= int(r.start) {
		return 0
	}
	if c := buf[r.start]; c == '\n' {
		return BareLF
	} else if class[c]&isToken == 0 {
		return BadRequestLine
	}
	r.phase = phaseLine
	return 0
}

// field handles the header line buf[at:end].
func (r *Request) field(buf []byte, at, end int, l *Limits) Kind {
	line := buf[at:end]
	nameEnd, value, valueEnd, k := splitField(line)
	if k != 0 {
		return k
	}
	if int(r.count) >= l.Headers {
		return TooManyHeaders
	}
	r.fields[r.count] = field{uint32(at), uint32(at + valueEnd)}
	r.count++
	name, v := line[:nameEnd], line[value:valueEnd]
	switch nameEnd {
	case len("Host"):
		if equalFold(name, "Host") {
			return r.hostField(v, span{uint32(at + value), uint32(at + valueEnd)})
		}
	case len("Expect"):
		if equalFold(name, "Expect") {
			return r.expect(v)
		}
	default:
		k = r.apply(name, v)
		if k == 0 && r.flags.has(hasLength) && r.length > int64(l.Body) {
			return BodyTooLarge // RFC 9110 15.5.14
		}
	}
	return k
}

// hostField handles Host. It is checked even if the target's authority replaces it (RFC 9112 3.2).
func (r *Request) hostField(v []byte, at span) Kind {
	if r.flags.has(hasHost) {
		return DuplicateHost
	}
	if !validHost(v) {
		return BadHost
	}
	r.flags |= hasHost
	if !r.hostInTarget { // RFC 9112 3.2.2: otherwise Host is ignored
		r.host = at
	}
	return 0
}

// expect handles Expect, which must be ignored in HTTP/1.0 (RFC 9110 10.1.1).
func (r *Request) expect(v []byte) Kind {
	if r.minor == 0 {
		return 0
	}
	if !equalFold(v, "100-continue") {
		return BadExpect
	}
	r.flags |= wantsContinue
	return 0
}

// endHead handles the empty line that ends the head.
func (r *Request) endHead(l *Limits) Kind {
	if r.minor == 1 && !r.flags.has(hasHost) {
		return MissingHost // RFC 9112 3.2
	}
	r.phase = phaseBody
	r.bodyAt = int(r.scan)
	r.in = r.bodyAt
	if r.flags.has(hasChunked) {
		r.body = chunkedBody(int64(l.Body), l.Head)
	}
	return 0
}

// readBody waits for a body of known length, or for the end of a chunked one. A request with neither Content-Length
// nor chunks has no body (RFC 9112 6.3 rule 7).
func (r *Request) readBody(buf []byte) (n int, k Kind) {
	if !r.flags.has(hasChunked) {
		length := 0
		if r.flags.has(hasLength) {
			length = int(r.length)
		}
		r.bodyLen = min(length, len(buf)-r.bodyAt)
		if r.bodyLen < length {
			return 0, 0
		}
		r.phase = phaseDone
		return r.bodyAt + length, 0
	}
	for {
		_, n, done, k := r.body.next(buf[r.in:])
		if k != 0 {
			return 0, k
		}
		r.in += n
		if done {
			r.bodyLen = unchunk(buf[r.bodyAt:r.in])
			r.phase = phaseDone
			return r.in, 0
		}
		if n == 0 {
			return 0, 0
		}
	}
}
