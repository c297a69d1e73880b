package record

import (
	"crypto/rand"
	"encoding/binary"
	"math/bits"
)

// Key is what names are hashed with: nobody who does not know it can choose names that
// collide. Unlike a seed of package maphash it can be written down, so that a program
// that goes on with records finds them.
type Key [16]byte

// NewKey is one that nobody knows.
func NewKey() (k Key) {
	_, _ = rand.Read(k[:]) // never fails
	return k
}

// Hash is SipHash-1-3 of b, by Aumasson and Bernstein.
func (k *Key) Hash(b []byte) uint64 {
	k0, k1 := binary.LittleEndian.Uint64(k[:8]), binary.LittleEndian.Uint64(k[8:])
	v0, v1, v2, v3 := k0^0x736f6d6570736575, k1^0x646f72616e646f6d, k0^0x6c7967656e657261, k1^0x7465646279746573
	word, last := uint64(0), uint64(len(b))<<56
	for n := len(b)/8 + finalRounds + 1; n > 0; n-- {
		switch {
		case n > finalRounds+1:
			word, b = binary.LittleEndian.Uint64(b), b[8:]
		case n == finalRounds+1:
			for i, c := range b {
				last |= uint64(c) << (8 * i)
			}
			word = last
		case n == finalRounds:
			word = 0
			v2 ^= 0xff
		}
		v3 ^= word
		v0 += v1
		v1 = bits.RotateLeft64(v1, 13) ^ v0
		v0 = bits.RotateLeft64(v0, 32)
		v2 += v3
		v3 = bits.RotateLeft64(v3, 16) ^ v2
		v0 += v3
		v3 = bits.RotateLeft64(v3, 21) ^ v0
		v2 += v1
		v1 = bits.RotateLeft64(v1, 17) ^ v2
		v2 = bits.RotateLeft64(v2, 32)
		v0 ^= word
	}
	return v0 ^ v1 ^ v2 ^ v3
}

// finalRounds is how often the state is mixed when all has been taken.
const finalRounds = 3
