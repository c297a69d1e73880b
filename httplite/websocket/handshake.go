package websocket

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"slices"

	"ccomet/httplite"
)

// Options are what a server supports. They are only read, so any number of goroutines may share one value.
type Options struct {
	Protocols []string // supported subprotocols
	Deflate   bool     // permessage-deflate is supported
	// Window is the smallest LZ77 window, in bits, that the server uses if a client asks for it. A client that asks for
	// a smaller one gets no compression. 0 means MaxWindow: a message that is compressed once fits every client.
	// MinWindow agrees to every window, but a message must then be compressed for each window separately.
	Window int
}

// Handshake is what client and server have agreed on.
type Handshake struct {
	Protocol string // the subprotocol, one of Options.Protocols; empty: none
	Offered  bool   // the client offered subprotocols; if Protocol is empty, the server supports none of them
	Deflate  bool   // permessage-deflate, for Rules.Deflate; without context takeover in either direction
	Window   int    // window of this end's Deflater, in bits, as the other end has asked; 0: MaxWindow

	accept [acceptSize]byte
}

// HandshakeError is an error in the request of a WebSocket handshake, or in the answer to one.
type HandshakeError struct {
	Status int    // for a request: the HTTP status of the response, 400, 405 or 426; for an answer: its own status
	Reason string // one line of text, without anything that the peer sent
}

func (e *HandshakeError) Error() string { return e.Reason }

// The errors of a handshake. They are shared: do not change them.
var (
	errNotGET     = &HandshakeError{405, "a WebSocket is asked for by GET"}
	errNoUpgrade  = &HandshakeError{426, "this is for WebSocket: ask for an upgrade, by HTTP/1.1"}
	errVersion    = &HandshakeError{426, "the only WebSocket version spoken here is 13"}
	errVersions   = &HandshakeError{400, "not one Sec-WebSocket-Version"}
	errKey        = &HandshakeError{400, "not one Sec-WebSocket-Key of 16 bytes in base64"}
	errExtensions = &HandshakeError{400, "malformed Sec-WebSocket-Extensions"}
	errProtocols  = &HandshakeError{400, "malformed Sec-WebSocket-Protocol"}
)

// ReadHandshake checks a complete request (RFC 6455 4.2.1), and returns what is agreed on. The error is a
// *HandshakeError. Nil options mean the zero Options. It does not check Origin: the caller must decide about it (10.2).
// The Handshake does not refer to the request's bytes.
func ReadHandshake(r *httplite.Request, o *Options) (Handshake, error) {
	var h Handshake
	if o == nil {
		o = &Options{}
	}
	switch {
	case r.Method() != httplite.GET:
		return h, errNotGET // item 1
	case r.Minor() == 0, !r.HeaderHas("Upgrade", "websocket"), !r.HeaderHas("Connection", "upgrade"):
		return h, errNoUpgrade // items 1, 3 and 4; RFC 9110 7.8: Upgrade MUST be ignored in HTTP/1.0
	}
	switch version, n := only(r, "Sec-WebSocket-Version"); {
	case n > 1:
		return h, errVersions // 11.3.5: MUST NOT appear more than once
	case string(version) != "13":
		return h, errVersion // item 6, and 4.4
	}
	key, n := only(r, "Sec-WebSocket-Key")
	if n != 1 || !validKey(key) {
		return h, errKey // item 5; 11.3.1: MUST NOT appear more than once
	}
	h.accept = accept(key)
	err := h.chooseProtocol(r, o.Protocols)
	if err == nil {
		err = h.agree(r, o)
	}
	if err != nil {
		return Handshake{}, err
	}
	return h, nil
}

// only returns the value of the header field with that name, and how many such fields there are.
func only(r *httplite.Request, name string) (value []byte, n int) {
	for i := range r.NumHeaders() {
		if f, v := r.HeaderAt(i); named(f, name) {
			value = v
			n++
		}
	}
	return value, n
}

// named reports whether a field has that name. A parsed name is a token, so it is ASCII.
func named(field []byte, name string) bool {
	return len(field) == len(name) && bytes.EqualFold(field, []byte(name))
}

// validKey reports whether key is 16 bytes in base64.
func validKey(key []byte) bool {
	var raw [18]byte
	if len(key) != 24 {
		return false
	}
	n, err := base64.StdEncoding.Decode(raw[:], key)
	return err == nil && n == 16
}

// chooseProtocol chooses the first offered subprotocol that is supported: a client offers them in order of preference
// (RFC 6455 4.1 item 10). Names are case-sensitive.
func (h *Handshake) chooseProtocol(r *httplite.Request, spoken []string) error {
	for i := range r.NumHeaders() {
		name, list := r.HeaderAt(i)
		if !named(name, "Sec-WebSocket-Protocol") { // 11.3.4: it may appear several times
			continue
		}
		for list = skipEmpty(list); len(list) > 0; list = skipEmpty(list) {
			one, rest := cutToken(list)
			list = skipSpace(rest)
			if len(one) == 0 || len(list) > 0 && list[0] != ',' {
				return errProtocols // 4.1 item 10: the elements MUST be tokens
			}
			h.Offered = true
			if h.Protocol == "" {
				if at := slices.IndexFunc(spoken, func(s string) bool { return s == string(one) }); at >= 0 {
					h.Protocol = spoken[at]
				}
			}
		}
	}
	return nil
}

// AppendResponse appends the head of the response 101, without the empty line that ends it (httplite.EndHeaders), so
// that other header lines may follow. The first frame follows directly after the empty line.
func (h *Handshake) AppendResponse(dst []byte) []byte {
	dst = httplite.AppendStatus(dst, 101)
	dst = httplite.AppendHeader(dst, "Upgrade", "websocket")
	dst = httplite.AppendHeader(dst, "Connection", "Upgrade")
	dst = httplite.AppendHeaderBytes(dst, "Sec-WebSocket-Accept", h.accept[:])
	if h.Protocol != "" {
		dst = httplite.AppendHeader(dst, "Sec-WebSocket-Protocol", h.Protocol)
	}
	if h.Deflate {
		dst = h.appendExtension(dst)
	}
	return dst
}

// AppendRefusal appends a whole response with the error of a request. The connection must be closed after it.
func AppendRefusal(dst []byte, e *HandshakeError) []byte {
	dst = httplite.AppendStatus(dst, e.Status)
	dst = httplite.AppendHeader(dst, "Content-Type", "text/plain; charset=utf-8")
	dst = httplite.AppendHeader(dst, "X-Content-Type-Options", "nosniff")
	dst = httplite.AppendHeaderInt(dst, "Content-Length", int64(len(e.Reason)+1))
	switch e.Status {
	case 405:
		dst = httplite.AppendHeader(dst, "Allow", "GET")
		dst = httplite.AppendHeader(dst, "Connection", "close")
	case 426:
		dst = httplite.AppendHeader(dst, "Upgrade", "websocket") // RFC 9110 15.5.22: MUST send it
		dst = httplite.AppendHeader(dst, "Sec-WebSocket-Version", "13")
		dst = httplite.AppendHeader(dst, "Connection", "Upgrade, close")
	default:
		dst = httplite.AppendHeader(dst, "Connection", "close")
	}
	dst = httplite.EndHeaders(dst)
	return append(append(dst, e.Reason...), '\n')
}

// acceptSize is the length of a SHA-1 hash in base64.
const acceptSize = 28

// accept returns the answer to a key (RFC 6455 4.2.2 item 5.4).
func accept(key []byte) (answer [acceptSize]byte) {
	var scratch [64]byte
	sum := sha1.Sum(append(append(scratch[:0], key...), "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"...))
	base64.StdEncoding.Encode(answer[:], sum[:])
	return answer
}
