package cluster

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
)

// secretBytes is the length of a secret that a node makes.
const secretBytes = 32

// Secret is the secret from which all nodes derive tokens if none is configured. The
// first node makes it, and Redis keeps it.
func (l *Log) Secret() []byte { return l.secret }

// beginSecret reads the secret from Redis, or makes it. After a hand-over the node has it
// already.
func (l *Log) beginSecret(ctx context.Context) error {
	if l.trial { // the node that Try is for may have a secret, which must be the one that is stored
		return nil
	}
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

// offerSecret stores a secret in Redis if there is none, and returns the one that is
// stored.
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

// keepSecret stores the secret again at a master that has lost it. It is called whenever
// the numbers of a partition were raised.
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
