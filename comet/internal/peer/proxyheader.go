package peer

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strconv"

	"ccomet/httplite"
)

// The PROXY protocol: a proxy that passes bytes on sends first, once for each connection, which
// client they are from. Version 1 is a line, version 2 has a length:
//
//	PROXY TCP4 192.0.2.7 192.0.2.1 56324 443\r\n
//	signature (12) | version, command (1) | family, transport (1) | length (2) | addresses, TLVs (length)
const (
	proxyLine      = "PROXY "
	proxySignature = "\r\n\r\n\x00\r\nQUIT\n"
	proxyFixed     = len(proxySignature) + 4 // of version 2, before what the length counts

	maxProxyLine   = 107     // of version 1 with its CRLF, by the specification
	maxProxyHeader = 4 << 10 // of version 2: addresses are at most 216 bytes, a certificate's TLV may be some thousand
)

// Errors of a header. Each ends the connection.
var (
	errProxyMissing = &httplite.Error{Status: 400, Reason: "a PROXY protocol header must come first from this proxy"}
	errProxyLine    = &httplite.Error{Status: 400, Reason: "malformed PROXY protocol line"}
	errProxyBinary  = &httplite.Error{Status: 400, Reason: "malformed PROXY protocol header of version 2"}
	errProxyLong    = &httplite.Error{Status: 400, Reason: "PROXY protocol header too long", Limit: maxProxyHeader}
)

// Proxied is the client for which a proxy has opened a connection.
type Proxied struct {
	Client netip.Addr // the zero Addr: a client on a unix socket
	None   bool       // the client is unknown: use the proxy's own address
}

// ParseProxyHeader parses a header of either version at the start of p. n is its length, 0 while it
// is incomplete. The result does not depend on how the input was cut, and an error is returned as
// soon as it is certain.
func ParseProxyHeader(p []byte) (from Proxied, n int, err *httplite.Error) {
	switch {
	case begins(p, proxySignature):
		return parseProxyBinary(p)
	case !begins(p, proxyLine):
		return Proxied{}, 0, errProxyMissing
	}
	end := bytes.IndexByte(p[:min(len(p), maxProxyLine)], '\n')
	switch {
	case end < 0 && len(p) < maxProxyLine:
		return Proxied{}, 0, nil
	case end < 0 || p[end-1] != '\r':
		return Proxied{}, 0, errProxyLine
	}
	from, ok := parseProxyLine(p[len(proxyLine) : end-1])
	if !ok {
		return Proxied{}, 0, errProxyLine
	}
	return from, end + 1, nil
}

// begins reports whether p begins with want. If p is shorter, it compares what there is.
func begins(p []byte, want string) bool {
	n := min(len(p), len(want))
	return string(p[:n]) == want[:n]
}

// parseProxyLine parses the text between "PROXY " and CRLF.
func parseProxyLine(line []byte) (from Proxied, ok bool) {
	family, rest, more := bytes.Cut(line, []byte(" "))
	if string(family) == "UNKNOWN" {
		return Proxied{None: true}, true // whatever follows
	}
	v4 := string(family) == "TCP4"
	if !more || !v4 && string(family) != "TCP6" {
		return Proxied{}, false
	}
	var fields [4][]byte // source and destination, then their ports
	for i := range fields {
		last := i == len(fields)-1
		if fields[i], rest, more = bytes.Cut(rest, []byte(" ")); more == last {
			return Proxied{}, false
		}
	}
	source, ok := proxyAddr(fields[0], v4)
	_, valid := proxyAddr(fields[1], v4)
	return Proxied{Client: source}, ok && valid && isPort(fields[2]) && isPort(fields[3])
}

func proxyAddr(text []byte, v4 bool) (netip.Addr, bool) {
	addr, ok := parseAddr(text)
	return addr, ok && v4 == (bytes.IndexByte(text, ':') < 0)
}

// isPort reports whether text is 0 to 65535, without leading zeros.
func isPort(text []byte) bool {
	if len(text) > len("65535") {
		return false
	}
	_, err := strconv.ParseUint(string(text), 10, 16)
	return err == nil && (text[0] != '0' || len(text) == 1)
}

// The families and transports of version 2.
const (
	familyUnspecified = iota
	familyIPv4
	familyIPv6
	familyUnix
	families
)

const (
	transportUnspecified = iota
	_                    // stream
	_                    // datagram
	proxyTransports
)

// addressBytes is the length of a family's two addresses with their ports.
var addressBytes = [families]int{familyIPv4: 2 * (4 + 2), familyIPv6: 2 * (16 + 2), familyUnix: 2 * 108}

func parseProxyBinary(p []byte) (from Proxied, n int, err *httplite.Error) {
	rest := p[min(len(proxySignature), len(p)):]
	if len(rest) == 0 {
		return Proxied{}, 0, nil
	}
	version, command := rest[0]>>4, rest[0]&15
	if version != 2 || command > 1 {
		return Proxied{}, 0, errProxyBinary
	}
	local := command == 0
	if len(rest) == 1 {
		return Proxied{}, 0, nil
	}
	family, transport := int(rest[1]>>4), int(rest[1]&15)
	if !local && (family >= families || transport >= proxyTransports) {
		return Proxied{}, 0, errProxyBinary
	}
	if len(p) < proxyFixed {
		return Proxied{}, 0, nil
	}
	size := int(binary.BigEndian.Uint16(rest[2:]))
	none := local || family == familyUnspecified || transport == transportUnspecified
	switch n = proxyFixed + size; {
	case n > maxProxyHeader:
		return Proxied{}, 0, errProxyLong
	case !none && size < addressBytes[family]:
		return Proxied{}, 0, errProxyBinary
	case len(p) < n:
		return Proxied{}, 0, nil
	case none:
		return Proxied{None: true}, n, nil
	}
	switch addresses := p[proxyFixed:n]; family {
	case familyIPv4:
		from.Client = netip.AddrFrom4([4]byte(addresses))
	case familyIPv6:
		from.Client = netip.AddrFrom16([16]byte(addresses)).Unmap()
	}
	return from, n, nil
}
