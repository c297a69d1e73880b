package websocket

import (
	"encoding/base64"
	"slices"

	"ccomet/httplite"
)

// EncodeKey makes the key of a client's handshake of 16 bytes, which are to be from crypto/rand, for each connection
// anew (RFC 6455 4.1 item 7).
func EncodeKey(random [16]byte) string { return base64.StdEncoding.EncodeToString(random[:]) }

// AppendRequest appends the header lines that make a GET a handshake, behind its request line and Host: the subprotocols
// that the client speaks, what it prefers first, and an offer of permessage-deflate if it wants that. The protocols are
// tokens, and the caller's word.
func AppendRequest(dst []byte, key string, protocols []string, deflate bool) []byte {
	dst = httplite.AppendHeader(dst, "Upgrade", "websocket")
	dst = httplite.AppendHeader(dst, "Connection", "Upgrade")
	dst = httplite.AppendHeader(dst, "Sec-WebSocket-Key", key)
	dst = httplite.AppendHeader(dst, "Sec-WebSocket-Version", "13")
	for _, p := range protocols { // 11.3.4: it may appear several times
		dst = httplite.AppendHeader(dst, "Sec-WebSocket-Protocol", p)
	}
	if deflate {
		// What the server says is inflated message by message, so it must not refer to earlier ones (RFC 7692 7.1.1.1).
		dst = httplite.AppendHeader(dst, extensionsField, permessageDeflate+"; "+serverNoTakeover+"; "+clientNoTakeover+"; "+clientWindowBits)
	}
	return dst
}

// What is wrong with an answer. They are shared.
var (
	errAccept     = &HandshakeError{101, "the server's Sec-WebSocket-Accept does not fit the key"}
	errNotOffered = &HandshakeError{101, "the server chose a subprotocol or an extension that was not offered"}
	errTakeover   = &HandshakeError{101, "the server wants to compress in a way that was not offered"}
)

// ReadAnswer checks the head of an answer to what AppendRequest asked for (RFC 6455 4.1), and says what was agreed on;
// the error is a *HandshakeError, whose Status is the server's. Window bounds what the client compresses.
func ReadAnswer(r *httplite.Response, key string, protocols []string, deflate bool) (Handshake, error) {
	var h Handshake
	if r.Status() != 101 || !httplite.HasToken(r.Header("Upgrade"), "websocket") ||
		!httplite.HasToken(r.Header("Connection"), "upgrade") {
		return h, &HandshakeError{r.Status(), "the server does not upgrade to WebSocket"} // items 1 to 3
	}
	if want := accept([]byte(key)); string(r.Header("Sec-WebSocket-Accept")) != string(want[:]) {
		return h, errAccept // item 4
	}
	if chosen := r.Header("Sec-WebSocket-Protocol"); chosen != nil {
		at := slices.IndexFunc(protocols, func(p string) bool { return p == string(chosen) })
		if at < 0 {
			return Handshake{}, errNotOffered // item 6
		}
		h.Protocol, h.Offered = protocols[at], true
	}
	if err := h.agreed(r.Header(extensionsField), deflate); err != nil {
		return Handshake{}, err
	}
	return h, nil
}

// agreed reads what extensions a server chose: permessage-deflate without context takeover, or none.
func (h *Handshake) agreed(list []byte, offered bool) error {
	list = skipEmpty(list)
	if len(list) == 0 {
		return nil
	}
	e, rest, ok := cutExtension(list)
	if !ok || !offered || string(e.name) != permessageDeflate || len(skipEmpty(rest)) > 0 {
		return errNotOffered // RFC 6455 4.1 item 5
	}
	p, ok := e.deflate()
	if !ok || !p.serverNoTakeover {
		return errTakeover // RFC 7692 7.1.1.1: a server that accepts an offer with it MUST say so
	}
	h.Deflate, h.Window = true, p.clientWindow
	return nil
}
