package websocket

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"strings"
	"testing"
	"unsafe"
)

// A Parser is a part of a connection's side record: small, and without pointers.
func TestParserIsPlainData(t *testing.T) {
	if size := unsafe.Sizeof(Parser{}); size != 32 {
		t.Errorf("%d bytes", size)
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Parser]()) {
		switch f.Type.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.String, reflect.Map, reflect.Chan, reflect.Func, reflect.Interface:
			t.Errorf("%s is a %v", f.Name, f.Type)
		}
	}
}

func TestReads(t *testing.T) {
	long := strings.Repeat("x", 70000)
	for _, c := range []struct{ name, raw, want string }{
		{"nothing", "", ""},
		{"text", frame(text, "hello"), `Text "hello"`},
		{"RFC 6455 5.7", "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", `Text "Hello"`},
		{"empty", frame(text, "") + frame(bin, ""), "Text \"\"\nBinary \"\""},
		{"two", frame(text, "a") + frame(bin, "\xff"), "Text \"a\"\nBinary \"\\xff\""},
		{"fragments", frame(bin1, "a") + frame(more, "") + frame(more, "b") + frame(cont, "c"), `Binary "abc"`},
		{"empty fragments", frame(text1, "") + frame(more, "") + frame(cont, ""), `Text ""`},
		{"control between", frame(text1, "a") + frame(ping, "p") + frame(pong, "") + frame(cont, "b"),
			"Ping \"p\"\nPong \"\"\nText \"ab\""},
		{"character in two fragments", frame(text1, "\xce") + frame(ping, "\xff") + frame(cont, "\xba"), "Ping \"\\xff\"\nText \"κ\""},
		{"close", frame(end, "\x03\xe8bye") + frame(text, "not read"), `Close "\x03\xe8bye"`},
		{"close of nothing", frame(end, ""), `Close ""`},
		{"16 bits", frame(bin, long[:126]), line(Binary, []byte(long[:126]))},
		{"16 bits, the most", frame(bin, long[:65535]), line(Binary, []byte(long[:65535]))},
		{"64 bits", frame(bin, long[:65536]), line(Binary, []byte(long[:65536]))},
		{"incomplete", frame(bin, "hello")[:8], "incomplete"},
		{"incomplete head", frame(text, "a") + "\x81", "Text \"a\"\nincomplete"},
		{"incomplete control", frame(ping, "hello")[:8], "incomplete"},
		{"incomplete message", frame(text1, "hello"), "incomplete"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := cutEverywhere(t, c.raw, nil); got != c.want {
				t.Errorf("got %s\nwant %s", got, c.want)
			}
		})
	}
}

// length returns a frame's head with a length in that many bytes.
func length(first byte, bytes int, n uint64) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], n)
	head := []byte{first, 0x80 | 126}
	if bytes == 8 {
		head[1]++
	}
	return string(append(append(head, b[8-bytes:]...), testKey[:]...))
}

// The rules of refused.
var (
	deflated = &Rules{Deflate: true}
	client   = &Rules{Client: true}
	small    = &Rules{Message: 10, Fragments: 3}
)

var refused = []struct {
	name, raw string
	rules     *Rules
	want      Kind
	code      Code
}{
	{"RSV1", frame(text|rsv1, ""), nil, ReservedBits, 1002},
	{"RSV2", frame(text|rsv2, ""), deflated, ReservedBits, 1002},
	{"RSV3", frame(ping|rsv3, ""), deflated, ReservedBits, 1002},
	{"RSV1 on a ping", frame(ping|rsv1, ""), deflated, MisplacedCompression, 1002},
	{"RSV1 on a further fragment", frame(text1, "") + frame(cont|rsv1, ""), deflated, MisplacedCompression, 1002},
	{"opcode 3", frame(fin|3, ""), nil, ReservedOpcode, 1002},
	{"opcode 7", frame(7, ""), nil, ReservedOpcode, 1002},
	{"opcode 11", frame(fin|11, ""), nil, ReservedOpcode, 1002},
	{"opcode 15", frame(15, ""), nil, ReservedOpcode, 1002},
	{"ping in pieces", frame(byte(Ping), ""), nil, FragmentedControl, 1002},
	{"close in pieces", frame(byte(Close), ""), nil, FragmentedControl, 1002},
	{"ping of 126 bytes", frame(ping, strings.Repeat("x", 126)), nil, ControlTooLong, 1002},
	{"close of 64 bits", length(end, 8, 1<<16), nil, ControlTooLong, 1002},
	{"no mask", serverFrame(text, "hello"), nil, NotMasked, 1002},
	{"no mask on a ping", serverFrame(ping, ""), nil, NotMasked, 1002},
	{"a mask from a server", frame(text, "hello"), client, Masked, 1002},
	{"125 in 16 bits", length(text, 2, 125), nil, LengthNotMinimal, 1002},
	{"0 in 16 bits", length(text, 2, 0), nil, LengthNotMinimal, 1002},
	{"65535 in 64 bits", length(text, 8, 65535), nil, LengthNotMinimal, 1002},
	{"5 in 64 bits", length(bin, 8, 5), nil, LengthNotMinimal, 1002},
	{"2^63", length(bin, 8, 1<<63), nil, LengthTooLarge, 1002},
	{"2^64-1", length(bin, 8, 1<<64-1), nil, LengthTooLarge, 1002},
	{"2^63-1", length(bin, 8, 1<<63-1), nil, TooBig, 1009},
	{"2^63-1, if that were allowed", length(bin, 8, 1<<63-1), &Rules{Message: 1<<63 - 1}, TooBig, 1009},
	{"2^63-1 as a second fragment", frame(bin1, "x") + length(cont, 8, 1<<63-1), nil, TooBig, 1009},
	{"continuation of nothing", frame(cont, "x"), nil, UnexpectedContinuation, 1002},
	{"continuation behind a message", frame(text, "") + frame(more, "x"), nil, UnexpectedContinuation, 1002},
	{"text within text", frame(text1, "x") + frame(text, "y"), nil, ExpectedContinuation, 1002},
	{"binary within text, behind a ping", frame(text1, "x") + frame(ping, "") + frame(bin1, "y"), nil, ExpectedContinuation, 1002},
	{"close of a byte", frame(end, "\x03"), nil, ShortClose, 1002},
	{"close code 1005", frame(end, "\x03\xed"), nil, BadCloseCode, 1002},
	{"close code 0", frame(end, "\x00\x00bye"), nil, BadCloseCode, 1002},
	{"close reason", frame(end, "\x03\xe8\xff"), nil, InvalidUTF8, 1007},
	{"close reason that is cut", frame(end, "\x03\xe8\xce"), nil, InvalidUTF8, 1007},
	{"text", frame(text, "\xff"), nil, InvalidUTF8, 1007},
	{"text that is cut", frame(text, "\xce"), nil, InvalidUTF8, 1007},
	{"text cut by a fragment's end", frame(text1, "\xce") + frame(cont, "x"), nil, InvalidUTF8, 1007},
	{"surrogate in two fragments", frame(text1, "\xed") + frame(cont, "\xa0\x80"), nil, InvalidUTF8, 1007},
	{"text, before the fragment is whole", frame(text1, "a\xf5bcdefg")[:8], nil, InvalidUTF8, 1007},
	{"11 bytes", frame(text, "0123456789a"), small, TooBig, 1009},
	{"11 bytes in two", frame(text1, "0123456") + frame(cont, "789a"), small, TooBig, 1009},
	{"11 bytes that have not come", frame(text, "0123456789a")[:6], small, TooBig, 1009},
	{"4 fragments", frame(bin1, "") + frame(more, "") + frame(more, "") + frame(cont, ""), small, TooManyFragments, 1009},
	{"a message of 1 MiB and a byte", length(bin, 8, 1<<20+1), nil, TooBig, 1009},
	{"compressed", frame(text|rsv1, "\xff\xff"), deflated, BadCompression, 1007},
	{"compressed, too big", frame(bin|rsv1, strings.Repeat("x", 77)), &Rules{Deflate: true, Message: 10}, TooBig, 1009},
	{"compressed text", frame(text|rsv1, "\xfa\x0f\x00"), deflated, InvalidUTF8, 1007},
}

func TestRefuses(t *testing.T) {
	for _, c := range refused {
		t.Run(c.name, func(t *testing.T) {
			got := cutEverywhere(t, c.raw, c.rules)
			if i := strings.LastIndexByte(got, '\n'); got[i+1:] != "error "+c.want.String() {
				t.Errorf("got %s\nwant %s", got, c.want)
			}
			if faults[c.want].Code != c.code {
				t.Errorf("it brings %d, want %d", faults[c.want].Code, c.code)
			}
		})
	}
}

// An error is returned at the byte that causes it, not when the frame is complete.
func TestRefusesEarly(t *testing.T) {
	for _, c := range []struct {
		raw   string
		bytes int
	}{
		{frame(text|rsv2, "hello"), 1},
		{frame(fin|3, "hello"), 1},
		{frame(cont, "hello"), 1},
		{serverFrame(text, "hello"), 2},
		{frame(ping, strings.Repeat("x", 126)), 2},
		{length(text, 2, 125), 4},
		{length(text, 8, 1<<63), 3},
		{length(text, 8, 1<<62), 14},
		{frame(text, "ab\xffdefgh"), 9},
		{frame(text, "\xf4\x90zzzz"), 8},
	} {
		for n := range c.bytes + 1 {
			var p Parser
			in := []byte(c.raw[:n])
			var err error
			for took := 1; took > 0 && err == nil; in = in[took:] {
				_, took, err = p.Next(in, nil)
			}
			if (err != nil) != (n == c.bytes) {
				t.Errorf("%q: %v after %d bytes, want it after %d", c.raw, err, n, c.bytes)
			}
		}
	}
}

// The limits themselves are allowed.
func TestLimits(t *testing.T) {
	rules := &Rules{Message: 10, Fragments: 3}
	for _, c := range [][2]string{
		{frame(text, "0123456789"), `Text "0123456789"`},
		{frame(bin1, "01234") + frame(more, "") + frame(ping, "") + frame(cont, "56789"), "Ping \"\"\nBinary \"0123456789\""},
		{strings.Repeat(frame(bin1, "0123456789")+frame(more, "")+frame(cont, ""), 2), "Binary \"0123456789\"\nBinary \"0123456789\""},
	} {
		if got := cutEverywhere(t, c[0], rules); got != c[1] {
			t.Errorf("got %s\nwant %s", got, c[1])
		}
	}
	var d Deflater
	for _, msg := range [][]byte{noise(1000), skewed(1000), make([]byte, 1000)} { // compression makes the first longer
		raw := frame(bin|rsv1, string(d.Append(nil, msg, 0)))
		if got := cutEverywhere(t, raw, &Rules{Deflate: true, Message: 1000}); got != line(Binary, msg) {
			t.Error(got)
		}
	}
	var r Reader
	raw := frame(bin1, "") + strings.Repeat(frame(more, ""), DefaultFragments-2) + frame(cont, "")
	if got := feed(t, &r, raw, nil); got != `Binary ""` {
		t.Errorf("%d fragments: %s", DefaultFragments, got)
	}
	raw = frame(bin1, "") + strings.Repeat(frame(more, ""), DefaultFragments)
	if got := feed(t, &r, raw, nil); got != "error TooManyFragments" {
		t.Errorf("%d fragments: %s", DefaultFragments+1, got)
	}
}

// A message that was announced but does not arrive takes no memory.
func TestAnnouncedIsNotAllocated(t *testing.T) {
	var r Reader
	var m Partial
	_, n, err := r.Next(&m, []byte(length(bin, 8, 1<<20)+"x"), nil)
	if n != 15 || err != nil || cap(m.Payload) > 64 {
		t.Errorf("%d, %v, %d bytes allocated", n, err, cap(m.Payload))
	}
	if m.Idle() {
		t.Error("the parser is idle")
	}
}

// Rules that become stricter within a message apply to the rest of it.
func TestStricterRules(t *testing.T) {
	var p Parser
	in := []byte(frame(bin1, strings.Repeat("x", 100)))
	if _, _, err := p.Next(in, nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.Next([]byte(frame(cont, "")), &Rules{Message: 99}); !bytes.Contains([]byte(err.Error()), []byte("the limit is 99 bytes")) {
		t.Error(err)
	}
}

// A client reads the frames that a server writes.
func TestClientReads(t *testing.T) {
	client := &Rules{Client: true}
	raw := serverFrame(text, "hello") + serverFrame(bin1, "a") + serverFrame(ping, "p") + serverFrame(cont, "b") +
		serverFrame(bin, strings.Repeat("x", 300)) + string(AppendClose(nil, GoingAway, "bye"))
	want := "Text \"hello\"\nPing \"p\"\nBinary \"ab\"\n" + line(Binary, []byte(strings.Repeat("x", 300))) + "\nClose \"\\x03\\xe9bye\""
	if got := cutEverywhere(t, raw, client); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}
