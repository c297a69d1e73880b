package websocket

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
)

func benchmarkRead(b *testing.B, raw string, rules *Rules, step int) {
	var r Reader
	var m Partial
	input := make([]byte, len(raw))
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		copy(input, raw) // payloads are unmasked in place
		for at, shown := 0, 0; at < len(input); {
			shown = min(shown+step, len(input))
			_, n, err := r.Next(&m, input[at:shown], rules)
			if err != nil {
				b.Fatal(err)
			}
			at += n
		}
	}
}

func BenchmarkRead(b *testing.B) {
	var d Deflater
	for _, c := range []struct{ name, raw string }{
		{"Ping", frame(ping, "hello")},
		{"Text30", frame(text, `{"op":"ping","id":4,"x":"abc"}`)},
		{"Text1K", frame(text, string(jsonOf(1024)))},
		{"Greek1K", frame(text, strings.Repeat("κόσμε ", 94))},
		{"Binary64K", frame(bin, string(noise(64<<10)))},
		{"Fragments", frame(text1, strings.Repeat("x", 100)) + frame(cont, strings.Repeat("x", 100))},
		{"Deflated1K", frame(text|rsv1, string(d.Append(nil, jsonOf(1024), 0)))},
	} {
		b.Run(c.name, func(b *testing.B) { benchmarkRead(b, c.raw, &Rules{Deflate: true}, len(c.raw)) })
	}
	b.Run("Text30ByteAtATime", func(b *testing.B) { benchmarkRead(b, frame(text, `{"op":"ping","id":4,"x":"abc"}`), nil, 1) })
}

func BenchmarkAppendFrame(b *testing.B) {
	payload := jsonOf(1024)
	out := make([]byte, 0, 2048)
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	for b.Loop() {
		AppendFrame(out, Text, payload)
	}
}

func BenchmarkMask(b *testing.B) {
	for _, n := range []int{16, 1 << 10, 64 << 10} {
		p := make([]byte, n)
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			b.SetBytes(int64(n))
			for b.Loop() {
				Mask(p, testKey)
			}
		})
	}
}

func BenchmarkDeflate(b *testing.B) {
	for _, n := range []int{256, 1 << 10, 16 << 10} {
		msg := jsonOf(n)
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			var d Deflater
			out := d.AppendFrame(nil, Text, msg, 0)
			b.SetBytes(int64(len(msg)))
			b.ReportAllocs()
			for b.Loop() {
				out = d.AppendFrame(out[:0], Text, msg, 0)
			}
			b.ReportMetric(float64(len(out))/float64(len(msg)), "ratio")
		})
	}
}

// BenchmarkInflateWorst measures the most expensive messages of the default limit: as many empty blocks as fit, for
// example each with its own Huffman tables.
func BenchmarkInflateWorst(b *testing.B) {
	for _, c := range []struct{ name, block string }{
		{"tables", string(emptyDynamicBlock())},
		{"long", string(longDynamicBlock())},
		{"stored", "\x00\x00\x00\xff\xff"},
		{"fixed", "\x02\x08\x20\x80\x00"},
	} {
		b.Run(c.name, func(b *testing.B) {
			raw := append(bytes.Repeat([]byte(c.block), DefaultMessage/len(c.block)), 0)
			var f Inflater
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := f.Inflate(raw, 0); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
