// Package token derives the tokens that let a client in.
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
	end [6]byte
}

const Len = 32

// Right is what a token lets a client do with its channel.
type Right uint8

const (
	Subscribe Right = iota // and read what the channel keeps
	Publish                // and that
)

func New(secret []byte) *Tokens {
	return &Tokens{mac: hmac.New(sha256.New, secret)}
}

// Make returns the token of a channel, good until the next call. Behind the name come the
// zero byte that no name has, the epoch, and a byte for a right that is more than to
// subscribe. One to subscribe that comes from the time before epochs has the token that was
// given then, of its name alone.
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

// Valid says whether a token is that of a channel for this right. It compares in constant time.
func (t *Tokens) Valid(cname []byte, epoch uint32, right Right, token []byte) bool {
	return subtle.ConstantTimeCompare(t.Make(cname, epoch, right), token) == 1
}

// Admits says whether a token lets its client subscribe to a channel, be it that it lets it
// do more.
func (t *Tokens) Admits(cname []byte, epoch uint32, token []byte) bool {
	return len(token) == Len && (t.Valid(cname, epoch, Subscribe, token) || t.Valid(cname, epoch, Publish, token))
}
