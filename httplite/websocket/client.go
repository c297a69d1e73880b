package websocket

import (
	"encoding/base64"
	"slices"

	"ccomet/httplite"
)

// EncodeKey makes the key of a client's handshake from 16 random bytes. They must come from crypto/rand, new for each
// connection (RFC 6455 4.1 item 7).
func EncodeKey(random [16]byte) string { return base64.StdEncoding.EncodeToString(random[:]) }

// AppendRequest appends the header lines that make a GET request a handshake, after the request line and Host: the
// client's subprotocols in order of preference, and an offer of permessage-deflate if deflate is set. The protocols
// must be tokens; AppendRequest does not check them.
func AppendRequest(dst []byte, key string, protocols []string, deflate bool) []byte {
	dst = httplite.AppendHeader(dst, "Upgrade", "websocket")
	dst = httplite.AppendHeader(dst, "Connection", "Upgrade")
	dst = httplite.AppendHeader(dst, "Sec-WebSocket-Key", key)
	dst = httplite.AppendHeader(dst, "Sec-WebSocket-Version", "13")
	for _, p := range protocols { // 11.3.4: it may appear several times
		dst = httplite.AppendHeader(dst, "Sec-WebSocket-Protocol", p)
	}
	if deflate {
		// The client inflates each message by itself, so the server must not refer to earlier messages (RFC 7692
		// 7.1.1.1).
		dst = httplite.AppendHeader(dst, extensionsField, permessageDeflate+"; "+serverNoTakeover+"; "+clientNoTakeover+"; "+clientWindowBits)
	}
	return dst
}

// The errors of an answer. They are shared: do not change them.
var (
	errAccept     = &HandshakeError{101, "the server's Sec-WebSocket-Accept does not fit the key"}
	errNotOffered = &HandshakeError{101, "the server chose a subprotocol or an extension that was not offered"}
	errTakeover   = &HandshakeError{101, "the server wants to compress in a way that was not offered"}
)

// ReadAnswer checks the head of the answer to a request made with AppendRequest (RFC 6455 4.1), and returns what was
// agreed on. The error is a *HandshakeError with the server's status. Handshake.Window limits the window with which the
// client compresses.
func ReadAnswer(r *httplite.Response, key string, protocols []string, deflate bool) (Handshake, error) {
	if r.Status() != 101 || !r.HeaderHas("Upgrade", "websocket") || !r.HeaderHas("Connection", "upgrade") {
		return Handshake{}, &HandshakeError{r.Status(), "the server does not upgrade to WebSocket"} // items 1 to 3
	}
	var h Handshake
	want, accepts := accept([]byte(key)), 0
	for name, value := range r.Headers {
		var err error
		switch {
		case named(name, "Sec-WebSocket-Accept"):
			if accepts++; accepts > 1 || string(value) != string(want[:]) {
				err = errAccept // item 4; 11.3.3: MUST NOT appear more than once
			}
		case named(name, "Sec-WebSocket-Protocol"):
			err = h.chosen(value, protocols)
		case named(name, extensionsField): // 11.3.2: it may appear several times
			err = h.agreed(value, deflate)
		}
		if err != nil {
			return Handshake{}, err
		}
	}
	if accepts == 0 {
		return Handshake{}, errAccept
	}
	return h, nil
}

// chosen reads the subprotocol that the server chose. It must be one of those offered.
func (h *Handshake) chosen(protocol []byte, offered []string) error {
	at := slices.IndexFunc(offered, func(p string) bool { return p == string(protocol) })
	if at < 0 || h.Offered {
		return errNotOffered // item 6; 11.3.4: MUST NOT appear more than once in an answer
	}
	h.Protocol, h.Offered = offered[at], true
	return nil
}

// agreed reads the extensions that the server chose: permessage-deflate without context takeover, or none.
func (h *Handshake) agreed(list []byte, offered bool) error {
	list = skipEmpty(list)
	if len(list) == 0 {
		return nil
	}
	e, rest, ok := cutExtension(list)
	if !ok || !offered || h.Deflate || string(e.name) != permessageDeflate || len(skipEmpty(rest)) > 0 {
		return errNotOffered // RFC 6455 4.1 item 5
	}
	p, ok := e.deflate()
	switch {
	case !ok, !p.serverNoTakeover: // RFC 7692 7.1.1.1: a server that accepts an offer with it MUST say so
		return errTakeover
	case p.clientWindow == noWindow: // 7.1.2.2: an answer MUST have a value
		return errTakeover
	}
	h.Deflate, h.Window = true, p.clientWindow
	return nil
}
