package cluster

import (
	"bytes"
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

// beginSecret reads the secret, or makes it. A node that goes on for another program has it
// already.
func (l *Log) beginSecret(ctx context.Context) error {
	secret := l.secret
	if secret == nil {
		secret = make([]byte, secretBytes)
		_, _ = rand.Read(secret)
	}
	there, err := l.offerSecret(ctx, secret)
	if err == nil && l.secret == nil {
		l.secret = there
	}
	return err
}

// offerSecret has Redis keep a secret if it has none, and returns what it keeps.
func (l *Log) offerSecret(ctx context.Context, secret []byte) ([]byte, error) {
	ctx, done := context.WithTimeout(ctx, callTimeout)
	defer done()
	b, key := l.client.B(), l.cfg.Prefix+"secret"
	if err := l.client.Do(ctx, b.Setnx().Key(key).Value(base64.StdEncoding.EncodeToString(secret)).Build()).Error(); err != nil {
		return nil, err
	}
	text, err := l.client.Do(ctx, b.Get().Key(key).Build()).ToString()
	if err != nil {
		return nil, err
	}
	there, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(there) < secretBytes {
		return nil, &fatalError{fmt.Errorf("redis: %q is no secret of a cluster", key)}
	}
	return there, nil
}

// keepSecret has a master that has lost the secret keep it again: it is asked for whenever the
// numbers of a partition have been raised.
func (l *Log) keepSecret() {
	if !l.lostSecret.Swap(false) {
		return
	}
	there, err := l.offerSecret(l.ctx, l.secret)
	if err != nil {
		l.lostSecret.Store(true)
	} else if !bytes.Equal(there, l.secret) && !l.otherSecret.Swap(true) {
		l.cfg.Log.Error().Msg("Redis: the secret of the cluster has been lost, and another node has made a new one: tokens of this node are not good at others until it is restarted")
	}
}
