package peer

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"regexp"
	"strings"
	"testing"
)

// proxyV2 is a header of version 2: its bytes for command and family, the
// length in it, and the rest.
func proxyV2(command, family byte, length int, parts ...string) string {
	head := append([]byte(proxySignature), command, family)
	return string(binary.BigEndian.AppendUint16(head, uint16(length))) + strings.Join(parts, "")
}

// proxyPass is a header of version 2 as a proxy sends it.
func proxyPass(family byte, parts ...string) string {
	return proxyV2(0x21, family, len(strings.Join(parts, "")), parts...)
}

const (
	ports = "\xDC\x04\x01\xBB"
	v4    = "\xC0\x00\x02\x07\xC0\x00\x02\x01" + ports
	v6    = "\x20\x01\x0D\xB8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07" +
		"\x20\x01\x0D\xB8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" + ports
	mapped = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xFF\xFF\xC0\x00\x02\x07" +
		"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xFF\xFF\xC0\x00\x02\x01" + ports
	noopTLV = "\x04\x00\x03abc"
)

var unixNames = "/run/a" + strings.Repeat("\x00", 102) + "/run/b" + strings.Repeat("\x00", 102)

// goodHeaders are valid headers, with the client of each: an address, "unix",
// or "proxy" for the proxy itself.
var goodHeaders = []struct{ name, header, want string }{
	{"TCP4", "PROXY TCP4 192.0.2.7 192.0.2.1 56324 443\r\n", "192.0.2.7"},
	{"TCP4, ports at their bounds", "PROXY TCP4 255.255.255.255 0.0.0.0 0 65535\r\n", "255.255.255.255"},
	{"TCP6", "PROXY TCP6 2001:db8::7 2001:DB8:0:0:0:0:0:1 56324 443\r\n", "2001:db8::7"},
	{"TCP6, IPv4 in it", "PROXY TCP6 ::ffff:192.0.2.7 ::1 56324 443\r\n", "192.0.2.7"},
	{"UNKNOWN", "PROXY UNKNOWN\r\n", "proxy"},
	{"UNKNOWN, with what is to be ignored", "PROXY UNKNOWN ffff::1 x\r \x00 \r\n", "proxy"},
	{"UNKNOWN, as long as can be", "PROXY UNKNOWN " + strings.Repeat("x", 91) + "\r\n", "proxy"},
	{"2, TCP4", proxyPass(0x11, v4), "192.0.2.7"},
	{"2, UDP4", proxyPass(0x12, v4), "192.0.2.7"},
	{"2, TCP6", proxyPass(0x21, v6), "2001:db8::7"},
	{"2, UDP6", proxyPass(0x22, v6), "2001:db8::7"},
	{"2, TCP6, IPv4 in it", proxyPass(0x21, mapped), "192.0.2.7"},
	{"2, UNIX", proxyPass(0x31, unixNames), "unix"},
	{"2, UNIX datagrams", proxyPass(0x32, unixNames), "unix"},
	{"2, TLVs", proxyPass(0x11, v4, noopTLV, noopTLV), "192.0.2.7"},
	{"2, TLVs that fill it", proxyPass(0x21, v6, strings.Repeat("x", maxProxyHeader-16-len(v6))), "2001:db8::7"},
	{"2, LOCAL", proxyV2(0x20, 0x00, 0), "proxy"},
	{"2, LOCAL, with addresses", proxyV2(0x20, 0x11, len(v4), v4), "proxy"},
	{"2, LOCAL, with a family that is none", proxyV2(0x20, 0xFF, len(noopTLV), noopTLV), "proxy"},
	{"2, of no family", proxyPass(0x00), "proxy"},
	{"2, of no family, with TLVs", proxyPass(0x01, noopTLV), "proxy"},
	{"2, of no transport", proxyPass(0x10, v4), "proxy"},
}

// badHeaders are invalid headers, with the error of each.
var badHeaders = []struct {
	name, header string
	want         error
}{
	{"a request", "GET / HTTP/1.1\r\n", errProxyMissing},
	{"TLS", "\x16\x03\x01", errProxyMissing},
	{"small letters", "proxy TCP4", errProxyMissing},
	{"a tab", "PROXY\tTCP4", errProxyMissing},
	{"two spaces", "PROXY  TCP4 192.0.2.7 192.0.2.1 1 2\r\n", errProxyLine},
	{"two spaces further on", "PROXY TCP4 192.0.2.7  192.0.2.1 1 2\r\n", errProxyLine},
	{"a space at the end", "PROXY TCP4 192.0.2.7 192.0.2.1 1 2 \r\n", errProxyLine},
	{"too much", "PROXY TCP4 192.0.2.7 192.0.2.1 1 2 3\r\n", errProxyLine},
	{"too little", "PROXY TCP4 192.0.2.7 192.0.2.1 1\r\n", errProxyLine},
	{"a family alone", "PROXY TCP4\r\n", errProxyLine},
	{"nothing", "PROXY \r\n", errProxyLine},
	{"another family", "PROXY UDP4 192.0.2.7 192.0.2.1 1 2\r\n", errProxyLine},
	{"nearly UNKNOWN", "PROXY UNKNOWNS\r\n", errProxyLine},
	{"LF alone", "PROXY TCP4 192.0.2.7 192.0.2.1 1 2\n", errProxyLine},
	{"LF alone behind UNKNOWN", "PROXY UNKNOWN\n", errProxyLine},
	{"CR in it", "PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\r\n", errProxyLine},
	{"no end", "PROXY UNKNOWN " + strings.Repeat("x", 93), errProxyLine},
	{"an end too late", "PROXY UNKNOWN " + strings.Repeat("x", 92) + "\r\n", errProxyLine},
	{"TCP4 with IPv6", "PROXY TCP4 2001:db8::7 192.0.2.1 1 2\r\n", errProxyLine},
	{"TCP4 to IPv6", "PROXY TCP4 192.0.2.7 2001:db8::1 1 2\r\n", errProxyLine},
	{"TCP4 with IPv4 in IPv6", "PROXY TCP4 ::ffff:192.0.2.7 192.0.2.1 1 2\r\n", errProxyLine},
	{"TCP6 with IPv4", "PROXY TCP6 192.0.2.7 192.0.2.1 1 2\r\n", errProxyLine},
	{"a zone", "PROXY TCP6 fe80::1%eth0 fe80::2 1 2\r\n", errProxyLine},
	{"a zero in front", "PROXY TCP4 192.0.02.7 192.0.2.1 1 2\r\n", errProxyLine},
	{"a number too large", "PROXY TCP4 192.0.2.256 192.0.2.1 1 2\r\n", errProxyLine},
	{"three numbers", "PROXY TCP4 192.0.2 192.0.2.1 1 2\r\n", errProxyLine},
	{"a port too large", "PROXY TCP4 192.0.2.7 192.0.2.1 65536 2\r\n", errProxyLine},
	{"a port with a zero in front", "PROXY TCP4 192.0.2.7 192.0.2.1 01 2\r\n", errProxyLine},
	{"a port with a sign", "PROXY TCP4 192.0.2.7 192.0.2.1 +1 2\r\n", errProxyLine},
	{"no port", "PROXY TCP4 192.0.2.7 192.0.2.1  2\r\n", errProxyLine},
	{"a name", "PROXY TCP4 localhost 192.0.2.1 1 2\r\n", errProxyLine},
	{"2, nearly its signature", "\r\n\r\n\x00\r\nQUIT\r", errProxyMissing},
	{"2, of version 1", proxyV2(0x11, 0x11, len(v4), v4), errProxyBinary},
	{"2, of version 3", proxyV2(0x31, 0x11, len(v4), v4), errProxyBinary},
	{"2, another command", proxyV2(0x22, 0x11, len(v4), v4), errProxyBinary},
	{"2, another family", proxyPass(0x41, v4), errProxyBinary},
	{"2, another transport", proxyPass(0x13, v4), errProxyBinary},
	{"2, too short for IPv4", proxyPass(0x11, v4[:11]), errProxyBinary},
	{"2, too short for IPv6", proxyPass(0x21, v6[:35]), errProxyBinary},
	{"2, too short for UNIX", proxyPass(0x31, unixNames[:215]), errProxyBinary},
	{"2, without addresses", proxyPass(0x11), errProxyBinary},
	{"2, too long", proxyV2(0x21, 0x11, maxProxyHeader-15), errProxyLong},
	{"2, LOCAL, too long", proxyV2(0x20, 0x00, 0xFFFF), errProxyLong},
}

// headerIsFor returns the client of a header, in the form of goodHeaders.
func headerIsFor(from Proxied) string {
	switch {
	case from.None:
		return "proxy"
	case !from.Client.IsValid():
		return "unix"
	}
	return from.Client.String()
}

// A valid header is consumed completely, without what follows, and not before
// it is complete.
func TestProxyHeader(t *testing.T) {
	const behind = "GET / HTTP/1.1\r\n"
	for _, test := range goodHeaders {
		for cut := range len(test.header) {
			if from, n, err := ParseProxyHeader([]byte(test.header[:cut])); n != 0 || err != nil {
				t.Fatalf("%s: %d of %d bytes: %v, %d, %v", test.name, cut, len(test.header), from, n, err)
			}
		}
		for _, more := range []string{"", behind, test.header} {
			from, n, err := ParseProxyHeader([]byte(test.header + more))
			if err != nil || n != len(test.header) || headerIsFor(from) != test.want {
				t.Errorf("%s: %s, %d of %d, %v, want %s", test.name, headerIsFor(from), n, len(test.header), err, test.want)
			}
		}
	}
}

// An invalid header is refused with the same error wherever it is cut, once
// there is enough of it.
func TestBadProxyHeader(t *testing.T) {
	for _, test := range badHeaders {
		refused := false
		for cut := range len(test.header) + 1 {
			_, n, err := ParseProxyHeader([]byte(test.header[:cut]))
			if n != 0 || err != nil && err != test.want || refused && err == nil {
				t.Fatalf("%s: %d of %d bytes: %d, %v, want %v", test.name, cut, len(test.header), n, err, test.want)
			}
			refused = err != nil
		}
		if !refused {
			t.Errorf("%s: not refused", test.name)
		}
	}
}

func TestProxyHeaderDoesNotAllocate(t *testing.T) {
	for _, test := range goodHeaders {
		p := []byte(test.header)
		if n := testing.AllocsPerRun(10, func() { _, _, _ = ParseProxyHeader(p) }); n != 0 {
			t.Errorf("%s: %v allocations", test.name, n)
		}
	}
}

var proxyLineForm = regexp.MustCompile(`^PROXY (UNKNOWN( [^\n]*)?|TCP4( [0-9.]+){2}( [0-9]{1,5}){2}|TCP6( [0-9a-fA-F:.]+){2}( [0-9]{1,5}){2})\r\n$`)

// FuzzProxyHeader: the result at one length is that at every other, an
// incomplete header is within its bound, and an accepted one has the form of
// the specification.
func FuzzProxyHeader(f *testing.F) {
	for _, test := range goodHeaders {
		f.Add([]byte(test.header))
	}
	for _, test := range badHeaders {
		f.Add([]byte(test.header))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		from, n, err := ParseProxyHeader(p)
		for cut := range p {
			from2, n2, err2 := ParseProxyHeader(p[:cut])
			settled := n2 != 0 || err2 != nil
			if settled && (n2 != n || err2 != err || from2 != from) || !settled && n != 0 && cut >= n {
				t.Fatalf("%q: %v, %d, %v; cut at %d: %v, %d, %v", p, from, n, err, cut, from2, n2, err2)
			}
		}
		switch {
		case err != nil:
			if n != 0 || from != (Proxied{}) {
				t.Fatalf("%q: %v and %d beside %v", p, from, n, err)
			}
		case n == 0:
			if len(p) >= maxProxyHeader || p != nil && bytes.HasPrefix(p, []byte("P")) && len(p) >= maxProxyLine {
				t.Fatalf("%d bytes, but no decision", len(p))
			}
		case p[0] == 'P':
			if !proxyLineForm.Match(p[:n]) {
				t.Fatalf("accepted %q", p[:n])
			}
			if fields := strings.Fields(string(p[:n])); fields[1] != "UNKNOWN" && netip.MustParseAddr(fields[2]).Unmap() != from.Client {
				t.Fatalf("%q is for %v", p[:n], from)
			}
		default:
			if n != proxyFixed+int(binary.BigEndian.Uint16(p[14:])) || from.None && from.Client.IsValid() {
				t.Fatalf("%q: %d, %v", p, n, from)
			}
			if raw := from.Client.AsSlice(); !bytes.Contains(p[proxyFixed:n], raw) {
				t.Fatalf("%v is not in %q", from, p[:n])
			}
		}
	})
}
