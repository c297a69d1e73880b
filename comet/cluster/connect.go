package cluster

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// connectPause is the time between two attempts to reach Redis, waitingPause that between two log
// lines about waiting for Redis.
const (
	connectPause = 250 * time.Millisecond
	waitingPause = 10 * time.Second
)

// await tries to connect until it succeeds or ctx is done, or there is an error that waiting does not
// cure. It calls failed for each other error.
func (l *Log) await(ctx context.Context, failed func(error)) error {
	for {
		err := l.connect(ctx)
		if err == nil || errors.As(err, new(*fatalError)) {
			return err
		}
		failed(err)
		select {
		case <-ctx.Done():
			return fmt.Errorf("redis: %w (%w)", ctx.Err(), err)
		case <-time.After(connectPause):
		}
	}
}

// saysWaiting returns a function that logs, not too often, that the node waits for Redis.
func (l *Log) saysWaiting() func(error) {
	told := time.Time{}
	return func(err error) {
		if time.Since(told) > waitingPause {
			l.cfg.Log.Warn().Err(explained(l.cfg.Redis, err)).Msg("waiting for Redis")
			told = time.Now()
		}
	}
}

// connectOn connects while the node serves. Until then, and from an error on that waiting does not
// cure, Redis is away.
func (l *Log) connectOn() {
	away := func(err error) {
		for _, p := range l.partitions {
			p.health.failed(err)
		}
	}
	if err := l.await(l.ctx, away); err != nil && l.ctx.Err() == nil {
		away(err)
		l.cfg.Log.Error().Err(err).Msg("this node does not use Redis until it is restarted")
	}
}

// Try returns why Redis does not accept a node of this configuration, if waiting would not help. A
// Redis that cannot be reached is no error.
func Try(ctx context.Context, cfg Config) error {
	if err := cfg.fill(); err != nil {
		return err
	}
	l, err := newLog(cfg)
	if err != nil {
		return err
	}
	defer l.Close()
	l.trial = true
	if err := l.connect(ctx); errors.As(err, new(*fatalError)) || denies(err) {
		return err
	}
	return nil
}

// denies reports whether Redis has answered that the node lacks a permission.
func denies(err error) bool {
	text, ok := refused(err)
	return ok && (strings.HasPrefix(text, "NOPERM") || strings.HasPrefix(text, "NOAUTH") || strings.HasPrefix(text, "WRONGPASS"))
}

// fatalError is an error that waiting does not cure.
type fatalError struct{ error }

// leastVersion is the oldest major version of Redis that works: an earlier one gives replicas the
// scripts of their master, but a new master is recognized by not having them (fence.go).
const leastVersion = 7

// connect makes one attempt. It continues where the last one failed.
func (l *Log) connect(ctx context.Context) error {
	if l.client == nil {
		c, err := clientWithin(ctx, l.options, l.cfg.Node)
		if err != nil {
			return err
		}
		l.client = c
	}
	if err := l.checkVersions(ctx); err != nil {
		return err
	}
	switch cluster := l.client.Mode() == rueidis.ClientModeCluster; {
	case l.partitions == nil:
		l.cluster = cluster
		n, err := l.countPartitions(ctx)
		if err != nil {
			return err
		}
		l.makePartitions(n)
	case cluster != l.cluster:
		return &fatalError{errors.New("redis: it was a Redis Cluster and is none any more, or the other way round: restart the server")}
	}
	for _, p := range l.partitions {
		if err := p.begin(ctx); err != nil {
			return err
		}
	}
	if err := l.beginSecret(ctx); err != nil {
		return err
	}
	if err := l.beginControl(ctx); err != nil {
		return err
	}
	l.cfg.Log.Info().Str("node", l.cfg.Node).Str("mode", string(l.client.Mode())).Int("partitions", len(l.partitions)).Msg("connected to Redis")
	close(l.connected)
	return nil
}

// checkVersions returns an error if a server is older than leastVersion.
func (l *Log) checkVersions(ctx context.Context) error {
	for addr, node := range l.client.Nodes() {
		call, done := context.WithTimeout(ctx, callTimeout)
		info, err := node.Do(call, node.B().Info().Section("server").Build()).ToString()
		done()
		if err != nil {
			return err
		}
		if major, _ := strconv.Atoi(strings.Split(infoField(info, "redis_version"), ".")[0]); major < leastVersion {
			return &fatalError{fmt.Errorf("redis at %s is of version %s: at least %d.0 is needed", addr, infoField(info, "redis_version"), leastVersion)}
		}
	}
	return nil
}

// infoField returns a field of an answer to INFO.
func infoField(info, name string) string {
	_, value, _ := strings.Cut(info, "\n"+name+":")
	value, _, _ = strings.Cut(value, "\r")
	return value
}

// countPartitions returns the number of partitions: the configured one, that of the cluster, or the default.
func (l *Log) countPartitions(ctx context.Context) (int, error) {
	if l.cfg.Partitions > 0 {
		return l.cfg.Partitions, nil
	}
	call, done := context.WithTimeout(ctx, callTimeout)
	defer done()
	there, err := l.client.Do(call, l.client.B().Hget().Key(newPartition(l, 0).keyG).Field("parts").Build()).AsInt64()
	switch {
	case err == nil && there > 0 && there <= maxPartitions:
		return int(there), nil
	case err != nil && !rueidis.IsRedisNil(err):
		return 0, err
	case l.cluster:
		return 16, nil
	}
	return 1, nil
}

// makePartitions makes n partitions, and the readers of their buses.
func (l *Log) makePartitions(n int) {
	for id := range n {
		l.partitions = append(l.partitions, newPartition(l, id))
	}
	l.readers = []*reader{newReader(l)}
	if !l.cluster {
		l.readers = append(l.readers, newReader(l, l.partitions...))
		return
	}
	for _, p := range l.partitions {
		l.readers = append(l.readers, newReader(l, p))
	}
}
