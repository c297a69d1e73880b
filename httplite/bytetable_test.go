package httplite

import (
	"bytes"
	"testing"
)

// validValue takes eight bytes at a time. For any byte at any place, its result is that of a check
// of each byte.
func TestValidValueAtEveryPlace(t *testing.T) {
	for n := range 30 {
		for at := range n {
			for c := range 256 {
				for _, rest := range []byte{'a', '\t', 0xff, ' '} {
					b := bytes.Repeat([]byte{rest}, n)
					b[at] = byte(c)
					if want := c == '\t' || c >= ' ' && c != 0x7f; validValue(b) != want {
						t.Fatalf("validValue(%q) = %v", b, !want)
					}
				}
			}
		}
	}
}

func TestClasses(t *testing.T) {
	for c := range 256 {
		b := byte(c)
		alnum := '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
		in := func(set string) bool { return alnum || bytes.IndexByte([]byte(set), b) >= 0 }
		for bit, want := range map[uint8]bool{
			isToken:  in("!#$%&'*+-.^_`|~"),
			isHost:   in("-._~!$&'()*+,;="),
			isLetter: in("-._~"),
			isPath:   in("-._~!$&'()*+,;=:@/"),
			isQuery:  c > ' ' && c != 0x7f && c != '#',
			isValue:  c == '\t' || c >= ' ' && c != 0x7f,
		} {
			if class[c]&bit != 0 != want {
				t.Errorf("byte %q, class %b: %v", b, bit, !want)
			}
		}
	}
}
