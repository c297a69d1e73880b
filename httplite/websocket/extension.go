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

// agree takes the first offer of permessage-deflate that can be met. All that is offered must be well-formed (RFC
// 6455 9.1), whether it is wanted or not.
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
			// What the client compresses may have any window: the inflater takes them all.
			if p, ok := offer.deflate(); ok && (p.serverWindow == 0 || p.serverWindow >= least) {
				h.Deflate, h.Window = true, p.serverWindow
			}
		}
	}
	return nil
}

// appendExtension appends what was agreed on (RFC 7692 7.1). The client is told not to take over context either:
// it may be, whether it offered to or not (7.1.1.2).
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

// deflateParams are the parameters of permessage-deflate; a window is 0 where none is named.
type deflateParams struct {
	serverNoTakeover           bool
	serverWindow, clientWindow int
}

// noWindow is a window that is named, and has no value.
const noWindow = -1

// deflate reads an extension as permessage-deflate. One with parameters that are unknown, there twice or of a wrong value
// is none that could be met (RFC 7692 7.1).
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
			which, ok, p.clientWindow = 3, true, noWindow // 7.1.2.2: an offer may do without a value
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

// cutExtension takes an extension off list, up to the comma behind it (RFC 6455 9.1), and says whether it is well-formed.
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

// cutParam takes ";", a parameter and the white space behind it off list.
func cutParam(list []byte) (name, value []byte, valued bool, rest []byte, ok bool) {
	name, rest = cutToken(skipSpace(list[1:]))
	rest = skipSpace(rest)
	if len(name) == 0 || len(rest) == 0 || rest[0] != '=' {
		return name, nil, false, rest, len(name) > 0
	}
	rest = skipSpace(rest[1:])
	if len(rest) > 0 && rest[0] == '"' {
		// 9.1: what is quoted must be a token, too. A token needs no escapes, so none are understood.
		end := bytes.IndexByte(rest[1:], '"')
		if end < 0 || !isToken(rest[1:1+end]) {
			return nil, nil, false, nil, false
		}
		return name, rest[1 : 1+end], true, skipSpace(rest[end+2:]), true
	}
	value, rest = cutToken(rest)
	return name, value, true, skipSpace(rest), len(value) > 0
}

// cutToken takes the longest token off the start of p (RFC 9110 5.6.2).
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

// skipEmpty passes over the elements of a list that are empty, and commas (RFC 9110 5.6.1.2: a recipient MUST).
func skipEmpty(list []byte) []byte { return bytes.TrimLeft(list, " \t,") }
