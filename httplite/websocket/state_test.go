package websocket

import (
	"bytes"
	"encoding"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

var (
	_ encoding.BinaryAppender    = (*Parser)(nil)
	_ encoding.BinaryUnmarshaler = (*Parser)(nil)
)

// TestState: a connection that is handed over to another process at any byte, repeatedly, reads the same messages.
func TestState(t *testing.T) {
	for _, k := range kinds() {
		if len(k.raw) > 1000 {
			continue
		}
		var msgs []string
		var m Partial
		var left []byte
		var err error
		for i := 0; i < len(k.raw) && err == nil; i++ {
			left = append(left, k.raw[i])
			var r Reader
			var msg Message
			var n int
			if msg, n, err = r.Next(&m, left, nil); err == nil && msg.Op != 0 {
				msgs = append(msgs, line(msg.Op, msg.Payload))
			}
			if left = left[n:]; msg.Op == Close {
				break
			}
			m = handOver(t, m)
		}
		if err == nil && !(m.Idle() && len(left) == 0) && !strings.HasPrefix(k.want, "Close") && !strings.Contains(k.want, "\nClose") {
			msgs = append(msgs, "incomplete")
		}
		if got := reading(msgs, err); got != k.want {
			t.Errorf("%s: %.100q\n got %.300s\nwant %.300s", k.cases, k.raw, got, k.want)
		}
	}
}

// handOver writes m's state and reads it back, unless m has failed.
func handOver(t *testing.T, m Partial) Partial {
	t.Helper()
	raw, err := m.Parser.AppendBinary(nil)
	if m.Parser.fault != 0 {
		if !errors.Is(err, ErrState) {
			t.Fatalf("%+v is written down: %v", m.Parser, err)
		}
		return m
	}
	other := Partial{Payload: bytes.Clone(m.Payload)}
	if err != nil || other.Parser.UnmarshalBinary(raw) != nil || other.Parser != m.Parser {
		t.Fatalf("%+v is %+v, %v", m.Parser, other.Parser, err)
	}
	return other
}

// Invalid states are refused, and a state that is accepted does no harm.
func TestNoState(t *testing.T) {
	var p Parser
	if _, _, err := p.Next([]byte(frame(text1, "κ\xce")), nil); err != nil {
		t.Fatal(err)
	}
	good, _ := p.AppendBinary(nil)
	for n := range len(good) {
		if err := new(Parser).UnmarshalBinary(good[:n]); !errors.Is(err, ErrState) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	for _, c := range []struct {
		at   int
		to   byte
		what string
	}{
		{0, 1, "more to come than there is"}, {8, 1, "larger than any"}, {24, 0, "of no message"}, {24, 8, "of a Close"}, {25, 4, "an unknown bit"},
		{25, 1, "at its end"}, {25, 2, "compressed, amid a character"}, {26, 9, "a long character"}, {19, 0, "of no fragment"}, {28, 0, "no byte can follow"},
	} {
		bad := slices.Clone(good)
		bad[c.at] = c.to
		before := p
		if err := p.UnmarshalBinary(bad); !errors.Is(err, ErrState) || p != before {
			t.Errorf("%s: %v", c.what, err)
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		raw := slices.Clone(good)
		for range 1 + r.IntN(6) {
			raw[r.IntN(len(raw))] = byte(r.Uint32())
		}
		var p Parser
		if p.UnmarshalBinary(raw) == nil {
			in := []byte(frame(cont, "hello") + frame(text, "hello"))
			for n, err := 1, error(nil); n > 0 && err == nil; in = in[n:] {
				_, n, err = p.Next(in, nil)
			}
		}
	}
}
