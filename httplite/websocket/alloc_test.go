package websocket

import (
	"bytes"
	"testing"

	"ccomet/httplite"
)

// noAllocs fails if f allocates.
func noAllocs(t *testing.T, name string, f func()) {
	t.Helper()
	f() // does allocations that happen only once
	if n := testing.AllocsPerRun(200, f); n != 0 {
		t.Errorf("%s: %v allocations", name, n)
	}
}

// session is input that is read repeatedly, as a whole or byte by byte.
type session struct {
	t          *testing.T
	reader     Reader
	partial    Partial
	raw, input []byte
}

// read reads all of the input, which must contain that many messages.
func (s *session) read(rules *Rules, step, messages int) {
	copy(s.input, s.raw) // payloads are unmasked in place
	for at, shown := 0, 0; shown < len(s.input); {
		for shown = min(shown+step, len(s.input)); ; messages-- {
			msg, n, err := s.reader.Next(&s.partial, s.input[at:shown], rules)
			if err != nil {
				s.t.Fatal(err)
			}
			at += n
			if msg.Op == 0 {
				break
			}
		}
	}
	if messages != 0 || !s.partial.Idle() {
		s.t.Fatalf("%d messages were missed", messages)
	}
}

func TestReadingDoesNotAllocate(t *testing.T) {
	var d Deflater
	deflated := func(msg []byte) string { return string(d.Append(nil, msg, 0)) }
	for _, c := range []struct {
		name, raw string
		messages  int
	}{
		{"text", frame(text, `{"op":"ping","id":4}`), 1},
		{"text that is not ASCII", frame(text, "κόσμε 𝄞 κόσμε"), 1},
		{"control frames", frame(ping, "hello") + frame(pong, "") + frame(ping, string(noise(MaxControl))), 3},
		{"close", frame(end, "\x03\xe8bye"), 1},
		{"fragments", frame(text1, "κ\xce") + frame(ping, "x") + frame(more, "") + frame(cont, "\xba"), 2},
		{"large", frame(bin, string(noise(50_000))), 1},
		{"compressed", frame(text|rsv1, deflated(jsonOf(1024))), 1},
		{"compressed, with long codes", frame(bin|rsv1, deflated(skewed(50_000))), 1},
		{"compressed, with codes as long as may be", frame(bin|rsv1, string(longDynamicBlock())+"\x00"), 1},
		{"compressed in a stored block", frame(bin|rsv1, deflated(noise(5_000))), 1},
	} {
		s := session{t: t, raw: []byte(c.raw), input: []byte(c.raw)}
		rules := &Rules{Deflate: true}
		noAllocs(t, c.name, func() { s.read(rules, len(c.raw), c.messages) })
		noAllocs(t, c.name+", in pieces", func() { s.read(rules, len(c.raw)/100+1, c.messages) })
	}
}

// skewed returns data whose Huffman codes have very different lengths.
func skewed(size int) []byte {
	p := noise(size)
	for i, c := range p {
		for c&1 == 1 && p[i] < 200 {
			p[i], c = p[i]/2, c>>1
		}
	}
	return p
}

func TestBadInputDoesNotAllocate(t *testing.T) {
	for _, raw := range []string{
		frame(fin|3, ""), serverFrame(text, ""), frame(text, "\xff"), frame(end, "\x00"), frame(text|rsv1, "\xff\xff"),
	} {
		in := []byte(raw)
		var r Reader
		rules := &Rules{Deflate: true}
		noAllocs(t, raw, func() {
			var m Partial
			copy(in, raw)
			if _, _, err := r.Next(&m, in, rules); err == nil {
				t.Fatal("it was accepted")
			}
		})
	}
}

func TestWritingDoesNotAllocate(t *testing.T) {
	out := make([]byte, 0, 4096)
	payload, large := []byte("hello"), jsonOf(2048)
	noAllocs(t, "frames", func() {
		b := AppendFrame(out, Text, payload)
		b = AppendMaskedFrame(b, Binary, payload, testKey)
		AppendClose(b, PolicyViolation, "too slow")
	})
	var d Deflater
	d.Append(nil, skewed(50_000), 0)
	// The compressor's tables grow to the size of the largest block. After that, a message needs no allocation.
	noAllocs(t, "compressed", func() {
		if b := d.AppendFrame(out, Text, large, 0); len(b) >= len(large) {
			t.Fatal(len(b))
		}
		d.AppendFrame(out, Text, large, 10)
	})
}

func TestHandshakeDoesNotAllocate(t *testing.T) {
	r := request(t, getChat, "Sec-WebSocket-Protocol: x, ccomet.v1",
		"Sec-WebSocket-Extensions: foo; a=b, permessage-deflate; client_max_window_bits; server_max_window_bits=12")
	options := &Options{Protocols: []string{"ccomet.v1"}, Deflate: true, Window: 9}
	out := make([]byte, 0, 1024)
	noAllocs(t, "handshake", func() {
		h, err := ReadHandshake(r, options)
		if err != nil || h.Protocol == "" || h.Window != 12 {
			t.Fatal(h, err)
		}
		if b := httplite.EndHeaders(h.AppendResponse(out)); !bytes.HasSuffix(b, []byte("bits=12\r\n\r\n")) {
			t.Fatalf("%q", b)
		}
	})
	bad := request(t, getChat, "Sec-WebSocket-Version: 8")
	noAllocs(t, "refusal", func() {
		_, err := ReadHandshake(bad, options)
		AppendRefusal(out, err.(*HandshakeError))
	})
}
