package cluster

import (
	"bytes"
	"testing"

	"ccomet/comet/internal/mail"
)

// TestSecretOfEmptied: Redis is emptied. Nodes that come later have the secret of the running nodes, also
// a node that continues for another program before that one has noticed.
func TestSecretOfEmptied(t *testing.T) {
	r := startRedis(t)
	one := startNode(t, 1, Config{}, r.url)
	state := one.Suspend()
	r.must("FLUSHALL")
	next := openNode(t, Config{State: state}, r.url)
	if !bytes.Equal(next.Secret(), one.Secret()) {
		t.Error("a program that goes on has another secret")
	}
	one.Resume()
	r.must("FLUSHALL")
	one.judges[0].propose(mail.OpPublish, "room", "", "m") // which raises the numbers
	if m := one.judges[0].answer("m"); m.Code != mail.CodeOK {
		t.Fatalf("code %d", m.Code)
	}
	waitFor(t, "Redis has the secret again", func() bool { return r.must("EXISTS", one.cfg.Prefix+"secret") == "1" })
	if other := openNode(t, Config{}, r.url); !bytes.Equal(other.Secret(), one.Secret()) {
		t.Error("a node that comes then has another secret")
	}
}
