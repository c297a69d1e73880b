package record

import (
	"crypto/rand"
	"encoding/binary"
	"math/bits"
)

// Key is the key with which names are hashed: without it nobody can choose names that collide.
// Unlike a seed of package maphash it can be written down, so that a program that takes over
// records finds them.
type Key [16]byte

// NewKey returns a random key.
func NewKey() (k Key) {
	_, _ = rand.Read(k[:]) // never fails
	return k
}

// Hash returns SipHash-1-3 of b, by Aumasson and Bernstein. The code of a round is there twice,
// because as a function it is too long for the compiler to inline.
func (k *Key) Hash(b []byte) uint64 {
	k0, k1 := binary.LittleEndian.Uint64(k[:8]), binary.LittleEndian.Uint64(k[8:])
	v0, v1, v2, v3 := k0^0x736f6d6570736575, k1^0x646f72616e646f6d, k0^0x6c7967656e657261, k1^0x7465646279746573
	last := uint64(len(b)) << 56
	for whole := true; whole; {
		word := last
		if whole = len(b) >= 8; whole {
			word, b = binary.LittleEndian.Uint64(b), b[8:]
		} else {
			word |= lessThanWord(b)
		}
		v3 ^= word
		v0, v1 = mix(v0, v1, 13)
		v2, v3 = mix(v2, v3, 16)
		v0, v3 = mix(bits.RotateLeft64(v0, 32), v3, 21)
		v2, v1 = mix(v2, v1, 17)
		v2 = bits.RotateLeft64(v2, 32)
		v0 ^= word
	}
	v2 ^= 0xff
	for range finalRounds {
		v0, v1 = mix(v0, v1, 13)
		v2, v3 = mix(v2, v3, 16)
		v0, v3 = mix(bits.RotateLeft64(v0, 32), v3, 21)
		v2, v1 = mix(v2, v1, 17)
		v2 = bits.RotateLeft64(v2, 32)
	}
	return v0 ^ v1 ^ v2 ^ v3
}

// lessThanWord returns up to seven bytes as a word. Bytes that are read twice have the same
// place in it.
func lessThanWord(b []byte) uint64 {
	switch n := len(b); {
	case n >= 4:
		return uint64(binary.LittleEndian.Uint32(b)) | uint64(binary.LittleEndian.Uint32(b[n-4:]))<<(8*(n-4))
	case n > 0:
		return uint64(b[0]) | uint64(b[n/2])<<(8*(n/2)) | uint64(b[n-1])<<(8*(n-1))
	}
	return 0
}

// mix is a quarter of a round.
func mix(a, b uint64, by int) (sum, mixed uint64) {
	a += b
	return a, bits.RotateLeft64(b, by) ^ a
}

// finalRounds is the number of rounds after the last input.
const finalRounds = 3
