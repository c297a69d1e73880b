package httplite

import "bytes"

// Response is the head of one response, parsed incrementally. Its body is read with the Body that Framing returns.
// It is smaller than 80 bytes, because a client that waits on many connections has many. So it keeps no table of
// fields, and Header searches the head. The zero value is ready to use. Only one goroutine at a time may use it.
type Response struct {
	buf []byte // argument of the last ParseHead
	err *Error // error with which ParseHead failed, for good
	head
	status uint16
}

// Reset makes r ready for another response, and drops the input.
func (r *Response) Reset() { *r = Response{} }

// ParseHead parses the head of one response from the start of buf. It returns like Request.Parse: n > 0 is the
// length of the head, n == 0 without an error means that more is needed, an error is an *Error and lasts. It never
// writes to buf. Heads of interim responses (1xx) are returned like others. Limits.Body does not apply.
//
// It is as strict as Request.Parse: a response with bare LF, folded lines, two lengths, or a transfer coding other
// than chunked is refused.
func (r *Response) ParseHead(buf []byte, lim *Limits) (n int, err error) {
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

func (r *Response) advance(buf []byte, l *Limits) (n int, k Kind) {
	if r.phase < phaseFields {
		r.phase = phaseLine
		end, k := r.firstLine(buf, l)
		if end < 0 {
			return 0, k
		}
		if k = r.statusLine(buf[:end]); k != 0 {
			return 0, blame(buf[:end], k)
		}
		r.pos = r.scan
		r.phase = phaseFields
	}
	for {
		end, k := r.headerLine(buf, l)
		if end < 0 {
			return 0, k
		}
		if end == int(r.pos) {
			r.phase = phaseDone
			return int(r.scan), 0
		}
		if k = r.field(buf[r.pos:end], l); k != 0 {
			return 0, k
		}
		r.pos = r.scan
	}
}

// statusLine checks "HTTP-version SP status-code SP [ reason-phrase ]" (RFC 9112 4). The second space is required
// even without a reason.
func (r *Response) statusLine(line []byte) Kind {
	const reason = len("HTTP/1.1 200 ")
	if len(line) < reason || line[8] != ' ' || line[12] != ' ' {
		return BadStatusLine
	}
	minor, k := parseVersion(line[:8])
	if k != 0 {
		return k
	}
	status := 0
	for _, c := range line[9:12] {
		if c < '0' || c > '9' {
			return BadStatusLine
		}
		status = status*10 + int(c-'0')
	}
	if status < 100 || !validValue(line[reason:]) {
		return BadStatusLine
	}
	r.minor, r.status = minor, uint16(status)
	return 0
}

func (r *Response) field(line []byte, l *Limits) Kind {
	nameEnd, value, end, k := splitField(line)
	if k != 0 {
		return k
	}
	if int(r.count) >= l.Headers {
		return TooManyHeaders
	}
	r.count++
	if k = r.apply(line[:nameEnd], line[value:end]); k == 0 && r.length >= tooLongToCount {
		return BadContentLength // RFC 9110 8.6: guard against overflow
	}
	return k
}

// Status returns the status code, 100 to 999. This and the accessors below are valid once ParseHead has reported a
// complete head, until its bytes change or Reset is called.
func (r *Response) Status() int { return int(r.status) }

// Minor returns 0 for HTTP/1.0, and 1 for HTTP/1.1 and later versions 1.x.
func (r *Response) Minor() int { return int(r.minor) }

// KeepAlive reports whether the server allows another request on the connection after the body was read. It does
// not matter for a body that is UntilClose: the connection ends with it.
func (r *Response) KeepAlive() bool { return r.keepAlive() }

// Header returns the value of the first field with that name, in any case, without the white space around it; nil
// if there is none. It searches the head.
func (r *Response) Header(name string) []byte {
	for field, value := range r.Headers {
		if equalFold(field, name) {
			return value
		}
	}
	return nil
}

// HeaderHas is Request.HeaderHas. It searches the head.
func (r *Response) HeaderHas(name, token string) bool {
	for field, value := range r.Headers {
		if equalFold(field, name) && HasToken(value, token) {
			return true
		}
	}
	return false
}

// Headers iterates over the header fields in order, each as Request.HeaderAt returns it:
//
//	for name, value := range r.Headers {
func (r *Response) Headers(yield func(name, value []byte) bool) {
	if r.phase != phaseDone {
		return
	}
	rest := r.buf[:r.pos]
	for at := lineEnd(rest); at < len(rest); {
		end := at + lineEnd(rest[at:])
		line := rest[at : end-len("\r\n")]
		at = end
		colon := bytes.IndexByte(line, ':')
		if colon < 0 {
			return // the empty line
		}
		value := trim(line[colon+1:])
		if !yield(line[:colon:colon], value[:len(value):len(value)]) {
			return
		}
	}
}

// lineEnd returns the length of the first line of b, with its LF. The line must be complete.
func lineEnd(b []byte) int { return bytes.IndexByte(b, '\n') + 1 }

// Framing returns the decoder of this response's body, given the method of the request that it answers (RFC 9112
// 6.3). No body: for HEAD, 1xx, 204, 304 and a successful CONNECT. Otherwise the body is framed by chunks, by
// Content-Length, or by the close of the connection.
func (r *Response) Framing(requestMethod Method) Body {
	switch s := r.status; {
	case requestMethod == HEAD || s < 200 || s == 204 || s == 304: // rule 1
		return Body{}
	case requestMethod == CONNECT && s < 300: // rule 2: a tunnel follows
		return Body{}
	case r.flags.has(hasChunked): // rule 4
		return chunkedBody(unbounded, DefaultLimits.resolve().Head)
	case r.flags.has(hasLength): // rule 6
		return lengthBody(r.length)
	}
	return Body{state: bodyClose} // rule 8
}
