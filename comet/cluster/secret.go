package cluster

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
)

// secretBytes is how long a secret is that a node makes.
const secretBytes = 32

// Secret is what all nodes derive tokens from where none is configured: the first node has made
// it, and Redis keeps it.
func (l *Log) Secret() []byte { return l.secret }

// beginSecret reads the secret, or makes it.
func (l *Log) beginSecret(ctx context.Context) error {
	if l.secret != nil {
		return nil
	}
	var fresh [secretBytes]byte
	_, _ = rand.Read(fresh[:])
	call, done := context.WithTimeout(ctx, callTimeout)
	defer done()
	b, key := l.client.B(), l.cfg.Prefix+"secret"
	if err := l.client.Do(call, b.Setnx().Key(key).Value(base64.StdEncoding.EncodeToString(fresh[:])).Build()).Error(); err != nil {
		return err
	}
	text, err := l.client.Do(call, b.Get().Key(key).Build()).ToString()
	if err != nil {
		return err
	}
	if l.secret, err = base64.StdEncoding.DecodeString(text); err != nil || len(l.secret) < secretBytes {
		l.secret = nil
		return &fatalError{fmt.Errorf("redis: %q is no secret of a cluster", key)}
	}
	return nil
}
