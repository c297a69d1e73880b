package httplite

import "bytes"

// validHost reports whether b is uri-host [ ":" port ] (RFC 9110 7.2, RFC 3986 3.2.2): a name, an IPv4 address or a
// bracketed IPv6 address, without user information. An empty host is valid here, but not with a port: that would
// make a URI with an empty host (RFC 9110 4.2.1).
func validHost(b []byte) bool {
	if len(b) > 0 && b[0] == ':' {
		return false
	}
	if len(b) > 0 && b[0] == '[' {
		end := bytes.IndexByte(b, ']')
		return end > 0 && validIPv6(b[1:end]) && validPort(b[end+1:])
	}
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case class[c]&isHost != 0:
		case c == '%' && escaped(b, i):
			i += 2
		case c == ':':
			return validPort(b[i:])
		default:
			return false
		}
	}
	return true
}

// validPort accepts nothing, or a colon with any number of digits (RFC 3986 3.2.3).
func validPort(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	if b[0] != ':' {
		return false
	}
	for _, c := range b[1:] {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// validIPv6 accepts an IPv6address (RFC 3986 3.2.2). It rejects zones, which mean nothing to another host (RFC
// 9844), and IPvFuture, which is not in use.
func validIPv6(b []byte) bool {
	groups, gap, i := 0, false, 0
	if len(b) >= 2 && b[0] == ':' && b[1] == ':' {
		if gap, i = true, 2; i == len(b) {
			return true
		}
	}
	for {
		start := i
		for i < len(b) && unhex[b[i]] != notHex {
			i++
		}
		if i < len(b) && b[i] == '.' {
			groups += 2 // it may end as an IPv4 address
			return validIPv4(b[start:]) && groups <= 8 && gap == (groups < 8)
		}
		if i == start || i-start > 4 {
			return false
		}
		groups++
		if i == len(b) {
			return groups <= 8 && gap == (groups < 8)
		}
		if b[i] != ':' || i+1 == len(b) {
			return false
		}
		if i++; b[i] != ':' {
			continue
		}
		if gap { // a second one
			return false
		}
		if gap, i = true, i+1; i == len(b) {
			return groups < 8
		}
	}
}

// validIPv4 accepts four dec-octets (RFC 3986 3.2.2).
func validIPv4(b []byte) bool {
	for octets := 1; ; octets++ {
		i, v := 0, 0
		for i < len(b) && i < 4 && '0' <= b[i] && b[i] <= '9' {
			v = v*10 + int(b[i]-'0')
			i++
		}
		if i == 0 || v > 255 || i > 1 && b[0] == '0' {
			return false
		}
		if i == len(b) {
			return octets == 4
		}
		if b[i] != '.' {
			return false
		}
		b = b[i+1:]
	}
}

// escaped reports whether two hexadecimal digits follow b[i], a '%'.
func escaped(b []byte, i int) bool {
	return i+2 < len(b) && unhex[b[i+1]] != notHex && unhex[b[i+2]] != notHex
}
