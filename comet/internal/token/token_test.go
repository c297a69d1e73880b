package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"ccomet/comet/internal/record"
)

// hmacHex is the token's definition, written once more: 128 bits of an HMAC, as hex.
func hmacHex(secret, text string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// TestMake: tokens are derived from the name, the epoch and the right. A token must not change
// from one version of the program to the next, because clients hold it.
func TestMake(t *testing.T) {
	tokens := New([]byte("secret"))
	for _, c := range []struct {
		epoch uint32
		right Right
		end   string
	}{
		{record.EpochFirst, Subscribe, ""},
		{record.EpochFirst, Publish, "\x00\x00\x00\x00\x01\x01"},
		{0x01020304, Subscribe, "\x00\x01\x02\x03\x04"},
		{0x01020304, Publish, "\x00\x01\x02\x03\x04\x01"},
	} {
		if got, want := string(tokens.Make([]byte("room"), c.epoch, c.right)), hmacHex("secret", "room"+c.end); got != want {
			t.Errorf("epoch %x, right %d: %s, want %s", c.epoch, c.right, got, want)
		}
	}
}

// TestAdmits: only a token of this channel, this epoch and this secret admits its client, and
// only one with the right to publish lets it publish.
func TestAdmits(t *testing.T) {
	tokens, others := New([]byte("secret")), New([]byte("Secret"))
	room, epoch := []byte("room"), record.EpochLeast
	made := func(from *Tokens, cname string, epoch uint32, right Right) string {
		return string(from.Make([]byte(cname), epoch, right))
	}
	subscribe, publish := made(tokens, "room", epoch, Subscribe), made(tokens, "room", epoch, Publish)
	for _, c := range []struct {
		name, token       string
		admits, publishes bool
	}{
		{"to subscribe", subscribe, true, false},
		{"to publish", publish, true, true},
		{"of another channel", made(tokens, "rooms", epoch, Subscribe), false, false},
		{"of another epoch", made(tokens, "room", epoch+1, Publish), false, false},
		{"of another secret", made(others, "room", epoch, Subscribe), false, false},
		{"in capitals", strings.ToUpper(subscribe), false, false},
		{"with a byte more", subscribe + "0", false, false},
		{"with a byte less", publish[1:], false, false},
		{"empty", "", false, false},
	} {
		if got := tokens.Admits(room, epoch, []byte(c.token)); got != c.admits {
			t.Errorf("token %s: admits its client: %v", c.name, got)
		}
		if got := tokens.Valid(room, epoch, Publish, []byte(c.token)); got != c.publishes {
			t.Errorf("token %s: lets its client publish: %v", c.name, got)
		}
	}
}

// TestTokensAlloc: a token is checked for each request, and must not allocate.
func TestTokensAlloc(t *testing.T) {
	tokens, room := New([]byte("secret")), []byte("room")
	wrong := make([]byte, Len)
	if n := testing.AllocsPerRun(100, func() { tokens.Admits(room, record.EpochLeast, wrong) }); n != 0 {
		t.Errorf("%v allocations for a check", n)
	}
}
