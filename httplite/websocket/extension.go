package websocket

import (
	"bytes"
	"strconv"

	"ccomet/httplite"
)

const (
	extensionsField   = "Sec-WebSocket-Extensions"
	permessageDeflate = "permessage-deflate"
	serverNoTakeover  = "server_no_context_takeover"
	clientNoTakeover  = "client_no_context_takeover"
	serverWindowBits  = "server_max_window_bits"
	clientWindowBits  = "client_max_window_bits"
)

// agree chooses the first offer of permessage-deflate that the server can meet. All offers must be well-formed (RFC
// 6455 9.1), also those that the server does not want.
func (h *Handshake) agree(r *httplite.Request, o *Options) error {
	least := o.Window
	if least <= 0 {
		least = MaxWindow
	}
	for i := range r.NumHeaders() {
		name, list := r.HeaderAt(i)
		if !named(name, extensionsField) { // 11.3.2: it may appear several times
			continue
		}
		for list = skipEmpty(list); len(list) > 0; list = skipEmpty(list) {
			offer, rest, ok := cutExtension(list)
			if !ok {
				return errExtensions
			}
			list = rest
			if h.Deflate || !o.Deflate {
				continue
			}
			// The client may compress with any window: the inflater can read all of them.
			if p, ok := offer.deflate(); ok && (p.serverWindow == 0 || p.serverWindow >= least) {
				h.Deflate, h.Window = true, p.serverWindow
			}
		}
	}
	return nil
}

// appendExtension appends the agreed extension (RFC 7692 7.1). It also tells the client not to take over context, which
// is allowed even if the client has not offered that (7.1.1.2).
func (h *Handshake) appendExtension(dst []byte) []byte {
	dst = append(dst, extensionsField+": "+permessageDeflate+"; "+serverNoTakeover+"; "+clientNoTakeover...)
	if h.Window != 0 {
		dst = append(dst, "; "+serverWindowBits+"="...)
		dst = strconv.AppendInt(dst, int64(h.Window), 10)
	}
	return append(dst, "\r\n"...)
}

// extension is one element of Sec-WebSocket-Extensions.
type extension struct {
	name   []byte
	params []byte // well-formed, with the ";" before each
}

// deflateParams are the parameters of permessage-deflate. A window is 0 if it is not named.
type deflateParams struct {
	serverNoTakeover           bool
	serverWindow, clientWindow int
}

// noWindow is the window if the parameter is named without a value.
const noWindow = -1

// deflate reads an extension as permessage-deflate. ok is false for another extension, and if a parameter is unknown,
// repeated, or has a wrong value: the server must decline such an offer (RFC 7692 7.1).
func (e extension) deflate() (p deflateParams, ok bool) {
	if string(e.name) != permessageDeflate {
		return p, false
	}
	var seen [4]bool
	for rest := e.params; len(rest) > 0; {
		var name, value []byte
		var valued bool
		name, value, valued, rest, _ = cutParam(rest)
		which := 0
		switch string(name) {
		case serverNoTakeover:
			which, ok = 0, !valued // 7.1.1.1: no value
			p.serverNoTakeover = true
		case clientNoTakeover:
			which, ok = 1, !valued // 7.1.1.2
		case serverWindowBits:
			which = 2
			p.serverWindow, ok = windowBits(value) // 7.1.2.1: MUST have a value
		case clientWindowBits:
			which, ok, p.clientWindow = 3, true, noWindow // 7.1.2.2: in an offer, the value is optional
			if valued {
				p.clientWindow, ok = windowBits(value)
			}
		default:
			ok = false
		}
		if seen[which] || !ok {
			return deflateParams{}, false
		}
		seen[which] = true
	}
	return p, true
}

// windowBits reads 8 to 15, without leading zeros.
func windowBits(value []byte) (int, bool) {
	for n := MinWindow; n <= MaxWindow; n++ {
		if string(value) == strconv.Itoa(n) {
			return n, true
		}
	}
	return 0, false
}

// cutExtension removes an extension from the start of list, including the comma after it (RFC 6455 9.1), and reports
// whether it is well-formed.
func cutExtension(list []byte) (e extension, rest []byte, ok bool) {
	name, rest := cutToken(skipSpace(list))
	if len(name) == 0 {
		return extension{}, nil, false
	}
	e.name = name
	rest = skipSpace(rest)
	params := rest
	for len(rest) > 0 && rest[0] == ';' {
		if _, _, _, rest, ok = cutParam(rest); !ok {
			return extension{}, nil, false
		}
	}
	e.params = params[:len(params)-len(rest)]
	return e, rest, len(rest) == 0 || rest[0] == ','
}

// cutParam removes ";", a parameter and the white space after it from the start of list.
func cutParam(list []byte) (name, value []byte, valued bool, rest []byte, ok bool) {
	name, rest = cutToken(skipSpace(list[1:]))
	rest = skipSpace(rest)
	if len(name) == 0 || len(rest) == 0 || rest[0] != '=' {
		return name, nil, false, rest, len(name) > 0
	}
	rest = skipSpace(rest[1:])
	if len(rest) > 0 && rest[0] == '"' {
		// 9.1: a quoted value must be a token, too. A token needs no escapes, so escapes are not supported.
		end := bytes.IndexByte(rest[1:], '"')
		if end < 0 || !isToken(rest[1:1+end]) {
			return nil, nil, false, nil, false
		}
		return name, rest[1 : 1+end], true, skipSpace(rest[end+2:]), true
	}
	value, rest = cutToken(rest)
	return name, value, true, skipSpace(rest), len(value) > 0
}

// cutToken splits p after the longest token at its start (RFC 9110 5.6.2).
func cutToken(p []byte) (token, rest []byte) {
	n := 0
	for n < len(p) && isTokenByte(p[n]) {
		n++
	}
	return p[:n], p[n:]
}

func isToken(p []byte) bool {
	token, rest := cutToken(p)
	return len(token) > 0 && len(rest) == 0
}

func isTokenByte(c byte) bool {
	switch {
	case c >= '0' && c <= '9', c|0x20 >= 'a' && c|0x20 <= 'z':
		return true
	}
	return c > ' ' && c < 0x7F && bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), c) >= 0
}

func skipSpace(p []byte) []byte { return bytes.TrimLeft(p, " \t") }

// skipEmpty skips empty elements and commas at the start of a list (RFC 9110 5.6.1.2: a recipient MUST ignore them).
func skipEmpty(list []byte) []byte { return bytes.TrimLeft(list, " \t,") }
