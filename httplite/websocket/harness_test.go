package websocket

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// tail is the end of a compressed message that its sender leaves out, and an empty last block, so that other
// decompressors detect the end.
const tail = flushed + "\x01\x00\x00\xff\xff"

// testKey masks the frames of tests.
var testKey = [4]byte{0x37, 0xfa, 0x21, 0x3d}

// frame returns a client's frame with that first byte.
func frame(first byte, payload string) string {
	h := Head{Op: Opcode(first & 0x0F), Final: first&0x80 != 0, Compressed: first&0x40 != 0, Length: len(payload)}
	out := h.AppendMasked(nil, testKey)
	out[0] = first // also with bits that Head cannot set
	at := len(out)
	out = append(out, payload...)
	Mask(out[at:], testKey)
	return string(out)
}

// serverFrame returns a server's frame with that first byte.
func serverFrame(first byte, payload string) string {
	out := AppendFrame(nil, Opcode(first&0x0F), []byte(payload))
	out[0] = first
	return string(out)
}

const (
	fin   = 0x80
	rsv1  = 0x40
	rsv2  = 0x20
	rsv3  = 0x10
	text  = fin | byte(Text)
	bin   = fin | byte(Binary)
	cont  = fin | byte(Continuation)
	end   = fin | byte(Close)
	ping  = fin | byte(Ping)
	pong  = fin | byte(Pong)
	more  = byte(Continuation) // a fragment, not the last
	text1 = byte(Text)         // the first of several fragments
	bin1  = byte(Binary)
)

// reading returns the result of reading input: one line for each message, and the error, if any.
func reading(msgs []string, err error) string {
	if err != nil {
		msgs = append(msgs, "error "+err.(*Error).Kind.String())
	}
	return strings.Join(msgs, "\n")
}

func line(op Opcode, payload []byte) string {
	if len(payload) > 40 {
		return fmt.Sprintf("%v %d bytes %x", op, len(payload), sum(payload))
	}
	return fmt.Sprintf("%v %q", op, payload)
}

// sum distinguishes long payloads.
func sum(p []byte) (h uint64) {
	h = 14695981039346656037
	for _, c := range p {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h
}

// feed gives raw to a Reader in pieces that end at the cuts, each time in another buffer. Input that was not taken is
// given again. It stops at a Close frame, an error, or the end of raw.
func feed(t testing.TB, r *Reader, raw string, rules *Rules, cuts ...int) string {
	t.Helper()
	var m Partial
	var msgs []string
	var left []byte
	at := 0
	for _, cut := range append(cuts, len(raw)) {
		left = append(bytes.Clone(left), raw[at:cut]...)
		at = cut
		for {
			msg, n, err := r.Next(&m, left, rules)
			left = left[n:]
			if err != nil {
				sticks(t, r, &m, err, rules)
				return reading(msgs, err)
			}
			if msg.Op == 0 {
				break
			}
			msgs = append(msgs, line(msg.Op, msg.Payload))
			if msg.Op == Close {
				return reading(msgs, nil)
			}
		}
		if len(left) >= maxHead+MaxControl {
			t.Fatalf("%d bytes are left", len(left))
		}
	}
	if m.Idle() && len(left) == 0 {
		return reading(msgs, nil)
	}
	return reading(append(msgs, "incomplete"), nil)
}

// sticks checks that an error is returned again.
func sticks(t testing.TB, r *Reader, m *Partial, err error, rules *Rules) {
	t.Helper()
	_, n, again := r.Next(m, []byte("\x82\x00"), rules)
	if !errors.Is(again, err) || n != 0 {
		t.Fatalf("after %v: %d, %v", err, n, again)
	}
}

// cutEverywhere returns the result of reading raw. It checks that the result is the same if raw is cut in two at any
// place, or into pieces of one or of three bytes.
func cutEverywhere(t *testing.T, raw string, rules *Rules) string {
	t.Helper()
	var r Reader
	whole := feed(t, &r, raw, rules)
	if len(raw) < 4000 {
		for cut := range len(raw) + 1 {
			if got := feed(t, &r, raw, rules, cut); got != whole {
				t.Fatalf("cut at %d of %q:\n got %s\nwant %s", cut, raw, got, whole)
			}
		}
	}
	for _, step := range []int{1, 3} {
		var cuts []int
		for at := step; at < len(raw); at += step {
			cuts = append(cuts, at)
		}
		if got := feed(t, &r, raw, rules, cuts...); got != whole {
			t.Fatalf("%d bytes at a time of %.200q:\n got %s\nwant %s", step, raw, got, whole)
		}
	}
	return whole
}
