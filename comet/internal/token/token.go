// Package token derives the tokens that let clients in.
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

// Tokens derives the token of a channel from its name, its epoch and the server's secret.
// So no token is stored, and none outlives its channel. A token is 128 bits of an
// HMAC-SHA256, as 32 hex digits. Only one goroutine may use it.
type Tokens struct {
	mac hash.Hash
	sum [sha256.Size]byte
	hex [Len]byte
	end [6]byte
}

const Len = 32

// Right is what a token lets its client do with the channel.
type Right uint8

const (
	Subscribe Right = iota // and read what the channel keeps
	Publish                // and also subscribe
)

func New(secret []byte) *Tokens {
	return &Tokens{mac: hmac.New(sha256.New, secret)}
}

// Make returns the token of a channel, valid until the next call. It is derived from the
// name, the zero byte that no name has, the epoch, and a byte for a right beyond Subscribe.
// A channel from a state file without epochs keeps the token to subscribe that it had then,
// of its name alone.
func (t *Tokens) Make(cname []byte, epoch uint32, right Right) []byte {
	t.mac.Reset()
	t.mac.Write(cname)
	end := t.end[:5]
	binary.BigEndian.PutUint32(end[1:], epoch)
	if right != Subscribe {
		t.end[5] = byte(right)
		end = t.end[:]
	}
	if right != Subscribe || epoch != record.EpochFirst {
		t.mac.Write(end)
	}
	hex.Encode(t.hex[:], t.mac.Sum(t.sum[:0])[:16])
	return t.hex[:]
}

// Valid reports whether token is that of a channel for this right. It compares in constant
// time.
func (t *Tokens) Valid(cname []byte, epoch uint32, right Right, token []byte) bool {
	return subtle.ConstantTimeCompare(t.Make(cname, epoch, right), token) == 1
}

// Admits reports whether a token lets its client subscribe to a channel. A token to publish
// does, too.
func (t *Tokens) Admits(cname []byte, epoch uint32, token []byte) bool {
	return len(token) == Len && (t.Valid(cname, epoch, Subscribe, token) || t.Valid(cname, epoch, Publish, token))
}
