package jsontext

import (
	"bytes"
	"testing"
)

// Plain stops at the first other byte, at any position.
func TestPlain(t *testing.T) {
	for b := range 256 {
		for _, others := range []byte{'a', ' ', 0x7f, '!', '#'} {
			for size := range 75 {
				s := bytes.Repeat([]byte{others}, size)
				if got := Plain(s); got != size {
					t.Fatalf("%q: %d", s, got)
				}
				for at := range s {
					s[at] = byte(b)
					want := at
					if isPlain(byte(b)) {
						want = size
					}
					if got := Plain(s); got != want {
						t.Fatalf("%q: %d, want %d", s, got, want)
					}
					if s[size-1] = 0xff; at < size-1 && !isPlain(byte(b)) && Plain(s) != at {
						t.Fatalf("%q: %d, want %d", s, Plain(s), at)
					}
					s[size-1], s[at] = others, others
				}
			}
		}
	}
}
