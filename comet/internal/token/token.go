// Package token derives the tokens that let a subscriber in.
package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"hash"

	"ccomet/comet/internal/record"
)

// Tokens derives the token of a channel from its name, its epoch and the server's
// secret, so that none need be kept, and none outlives its channel: 128 bits of an
// HMAC-SHA256, as 32 hex digits. One goroutine uses it.
type Tokens struct {
	mac hash.Hash
	sum [sha256.Size]byte
	hex [Len]byte
	end [5]byte
}

const Len = 32

func New(secret []byte) *Tokens {
	return &Tokens{mac: hmac.New(sha256.New, secret)}
}

// Make returns the token of a channel, good until the next call. One that comes from
// the time before epochs has the token that was given then, of its name alone; in the
// others an epoch follows the zero byte that no name has.
func (t *Tokens) Make(cname []byte, epoch uint32) []byte {
	t.mac.Reset()
	t.mac.Write(cname)
	if epoch != record.EpochFirst {
		binary.BigEndian.PutUint32(t.end[1:], epoch)
		t.mac.Write(t.end[:])
	}
	hex.Encode(t.hex[:], t.mac.Sum(t.sum[:0])[:16])
	return t.hex[:]
}

// Valid compares in constant time.
func (t *Tokens) Valid(cname []byte, epoch uint32, token []byte) bool {
	return subtle.ConstantTimeCompare(t.Make(cname, epoch), token) == 1
}
