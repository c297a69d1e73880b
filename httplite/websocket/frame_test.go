package websocket

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestFrames: both ends read each frame as it was written, at all lengths where the form of the head changes.
func TestFrames(t *testing.T) {
	for _, n := range []int{0, 1, 124, 125, 126, 127, 128, 65534, 65535, 65536, 65537, 1 << 20} {
		payload := bytes.Repeat([]byte{'x'}, n)
		for _, op := range []Opcode{Text, Binary} {
			masked := AppendMaskedFrame([]byte("before"), op, payload, testKey)
			if got, want := feed(t, &Reader{}, string(masked[6:]), nil), line(op, payload); got != want {
				t.Errorf("%d bytes: got %s, want %s", n, got, want)
			}
			plain := AppendFrame([]byte("before"), op, payload)
			if got, want := feed(t, &Reader{}, string(plain[6:]), &Rules{Client: true}), line(op, payload); got != want {
				t.Errorf("%d bytes: got %s, want %s", n, got, want)
			}
			if len(masked) != len(plain)+4 || len(plain)-6-n > maxHead-4 {
				t.Errorf("%d bytes: frames of %d and %d", n, len(masked), len(plain))
			}
		}
		if !bytes.Equal(payload, bytes.Repeat([]byte{'x'}, n)) {
			t.Fatal("the payload was written to")
		}
	}
}

// The frames of RFC 6455 5.7.
func TestFramesOfTheRFC(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{string(AppendFrame(nil, Text, []byte("Hello"))), "\x81\x05\x48\x65\x6c\x6c\x6f"},
		{string(AppendMaskedFrame(nil, Text, []byte("Hello"), testKey)), "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"},
		{string(Head{Op: Text, Length: 3}.Append(nil)), "\x01\x03"},
		{string(Head{Op: Continuation, Final: true, Length: 2}.Append(nil)), "\x80\x02"},
		{string(AppendFrame(nil, Ping, []byte("Hello"))), "\x89\x05\x48\x65\x6c\x6c\x6f"},
		{string(AppendMaskedFrame(nil, Pong, []byte("Hello"), testKey)), "\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"},
		{string(Head{Op: Binary, Final: true, Length: 256}.Append(nil)), "\x82\x7E\x01\x00"},
		{string(Head{Op: Binary, Final: true, Length: 65536}.Append(nil)), "\x82\x7F\x00\x00\x00\x00\x00\x01\x00\x00"},
		{string(Head{Op: Text, Final: true, Compressed: true, Length: 7}.Append(nil)), "\xc1\x07"},
	} {
		if c.got != c.want {
			t.Errorf("got %x, want %x", c.got, c.want)
		}
	}
}

func TestClose(t *testing.T) {
	long := strings.Repeat("κ", 100)
	for _, c := range []struct {
		code   Code
		reason string
		want   string
	}{
		{NormalClosure, "", "\x03\xe8"},
		{MessageTooBig, "too big", "\x03\xf1too big"},
		{4999, "x", "\x13\x87x"},
		{GoingAway, long, "\x03\xe9" + strings.Repeat("κ", 61)},
		{GoingAway, "x" + long, "\x03\xe9x" + strings.Repeat("κ", 61)},
		{GoingAway, "\xff", "\x03\xe9\ufffd"},
		{NoStatus, "not sent", ""},
		{0, "not sent", ""},
		{Abnormal, "", ""},
	} {
		payload := AppendClosePayload(nil, c.code, c.reason)
		if string(payload) != c.want {
			t.Errorf("%d %.10q: %q, want %q", c.code, c.reason, payload, c.want)
		}
		if framed := AppendClose(nil, c.code, c.reason); string(framed) != "\x88"+string(rune(len(c.want)))+c.want {
			t.Errorf("%d: %q", c.code, framed)
		}
		code, reason, err := ParseClose(payload)
		want := c.code
		if c.want == "" {
			want = NoStatus
		}
		if err != nil || code != want || c.want != "" && string(reason) != c.want[2:] || !utf8.Valid(reason) {
			t.Errorf("%q is read as %d %q, %v", payload, code, reason, err)
		}
	}
}

// TestCodes checks all 16-bit close codes (RFC 6455 7.4, and its registry).
func TestCodes(t *testing.T) {
	registered := map[int]bool{1000: true, 1001: true, 1002: true, 1003: true, 1007: true, 1008: true, 1009: true,
		1010: true, 1011: true, 1012: true, 1013: true, 1014: true}
	for code := range 1 << 16 {
		want := registered[code] || code >= 3000 && code < 5000
		if Code(code).Valid() != want {
			t.Errorf("%d: %v", code, !want)
		}
		_, _, err := ParseClose(binary.BigEndian.AppendUint16(nil, uint16(code)))
		if (err == nil) != want {
			t.Errorf("%d in a frame: %v", code, err)
		}
	}
}

// TestErrors: each kind has a name, a code that may be sent, and a text that fits into a Close frame.
func TestErrors(t *testing.T) {
	seen := map[string]bool{}
	for k := Kind(1); k < numKinds; k++ {
		e := (&Rules{Message: MaxMessage, Fragments: 1<<63 - 1}).fail(k)
		if e.Kind != k || !e.Code.Valid() || e.Reason == "" || len(e.Error()) > maxReason {
			t.Errorf("%+v", e)
		}
		if seen[k.String()] || strings.HasPrefix(k.String(), "Kind(") {
			t.Errorf("%v has no name of its own", k)
		}
		seen[k.String()] = true
	}
	if got := (&Rules{Message: 10}).fail(TooBig).Error(); got != "message too big: the limit is 10 bytes" {
		t.Error(got)
	}
	if got := (&Rules{}).fail(TooManyFragments).Error(); got != "message of too many fragments: the limit is 4096 frames" {
		t.Error(got)
	}
	if Kind(0).String() != "Kind(0)" || numKinds.String() != "Kind(18)" || Opcode(3).String() != "Opcode(3)" {
		t.Error(Kind(0), numKinds, Opcode(3))
	}
}
