package websocket

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// TestMask compares mask, in one call and in two, with a version that masks byte by byte.
func TestMask(t *testing.T) {
	key := [4]byte{0x12, 0x00, 0xff, 0x80}
	var plain [150]byte
	for i := range plain {
		plain[i] = byte(i * 7)
	}
	for length := range len(plain) {
		want := bytes.Clone(plain[:length])
		for i := range want {
			want[i] ^= key[i%4]
		}
		for cut := range length + 1 {
			got := bytes.Clone(plain[:length])
			k := mask(got[:cut], binary.LittleEndian.Uint32(key[:]))
			mask(got[cut:], k)
			if !bytes.Equal(got, want) {
				t.Fatalf("%d bytes, cut at %d:\n got %x\nwant %x", length, cut, got, want)
			}
		}
	}
}

// A key of zeros changes nothing (RFC 6455 5.3 does not forbid it).
func TestMaskZero(t *testing.T) {
	p := []byte("hello")
	Mask(p, [4]byte{})
	if string(p) != "hello" {
		t.Error(p)
	}
}
