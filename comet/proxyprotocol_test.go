package comet

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ccomet/comet/internal/conn"
)

// proxyV2 is a PROXY protocol header of version 2: its bytes for command and family,
// the length in it, and the rest.
func proxyV2(command, family byte, length int, parts ...string) string {
	head := append([]byte("\r\n\r\n\x00\r\nQUIT\n"), command, family)
	return string(binary.BigEndian.AppendUint16(head, uint16(length))) + strings.Join(parts, "")
}

// proxyPass is a header of version 2 as a proxy sends it.
func proxyPass(family byte, parts ...string) string {
	return proxyV2(0x21, family, len(strings.Join(parts, "")), parts...)
}

// The content of such a header for each family: addresses and ports; and one more
// field.
const (
	ports = "\xDC\x04\x01\xBB"
	v4    = "\xC0\x00\x02\x07\xC0\x00\x02\x01" + ports
	v6    = "\x20\x01\x0D\xB8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07" +
		"\x20\x01\x0D\xB8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" + ports
	noopTLV = "\x04\x00\x03abc"
)

var unixNames = "/run/a" + strings.Repeat("\x00", 102) + "/run/b" + strings.Repeat("\x00", 102)

// If the PROXY protocol is on, its header names the client for all requests of the
// connection. If it is off, the header is not a valid request.
func TestProxyProtocolOverTCP(t *testing.T) {
	srv := startWire(t, Config{
		Loops: 1, AdminAllow: []string{"192.0.2.7", "2001:db8::7", "127.0.0.2"},
		TrustedProxies: []string{"127.0.0.2", "127.0.0.3"}, ProxyProtocol: []string{"admin"},
	})
	healthy := answer(ok200, asText, "ok")
	const malformed = "malformed request line\n"
	for _, test := range []struct{ name, from, header, want string }{
		{"1, allowed", "127.0.0.3", "PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\n", ""},
		{"2, allowed", "127.0.0.3", proxyPass(0x21, v6, noopTLV), ""},
		{"1, denied", "127.0.0.2", "PROXY TCP4 192.0.2.8 192.0.2.1 1 2\r\n", denied("192.0.2.8", closing)},
		{"2, denied", "127.0.0.2", proxyPass(0x31, unixNames), denied("unix", closing)},
		{"LOCAL, of one that may come", "127.0.0.2", proxyV2(0x20, 0, 0), ""},
		{"LOCAL, of one that may not", "127.0.0.3", proxyV2(0x20, 0, 0), denied("127.0.0.3", closing)},
		{"UNKNOWN, of one that may come", "127.0.0.2", "PROXY UNKNOWN\r\n", ""},
		{"none", "127.0.0.2", "", answer(badRequest, asText, "a PROXY protocol header must come first from this proxy\n", closing)},
		{"malformed", "127.0.0.2", "PROXY TCP4 192.0.2.7\r\n", answer(badRequest, asText, "malformed PROXY protocol line\n", closing)},
		{"too long", "127.0.0.2", proxyV2(0x21, 0x11, 0xFFFF), answer(badRequest, asText, "PROXY protocol header too long: the limit is 4096 bytes\n", closing)},
		{"1, of a stranger", "127.0.0.4", "PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\n", answer(badRequest, asText, malformed, closing)},
		{"2, of a stranger", "127.0.0.4", proxyPass(0x11, v4), answer(badRequest, asText, malformed, closing)},
		{"none, of a stranger", "127.0.0.4", "", denied("127.0.0.4") + denied("127.0.0.4", closing)},
	} {
		t.Run(test.name, func(t *testing.T) {
			srv.t = t
			c := srv.dialFrom(test.from, srv.Server.admin[0])
			// X-Forwarded-For is ignored: the header names the client.
			c.send(test.header + reqGet(1, "/healthz", forwardedBy("nonsense")))
			if test.want != "" {
				if strings.Contains(test.want, "127.0.0.4") {
					c.send(reqGet(1, "/healthz", closing))
				}
				same(t, c.rest(), test.want)
				return
			}
			c.expect(healthy)
			for range 2 {
				c.send(reqGet(1, "/healthz"))
				c.expect(healthy)
			}
			c.send("PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\n") // a second header is not allowed
			same(t, c.rest(), answer(badRequest, asText, malformed, closing))
		})
	}
	srv.t = t
	front := srv.dialFrom("127.0.0.2", srv.front[0]) // there it is off, and there are no rules
	front.send("PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\n")
	same(t, front.rest(), answer(badRequest, asText, malformed, closing))
}

// The result does not depend on how header and request are cut, and nothing is kept
// afterwards.
func TestProxyProtocolCutAnywhere(t *testing.T) {
	for _, test := range []struct{ header, want string }{
		{"PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\n", answer(ok200, asText, "ok") + answer(ok200, asText, "ok", closing)},
		{proxyPass(0x21, v6, noopTLV), answer(ok200, asText, "ok") + answer(ok200, asText, "ok", closing)},
		{proxyPass(0x11, "\x0A\x00\x00\x07\x0A\x00\x00\x01"+ports), denied("10.0.0.7", closing)},
		{"PROXY UNKNOWN\r\n", denied("unix", closing)},
		{"PROXY TCP5 192.0.2.7 192.0.2.1 1 2\r\n", answer(badRequest, asText, "malformed PROXY protocol line\n", closing)},
	} {
		text := test.header + reqGet(1, "/healthz") + reqGet(1, "/healthz", closing)
		st := newStage(t, Config{Loops: 1, AdminAllow: []string{"192.0.2.", "2001:db8::/32"}, TrustedProxies: []string{"unix"}, ProxyProtocol: []string{"admin", "front"}})
		for at := range text {
			p := st.enter(0, conn.Admin)
			p.send(text[:at])
			early := p.take()
			if !p.ended {
				p.send(text[at:])
			}
			if got := early + p.take(); got != test.want || !p.ended {
				t.Fatalf("%q, cut at %d: got %q, ended %v, want %q", test.header, at, got, p.ended, test.want)
			}
			p.leave()
			st.settle()
		}
		p := st.enter(0, conn.Admin)
		for at := 0; at < len(text) && !p.ended; at++ {
			p.write(text[at : at+1])
			st.turn(0)
			p.st.settle()
			if at == len(test.header)-1 && !p.ended {
				if n := st.srv.shards[0].loop.Stats().Held; n != 0 {
					t.Errorf("%q: %d buffers are kept behind the header", test.header, n)
				}
			}
		}
		p.leave()
		st.settle()
		if stats := st.srv.shards[0].loop.Stats(); stats.Held != 0 || stats.Open != 0 {
			t.Errorf("%q: %+v is left", test.header, stats)
		}
	}
}

// The server does not wait for ever for an incomplete header.
func TestProxyProtocolHalf(t *testing.T) {
	st := newStage(t, Config{Loops: 1, TrustedProxies: []string{"unix"}, ProxyProtocol: []string{"front"}, RequestTimeout: 10 * time.Second})
	slow, gone := st.enter(0, conn.Front), st.enter(0, conn.Front)
	slow.send("PROXY TCP4 192.0.2.7")
	gone.send("PROXY TCP4 192.0.2.7")
	if err := unix.Shutdown(gone.fd, unix.SHUT_WR); err != nil {
		t.Fatal(err)
	}
	st.settle()
	if gone.take() != "" || !gone.ended {
		t.Error("a client that ended in the middle is still connected")
	}
	st.later(9 * time.Second)
	if slow.take() != "" || slow.ended {
		t.Error("closed too early")
	}
	if st.later(2 * time.Second); slow.take() != "" || !slow.ended {
		t.Error("a client with an incomplete request is still connected")
	}
	gone.leave()
	slow.leave()
	st.settle()
	if stats := st.srv.shards[0].loop.Stats(); stats.Held != 0 || stats.Open != 0 {
		t.Errorf("%+v is left", stats)
	}
}
