package comet

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"hash"
)

// tokens derives the token of a channel from its name and the server's secret,
// so that none need be kept: 128 bits of an HMAC-SHA256, as 32 hex digits. One
// goroutine uses it.
type tokens struct {
	mac hash.Hash
	sum [sha256.Size]byte
	hex [32]byte
}

func newTokens(secret []byte) *tokens {
	return &tokens{mac: hmac.New(sha256.New, secret)}
}

// make returns the token of a channel, good until the next call.
func (t *tokens) make(cname []byte) []byte {
	t.mac.Reset()
	t.mac.Write(cname)
	hex.Encode(t.hex[:], t.mac.Sum(t.sum[:0])[:16])
	return t.hex[:]
}

// valid compares in constant time.
func (t *tokens) valid(cname, token []byte) bool {
	return subtle.ConstantTimeCompare(t.make(cname), token) == 1
}
