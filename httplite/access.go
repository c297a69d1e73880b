package httplite

import "bytes"

// The accessors below are valid once the head is complete (HeadDone), until the bytes given to Parse change, or
// until Parse or Reset is called again. What they return are slices of those bytes.

// HeadDone reports whether the head is complete. The body may still be incomplete.
func (r *Request) HeadDone() bool { return r.phase >= phaseBody }

// Started reports whether any byte of a request was seen, beyond an empty line. It tells a half-read request from
// an idle keep-alive connection.
func (r *Request) Started() bool { return r.phase > phaseEmpty || r.err != nil }

// Method returns the method, or Other for one that has no constant.
func (r *Request) Method() Method { return r.method }

// MethodBytes returns the method as sent.
func (r *Request) MethodBytes() []byte { return r.verb.of(r.buf) }

// Target returns the request target as sent.
func (r *Request) Target() []byte { return r.target.of(r.buf) }

// Path returns the path as sent, not decoded, without the query. It is "/" for an absolute-form target without a
// path, "*" for OPTIONS *, and empty for CONNECT. It contains only what RFC 3986 3.3 allows. Dot segments are not
// resolved.
func (r *Request) Path() []byte { return r.path.of(r.buf) }

// Query returns the part of the target after the first '?', not decoded, for Args and GetArg. It may contain bytes
// beyond ASCII and invalid escapes.
func (r *Request) Query() []byte { return r.query.of(r.buf) }

// Host returns the target's authority if it has one (RFC 9112 3.2.2), else the Host field's value, which
// may be empty.
func (r *Request) Host() []byte { return r.host.of(r.buf) }

// Minor returns 0 for HTTP/1.0, and 1 for HTTP/1.1 and later versions 1.x.
func (r *Request) Minor() int { return int(r.minor) }

// KeepAlive reports whether the client allows another request on the connection after this one.
func (r *Request) KeepAlive() bool { return r.keepAlive() }

// Header returns the value of the first field with that name, in any case, without the white space around it. It is
// nil if there is no such field, and empty but not nil if the value is empty.
func (r *Request) Header(name string) []byte {
	for i := range r.fields[:r.count] {
		if value, ok := r.fields[i].value(r.buf, name); ok {
			return value
		}
	}
	return nil
}

// HeaderHas reports whether any field with that name lists token among its comma-separated elements, such as
// HeaderHas("Connection", "upgrade"). Both are compared without case.
func (r *Request) HeaderHas(name, token string) bool {
	for i := range r.fields[:r.count] {
		if value, ok := r.fields[i].value(r.buf, name); ok && HasToken(value, token) {
			return true
		}
	}
	return false
}

// NumHeaders returns the number of header fields.
func (r *Request) NumHeaders() int { return int(r.count) }

// HeaderAt returns the i-th field as it was sent, 0 <= i < NumHeaders, without the white space around its value.
func (r *Request) HeaderAt(i int) (name, value []byte) {
	line := span(r.fields[:r.count][i]).of(r.buf)
	colon := bytes.IndexByte(line, ':')
	return line[:colon:colon], trim(line[colon+1:])
}

// Body returns the decoded body, empty if there is none. While the body is incomplete, it returns the part that has
// arrived, or nothing of a chunked body.
func (r *Request) Body() []byte {
	return r.buf[r.bodyAt : r.bodyAt+r.bodyLen : r.bodyAt+r.bodyLen]
}

// WantsContinue reports, once, that the client waits for Continue: the head is complete, an HTTP/1.1 client asked
// for it, and no byte of the body has arrived. Call it after each Parse that found the request incomplete.
func (r *Request) WantsContinue() bool {
	if r.phase != phaseBody || !r.flags.has(wantsContinue) || r.err != nil {
		return false
	}
	r.flags &^= wantsContinue
	return len(r.buf) == r.bodyAt // RFC 9110 10.1.1: may be omitted once content has arrived
}
