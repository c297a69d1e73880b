package httplite

import "bytes"

// span is a piece of the input, as offsets, because the bytes may move.
type span struct{ at, end uint32 }

// of returns the piece of buf, without capacity to append into.
func (s span) of(buf []byte) []byte { return buf[s.at:s.end:s.end] }

// requestLine checks buf[at:end], "method SP request-target SP HTTP-version" (RFC 9112 3), and records its parts.
// Exactly one space must separate them: section 3 allows a recipient to be lenient, but this one is strict.
func (r *Request) requestLine(buf []byte, at, end int) Kind {
	line := buf[at:end]
	sp := bytes.IndexByte(line, ' ')
	if sp <= 0 {
		return blame(line, BadRequestLine)
	}
	if !all(line[:sp], isToken) {
		return blame(line, BadMethod)
	}
	rest := line[sp+1:]
	n := bytes.IndexByte(rest, ' ')
	if n <= 0 {
		return blame(line, BadRequestLine)
	}
	minor, k := parseVersion(rest[n+1:])
	if k != 0 {
		if bytes.IndexByte(rest[n+1:], ' ') >= 0 {
			k = BadRequestLine
		}
		return blame(line, k)
	}
	r.minor = minor
	r.method = methodOf(line[:sp])
	r.verb = span{uint32(at), uint32(at + sp)}
	r.target = span{uint32(at + sp + 1), uint32(at + sp + 1 + n)}
	if !r.splitTarget(buf) {
		return blame(line, BadTarget)
	}
	return 0
}

// splitTarget finds path, query and authority in the request target, which is not empty and contains no space (RFC
// 9112 3.2).
func (r *Request) splitTarget(buf []byte) bool {
	t := r.target.of(buf)
	switch {
	case r.method == CONNECT: // authority-form, only for CONNECT (3.2.3)
		r.host = r.target
		r.hostInTarget = true
		return validAuthority(t)
	case t[0] == '/': // origin-form (3.2.1)
		return r.splitPath(buf, r.target.at)
	case len(t) == 1 && t[0] == '*': // asterisk-form, only for OPTIONS (3.2.4)
		r.path = r.target
		return r.method == OPTIONS
	}
	return r.splitAbsolute(buf, t)
}

// splitAbsolute parses absolute-form (RFC 9112 3.2.2): http or https, a host that is not empty and has no user
// information (RFC 9110 4.2.1, 4.2.4), then path and query.
func (r *Request) splitAbsolute(buf, t []byte) bool {
	slashes := bytes.Index(t, []byte("://"))
	if slashes < 0 || !equalFold(t[:slashes], "http") && !equalFold(t[:slashes], "https") {
		return false
	}
	at := slashes + len("://")
	end := at
	for end < len(t) && t[end] != '/' && t[end] != '?' {
		end++
	}
	authority := t[at:end]
	if len(authority) == 0 || !validHost(authority) {
		return false
	}
	base := r.target.at
	r.host = span{base + uint32(at), base + uint32(end)}
	r.hostInTarget = true
	if end < len(t) && t[end] == '/' {
		return r.splitPath(buf, r.host.end)
	}
	// An empty path means "/" (RFC 9110 4.2.3). The slash before the authority serves as the path, so that it is a
	// piece of the input like any other path.
	r.path = span{r.host.at - 1, r.host.at}
	return r.splitQuery(buf, r.host.end)
}

// splitPath parses a path that begins at the offset at, and the query after it. Escapes must be complete (RFC 3986
// 2.1). Bytes that are not allowed in a path are refused, such as a backslash, which some take for a slash.
func (r *Request) splitPath(buf []byte, at uint32) bool {
	t := buf[at:r.target.end]
	i := 0
	for ; i < len(t); i++ {
		c := t[i]
		if class[c]&isPath != 0 {
			continue
		}
		if c == '?' {
			break
		}
		if c != '%' || !escaped(t, i) {
			return false
		}
		i += 2
	}
	r.path = span{at, at + uint32(i)}
	return r.splitQuery(buf, at+uint32(i))
}

// splitQuery parses the rest of the target at the offset at: nothing, or '?' and a query. Escapes are not checked
// here: the reader of the query decides what they mean.
func (r *Request) splitQuery(buf []byte, at uint32) bool {
	if at == r.target.end {
		return true
	}
	r.query = span{at + 1, r.target.end}
	return all(r.query.of(buf), isQuery)
}

// validAuthority accepts a host and a port from 1 to 65535. CONNECT requires both (RFC 9110 9.3.6).
func validAuthority(t []byte) bool {
	colon := bytes.LastIndexByte(t, ':')
	if colon <= 0 || !validHost(t) {
		return false
	}
	port := 0
	for _, c := range t[colon+1:] {
		if port = port*10 + int(c) - '0'; c < '0' || c > '9' || port > 65535 {
			return false
		}
	}
	return port > 0
}
