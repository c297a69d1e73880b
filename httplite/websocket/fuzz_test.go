package websocket

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/flate"

	"ccomet/httplite"
)

// fuzzRules have small limits, so that inputs reach them.
func fuzzRules(client, deflate bool) *Rules {
	return &Rules{Client: client, Deflate: deflate, Message: 1000, Fragments: 20}
}

// FuzzRead: the result of reading any bytes does not depend on where they are cut, and equals that of gobwas/ws, apart
// from the known differences (gobwas_test.go).
func FuzzRead(f *testing.F) {
	for _, raw := range []string{
		frame(text, "hello"), frame(text1, "\xce") + frame(ping, "p") + frame(cont, "\xba"),
		frame(end, "\x03\xe8bye"), frame(text|rsv1, "\xf2\x48\xcd\xc9\xc9\x07\x00"), frame(bin, strings.Repeat("x", 200)),
		length(bin, 8, 1<<63), length(text, 2, 125), serverFrame(text, "hello") + serverFrame(end, ""),
		"\x81\x85\x00\x00\x00\x00\xce\xba\xcf\x8c\xff",
	} {
		f.Add([]byte(raw), false, true, uint16(len(raw)/2))
		f.Add([]byte(raw), true, false, uint16(1))
	}
	for _, c := range refused {
		f.Add([]byte(c.raw), c.rules == client, c.rules == deflated, uint16(len(c.raw)/2))
	}
	var r Reader
	f.Fuzz(func(t *testing.T, raw []byte, client, deflate bool, cut uint16) {
		checkReading(t, &r, string(raw), fuzzRules(client, deflate), int(cut))
	})
}

func checkReading(t *testing.T, r *Reader, raw string, rules *Rules, cut int) {
	t.Helper()
	got := feed(t, r, raw, rules)
	cut %= len(raw) + 1
	if again := feed(t, r, raw, rules, cut); again != got {
		t.Fatalf("%x cut at %d:\n got %s\nwant %s", raw, cut, again, got)
	}
	if len(raw) < 2000 {
		var cuts []int
		for at := range len(raw) {
			cuts = append(cuts, at)
		}
		if again := feed(t, r, raw, rules, cuts...); again != got {
			t.Fatalf("%x a byte at a time:\n got %s\nwant %s", raw, again, got)
		}
	}
	compare(t, r, raw, rules)
}

// script makes frames from bytes: a first byte, a length, and a payload, repeatedly. Nearly all have the correct mask
// and length, so that the frames after them are read.
func script(p []byte, client bool) string {
	var raw strings.Builder
	for len(p) >= 2 {
		first, n := p[0], min(int(p[1]), len(p)-2)
		if client {
			raw.WriteString(serverFrame(first, string(p[2:2+n])))
		} else {
			raw.WriteString(frame(first, string(p[2:2+n])))
		}
		p = p[2+n:]
	}
	return raw.String()
}

// FuzzFrames is FuzzRead for frames whose masks and lengths are mostly correct.
func FuzzFrames(f *testing.F) {
	for _, s := range []string{
		"\x81\x05hello", "\x01\x01\xce\x89\x01p\x80\x01\xba", "\x88\x05\x03\xe8bye", "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00",
		"\x41\x03\xf2\x48\xcd\x8a\x00\x80\x04\xc9\xc9\x07\x00\x81\x05after", "\x02\x00\x00\x00\x00\x00\x80\x00",
		"\xc2\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "\xc2\x0b\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00",
	} {
		f.Add([]byte(s), false, true, uint16(3))
		f.Add([]byte(s), true, false, uint16(1))
	}
	var r Reader
	f.Fuzz(func(t *testing.T, p []byte, client, deflate bool, cut uint16) {
		checkReading(t, &r, script(p, client), fuzzRules(client, deflate), int(cut))
	})
}

// FuzzInflate gives the same compressed data to an Inflater, to gobwas/ws, and to klauspost/compress.
func FuzzInflate(f *testing.F) {
	var d Deflater
	for _, p := range []string{
		"\xf2\x48\xcd\xc9\xc9\x07\x00", "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", "\x00", "\x03\x00",
		"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", string(d.Append(nil, jsonOf(1024), 0)), string(d.Append(nil, skewed(500), 8)),
		string(emptyDynamicBlock()) + "\x00", string(longDynamicBlock()) + "\x00",
	} {
		f.Add([]byte(p), uint16(4096))
	}
	var inflater Inflater
	f.Fuzz(func(t *testing.T, payload []byte, limit uint16) {
		if len(payload) == 0 {
			return
		}
		most := int(limit) + 1
		got, err := inflater.Inflate(payload, most)
		want, unsure, theirs := inflateAlone(payload, most)
		if unsure {
			return
		}
		if err == nil {
			// klauspost/compress must accept what Inflater accepts, with the same content.
			src := bytes.NewReader(append(bytes.Clone(payload), tail...))
			if third, err := io.ReadAll(flate.NewReader(src)); err != nil || !bytes.Equal(got, third) {
				t.Fatalf("%x: %q; klauspost/compress: %q, %v", payload, got, third, err)
			}
		}
		switch {
		case (err == nil) != (theirs == nil), err == nil && !bytes.Equal(got, want):
			t.Fatalf("%x, at most %d: %q, %v; the standard library: %q, %v", payload, most, got, err, want, theirs)
		case err != nil && fmt.Sprint(err.(*Error).Code) != theirs.Error():
			t.Fatalf("%x, at most %d: %v, the standard library: %v", payload, most, err, theirs)
		}
	})
}

// FuzzDeflate: after compressing and inflating, a message is unchanged.
func FuzzDeflate(f *testing.F) {
	f.Add([]byte("hello"), uint8(0))
	f.Add(bytes.Repeat([]byte("hello"), 200), uint8(8))
	f.Add(jsonOf(2048), uint8(9))
	var d Deflater
	var inflater Inflater
	f.Fuzz(func(t *testing.T, msg []byte, bits uint8) {
		packed := d.Append(nil, msg, int(bits%16))
		if got, err := inflater.Inflate(packed, len(msg)+1); err != nil || !bytes.Equal(got, msg) {
			t.Fatalf("%q, %v", got, err)
		}
		if got, _, err := inflateAlone(packed, len(msg)+1); err != nil || !bytes.Equal(got, msg) {
			t.Fatalf("the standard library: %q, %v", got, err)
		}
		raw := d.AppendFrame(nil, Binary, msg, int(bits%16))
		if got, want := feed(t, &Reader{}, string(raw), &Rules{Client: true, Deflate: true}), line(Binary, msg); got != want {
			t.Fatalf("got %s\nwant %s", got, want)
		}
	})
}

// FuzzHandshake: any handshake of a client is refused or answered with a well-formed head.
func FuzzHandshake(f *testing.F) {
	for _, c := range [][2]string{
		{"permessage-deflate; client_max_window_bits", "chat, superchat"},
		{`permessage-deflate; server_max_window_bits="10", foo;a=b`, ","},
		{"permessage-deflate;server_no_context_takeover;client_no_context_takeover;server_max_window_bits=8", "x"},
		{";", `"chat"`}, {"a;b=", "a b"}, {" , ,permessage-deflate", ""},
	} {
		f.Add(c[0], c[1])
	}
	f.Fuzz(func(t *testing.T, extensions, protocols string) {
		var r httplite.Request
		raw := getChat + "\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: " + extensions + "\r\nSec-WebSocket-Protocol: " + protocols + "\r\n\r\n"
		if n, err := r.Parse([]byte(raw), nil); err != nil || n != len(raw) {
			return
		}
		h, err := ReadHandshake(&r, &Options{Protocols: []string{"chat", "superchat"}, Deflate: true, Window: 10})
		if err != nil {
			refusal(t, err.(*HandshakeError))
			return
		}
		var answer httplite.Response
		head := httplite.EndHeaders(h.AppendResponse(nil))
		if n, err := answer.ParseHead(head, nil); n != len(head) || err != nil || answer.Status() != 101 {
			t.Fatalf("%q: %v", head, err)
		}
		if h.Deflate && !strings.Contains(extensions, permessageDeflate) || h.Window != 0 && (h.Window < 10 || h.Window > 15) ||
			h.Protocol != "" && !strings.Contains(protocols, h.Protocol) || h.Protocol != "" && !h.Offered {
			t.Fatalf("%q, %q: %+v", extensions, protocols, h)
		}
	})
}
