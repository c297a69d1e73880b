package websocket

import (
	"bytes"
	stdflate "compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// jsonOf returns JSON of that size, as in typical messages.
func jsonOf(size int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"type":"data","cname":"room-17","seq":42,"content":"[`)
	for i := 0; b.Len() < size-80; i++ {
		fmt.Fprintf(&b, `{\"id\":%d,\"user\":\"u%x\",\"price\":%d.%02d,\"ok\":true},`, 1000+i*7, i*i*7919, i*31, i%97)
	}
	b.WriteString(`]"}`)
	return b.Bytes()
}

// noise returns bytes that cannot be compressed.
func noise(size int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	p := make([]byte, size)
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return p
}

var samples = map[string][]byte{
	"nothing":  nil,
	"a byte":   {'x'},
	"JSON":     jsonOf(1024),
	"much":     jsonOf(100_000),
	"noise":    noise(40_000),
	"zeros":    make([]byte, 200_000),
	"repeated": bytes.Repeat(noise(10_000), 10), // at distances that small windows do not reach
}

// inflateStd inflates a compressed message with the standard library.
func inflateStd(t *testing.T, payload []byte) []byte {
	t.Helper()
	out, err := io.ReadAll(stdflate.NewReader(bytes.NewReader(append(bytes.Clone(payload), tail...))))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestDeflate(t *testing.T) {
	var d Deflater
	var f Inflater
	for name, msg := range samples {
		for _, bits := range []int{0, 8, 9, 12, 14, 15} {
			packed := d.Append([]byte("before"), msg, bits)
			packed, ok := bytes.CutPrefix(packed, []byte("before"))
			if !ok || bytes.HasSuffix(packed, []byte(flushed)) {
				t.Fatalf("%s: %.20q", name, packed)
			}
			if got := inflateStd(t, packed); !bytes.Equal(got, msg) {
				t.Errorf("%s, %d bits: the standard library makes %d bytes of %d", name, bits, len(got), len(msg))
			}
			if got, err := f.Inflate(packed, len(msg)); err != nil || !bytes.Equal(got, msg) {
				t.Errorf("%s, %d bits: %d bytes of %d, %v", name, bits, len(got), len(msg), err)
			}
			within(t, packed, msg, bits)
		}
	}
}

// within checks that a message compressed for a window needs no larger one: each piece of its size can be inflated
// without the output before it.
func within(t *testing.T, packed, msg []byte, bits int) {
	t.Helper()
	if bits == 0 || bits == 15 || len(msg) == 0 {
		return
	}
	var f Inflater
	var part []byte
	for _, p := range bytes.Split(packed, []byte(flushed)) {
		part = append(part, p...)
		want := msg[:min(1<<bits, len(msg))]
		if got, err := f.Inflate(part, len(want)); err == nil && bytes.Equal(got, want) {
			part, msg = nil, msg[len(want):]
		} else {
			part = append(part, flushed...) // the input was split within a piece
		}
	}
	if len(msg) > 0 {
		t.Fatalf("%d bits: %d bytes are left", bits, len(msg))
	}
}

func TestDeflatedFrames(t *testing.T) {
	var d Deflater
	client := &Rules{Client: true, Deflate: true}
	for name, msg := range samples {
		raw := d.AppendFrame([]byte("before"), Binary, msg, 0)[6:]
		if compressed := raw[0]&rsv1 != 0; compressed != (len(msg) > 500 && name != "noise") || len(raw) > len(msg)+10 {
			t.Errorf("%s: compressed %v, %d bytes of %d", name, compressed, len(raw), len(msg))
		}
		if got, want := feed(t, &Reader{}, string(raw), client), line(Binary, msg); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

// The payloads of RFC 7692 7.2.3, and others that are allowed by its rules.
func TestInflates(t *testing.T) {
	for _, c := range []struct{ name, payload, want string }{
		{"7.2.3.1", "\xf2\x48\xcd\xc9\xc9\x07\x00", "Hello"},
		{"7.2.3.3, stored", "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", "Hello"},
		{"7.2.3.4, last block", "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "Hello"},
		{"the same without what aligns it", "\xf3\x48\xcd\xc9\xc9\x07\x00", "Hello"},
		{"an empty last block, whose end was removed", "\xaa\x00\x00\x00\x00\xff\xff\x01", "x"},
		{"7.2.3.5, two blocks", "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", "Hello"},
		{"7.2.3.6, nothing", "\x00", ""},
		{"no byte at all", "", ""},
		{"two last blocks", "\xf3\x48\xcd\xc9\xc9\x07\x00" + "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "HelloHello"},
		{"many last blocks", strings.Repeat("\x03\x00", 1000) + "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "Hello"},
	} {
		var f Inflater
		if got, err := f.Inflate([]byte(c.payload), 10); err != nil || string(got) != c.want {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
		if got := cutEverywhere(t, frame(bin|rsv1, c.payload), &Rules{Deflate: true}); got != line(Binary, []byte(c.want)) {
			t.Errorf("%s: %s", c.name, got)
		}
	}
}

// TestInflatesOthers: the output of the standard library's compressor is inflated, at each level. A message that is cut
// short or has a damaged byte gives the same result as with the standard library's decompressor.
func TestInflatesOthers(t *testing.T) {
	var f Inflater
	for name, msg := range samples {
		for level := stdflate.HuffmanOnly; level <= stdflate.BestCompression; level++ {
			var packed bytes.Buffer
			w, _ := stdflate.NewWriter(&packed, level)
			_, _ = w.Write(msg)
			_ = w.Flush()
			if got, err := f.Inflate(bytes.TrimSuffix(packed.Bytes(), []byte(flushed)), len(msg)+1); err != nil || !bytes.Equal(got, msg) {
				t.Errorf("%s, level %d: %d bytes of %d, %v", name, level, len(got), len(msg), err)
			}
		}
	}
	packed := new(Deflater).Append(nil, jsonOf(600), 0)
	for at := range packed {
		damaged := bytes.Clone(packed)
		damaged[at] ^= byte(1 + at*7)
		for _, payload := range [][]byte{damaged, packed[:at+1]} {
			got, err := f.Inflate(payload, 1000)
			want, unsure, theirs := inflateAlone(payload, 1000)
			if !unsure && ((err == nil) != (theirs == nil) || !bytes.Equal(got, want)) {
				t.Errorf("%x: %q, %v; the standard library: %q, %v", payload, got, err, want, theirs)
			}
		}
	}
}

// A block after one that is marked as the last may refer to output before both.
func TestInflatesBehindLastBlock(t *testing.T) {
	const msg = "Hello, Hello, Hello, and this again"
	var payload bytes.Buffer
	first, _ := stdflate.NewWriter(&payload, 9)
	_, _ = first.Write([]byte(msg))
	_ = first.Close() // with a block that says it is the last
	w, _ := stdflate.NewWriterDict(&payload, 9, []byte(msg))
	_, _ = w.Write([]byte(msg))
	_ = w.Flush()
	var f Inflater
	if got, err := f.Inflate(bytes.TrimSuffix(payload.Bytes(), []byte(flushed)), 100); err != nil || string(got) != msg+msg {
		t.Errorf("%q, %v", got, err)
	}
}

// RFC 7692 7.2.3.1: a compressed message in two fragments, and another message after it.
func TestInflatesFragments(t *testing.T) {
	raw := frame(text1|rsv1, "\xf2\x48\xcd") + frame(ping, "") + frame(cont, "\xc9\xc9\x07\x00") +
		frame(text, "plain") + frame(text|rsv1, "\xf2\x48\xcd\xc9\xc9\x07\x00")
	want := "Ping \"\"\nText \"Hello\"\nText \"plain\"\nText \"Hello\""
	if got := cutEverywhere(t, raw, &Rules{Deflate: true}); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestDoesNotInflate(t *testing.T) {
	var d Deflater
	hello := "\xf2\x48\xcd\xc9\xc9\x07\x00"
	for _, c := range []struct {
		name, payload string
		want          Kind
	}{
		{"a reserved block", "\x07", BadCompression},
		{"a cut stored block", "\x00\x05\x00\xfa\xff\x48\x65", BadCompression},
		{"a stored block whose lengths differ", "\x00\x05\x00\xfa\xfe\x48\x65\x6c\x6c\x6f\x00", BadCompression},
		{"a distance to before the message", "\x02\x07\x00", BadCompression},
		{"cut", hello[:4], BadCompression},
		{"rubbish behind", hello + "\xff\xff\xff", BadCompression},
		{"a last block whose end only what its sender left out would have", "\xab\x00", BadCompression},
		{"a bomb", string(d.Append(nil, make([]byte, 1<<20), 0)), TooBig},
		{"a byte too many", string(d.Append(nil, make([]byte, 1001), 0)), TooBig},
	} {
		var f Inflater
		got, err := f.Inflate([]byte(c.payload), 1000)
		if e, ok := err.(*Error); !ok || e.Kind != c.want || got != nil {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
		if cap(f.out) > 4096 {
			t.Errorf("%s: %d bytes were made", c.name, cap(f.out))
		}
		if got := cutEverywhere(t, frame(bin|rsv1, c.payload), &Rules{Deflate: true, Message: 1000}); got != "error "+c.want.String() {
			t.Errorf("%s: %s", c.name, got)
		}
	}
}

// The memory of a large message is freed by the next message.
func TestInflaterShrinks(t *testing.T) {
	var d Deflater
	var f Inflater
	for _, msg := range [][]byte{make([]byte, 1<<20), noise(1 << 20)} {
		if _, err := f.Inflate(d.Append(nil, msg, 0), 1<<20); err != nil {
			t.Fatal(err)
		}
		if got, err := f.Inflate(d.Append(nil, []byte("x"), 0), 1<<20); err != nil || string(got) != "x" {
			t.Fatal(got, err)
		}
		if cap(f.in)+cap(f.out) > 2*keptBytes {
			t.Errorf("%d and %d bytes are kept", cap(f.in), cap(f.out))
		}
	}
}
