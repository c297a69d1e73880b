package peer

import (
	"bytes"
	"net/netip"

	"ccomet/httplite"
)

var forwardedFor = []byte("X-Forwarded-For")

// ForwardedClient parses X-Forwarded-For, to which each proxy on the way has appended the address
// that called it. The client is the rightmost address that is not a trusted proxy's, or the
// leftmost if all are. Anything to the left of it is only the client's word, and ignored. told is
// false without the header, or if it is empty. ok is false if an address that counts is malformed.
func ForwardedClient(req *httplite.Request, trusted *Addresses) (client netip.Addr, told, ok bool) {
	for i := req.NumHeaders() - 1; i >= 0; i-- { // several headers are one list
		name, list := req.HeaderAt(i)
		if !bytes.EqualFold(name, forwardedFor) {
			continue
		}
		for {
			comma := bytes.LastIndexByte(list, ',')
			if hop := bytes.Trim(list[comma+1:], " \t"); len(hop) > 0 { // a list may have empty elements (RFC 9110 5.6.1)
				told = true
				if client, ok = parseHop(hop); !ok || !trusted.Has(client) {
					return client, true, ok
				}
			}
			if comma < 0 {
				break
			}
			list = list[:comma]
		}
	}
	return client, told, true
}

// parseHop parses one element of X-Forwarded-For: an address, which some proxies write with a port,
// and IPv6 then in brackets; or "unix:", nginx's word for a peer on a unix socket.
func parseHop(text []byte) (netip.Addr, bool) {
	if string(text) == "unix:" {
		return netip.Addr{}, true
	}
	colon := bytes.LastIndexByte(text, ':')
	switch {
	case len(text) > 0 && text[0] == '[':
		inside, behind, closed := bytes.Cut(text[1:], []byte("]"))
		if !closed || len(behind) > 0 && (behind[0] != ':' || !isPort(behind[1:])) || bytes.IndexByte(inside, ':') < 0 {
			return netip.Addr{}, false
		}
		text = inside
	case colon >= 0 && bytes.IndexByte(text, ':') == colon: // IPv6 has more than one colon
		if !isPort(text[colon+1:]) {
			return netip.Addr{}, false
		}
		text = text[:colon]
	}
	return parseAddr(text)
}
