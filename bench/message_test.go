package bench

import (
	"bytes"
	"fmt"
	"testing"
	"time"
)

func TestMessageRoundTrip(t *testing.T) {
	for _, size := range []int{minContent, 64, 500} {
		f := newFormat(0xdeadbeef, size)
		want := message{channel: 4294967295, number: 17, sent: 1234567890123456789}
		content := f.append(nil, want)
		if len(content) != size {
			t.Fatalf("%d bytes, want %d: %s", len(content), size, content)
		}
		text := append([]byte(`{"type":"data","content":"`), content...)
		text = append(text, `"} and more`...)
		got, used, ok := f.next(text)
		if !ok || got != want || string(text[used:]) != `"} and more` {
			t.Errorf("%+v %v, %q left, of %s", got, ok, text[used:], text)
		}
	}
}

// Damage anywhere in a message is detected, and a message of another run is not accepted.
func TestMessageDamaged(t *testing.T) {
	f := newFormat(1, 64)
	content := f.append(nil, message{channel: 1, number: 2, sent: 3})
	for i := range content {
		bad := bytes.Clone(content)
		bad[i] ^= 1
		_, used, ok := f.next(bad)
		if i < len(f.head) && used != 0 {
			t.Errorf("byte %d of the head changed, and it is taken for this run's", i)
		}
		if i >= len(f.head) && (used == 0 || ok) {
			t.Errorf("byte %d changed unnoticed: %s", i, bad)
		}
	}
	if _, used, ok := f.next(content[:63]); used != 63 || ok {
		t.Error("a cut message is taken for a whole one")
	}
	other := newFormat(2, 64)
	if _, used, ok := other.next(content); used != 0 || !ok {
		t.Error("another run's message is taken for this one's")
	}
}

// TestClock: a process that loses its processor while it reads the clocks must have the same
// clock as all others. If its clock were behind, answers would seem to arrive before their
// requests.
func TestClock(t *testing.T) {
	began := time.Now()
	const ahead, slice = 7e15, 4 * time.Millisecond
	reading := func(at, untilKernel, untilAfter time.Duration) clockReading {
		return clockReading{before: began.Add(at), kernel: ahead + int64(at+untilKernel), after: began.Add(at + untilKernel + untilAfter)}
	}
	c := closestClock([]clockReading{
		reading(0, slice, 0), reading(2*slice, 0, slice), reading(4*slice, 100, 150), reading(5*slice, slice, slice),
	})
	if off := c.base - ahead - int64(c.began.Sub(began)); off < 0 || off > 250 {
		t.Errorf("the clock is %d ns off", off)
	}
}

func BenchmarkClientLine(b *testing.B) {
	c := &client{format: newFormat(7, 64), latency: newHistogram(), clock: newClock()}
	c.Transport = bareStream
	c.stats.Subscribed = 1
	sub := subscriber{ready: true, place: place{next: 1, seq: 1}}
	var lines [][]byte
	for n := range 64 {
		content := c.format.append(nil, message{number: uint32(n + 1), sent: c.clock.now()})
		lines = append(lines, fmt.Appendf(nil, `{"type":"data","cname":"0000000000000000","seq":%d,"content":"%s"}`+"\n", n+1, content))
	}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if n%64 == 0 {
			sub.next = 1
		}
		c.lines(1, &sub, lines[n%64], false)
	}
	if c.stats.Lost+c.stats.Doubled+c.stats.Damaged != 0 {
		b.Error("the client found fault:", c.stats)
	}
}

// A response gives the same messages wherever its bytes are cut.
func TestLinesCutAnywhere(t *testing.T) {
	f := newFormat(7, 64)
	var text []byte
	for n := range 3 {
		text = append(text, `{"type":"data","cname":"0000000000000000","seq":`...)
		text = append(text, byte('1'+n))
		text = append(text, `,"content":"`...)
		text = append(f.append(text, message{number: uint32(n + 1), sent: 1}), "\"}\n"...)
	}
	for cut := range text {
		c := &client{format: f, latency: newHistogram(), carry: map[uint32][]byte{}}
		c.Transport = bareStream
		sub := subscriber{ready: true, place: place{next: 1, seq: 1}}
		c.lines(1, &sub, text[:cut], false)
		c.lines(1, &sub, text[cut:], true)
		if c.stats.Received != 3 || sub.seq != 4 || c.stats.Damaged+c.stats.Lost+c.stats.Doubled != 0 || len(c.carry) != 0 {
			t.Fatalf("cut at %d: %+v, next %d, %d carried", cut, c.stats, sub.seq, len(c.carry))
		}
	}
}

// Whatever is accepted as a message is exactly the text that is written for it.
func FuzzMessage(f *testing.F) {
	format := newFormat(7, 64)
	f.Add(format.append([]byte("before"), message{channel: 1, number: 2, sent: 3}))
	f.Add([]byte("Zcb-00000007-"))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, used, ok := format.next(text)
		if used < 0 || used > len(text) {
			t.Fatalf("%d bytes taken of %d", used, len(text))
		}
		if used > 0 && ok && !bytes.HasSuffix(text[:used], format.append(nil, m)) {
			// The same numbers in another spelling have another checksum, apart from
			// collisions.
			t.Fatalf("%+v was read of %q", m, text[:used])
		}
	})
}
