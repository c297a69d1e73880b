package websocket

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// TestMask holds mask, in one go and in two, against one that is a byte at a time.
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

// A key of zeros leaves all as it is (RFC 6455 5.3 does not forbid one).
func TestMaskZero(t *testing.T) {
	p := []byte("hello")
	Mask(p, [4]byte{})
	if string(p) != "hello" {
		t.Error(p)
	}
}
