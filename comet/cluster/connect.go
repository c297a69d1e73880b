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

// connectPause is how long it is between two attempts to reach Redis, and waitingPause until the
// log says again that it is waited for.
const (
	connectPause = 250 * time.Millisecond
	waitingPause = 10 * time.Second
)

// await connects, for as long as ctx lasts.
func (l *Log) await(ctx context.Context) error {
	for told := (time.Time{}); ; {
		err := l.connect(ctx)
		if err == nil || errors.As(err, new(*fatalError)) {
			return err
		}
		if time.Since(told) > waitingPause {
			l.cfg.Log.Warn().Err(explained(l.cfg.Redis, err)).Msg("waiting for Redis")
			told = time.Now()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("redis: %w (%w)", ctx.Err(), err)
		case <-time.After(connectPause):
		}
	}
}

// connectOn connects while the node serves, which has gone on for another program.
func (l *Log) connectOn() {
	for {
		err := l.connect(l.ctx)
		if err == nil {
			return
		}
		for _, p := range l.partitions {
			p.health.failed(err)
		}
		if !l.sleep(connectPause) {
			return
		}
	}
}

// Try is an error where Redis has something against a node of this configuration that waiting
// does not mend. One that is away has nothing.
func Try(ctx context.Context, cfg Config) error {
	if err := cfg.fill(); err != nil {
		return err
	}
	l, err := newLog(cfg)
	if err != nil {
		return err
	}
	defer l.Close()
	if err := l.connect(ctx); errors.As(err, new(*fatalError)) || denies(err) {
		return err
	}
	return nil
}

// denies says whether Redis has answered that the node may not do what it does.
func denies(err error) bool {
	text, ok := refused(err)
	return ok && (strings.HasPrefix(text, "NOPERM") || strings.HasPrefix(text, "NOAUTH") || strings.HasPrefix(text, "WRONGPASS"))
}

// fatalError is one that waiting does not mend.
type fatalError struct{ error }

// leastVersion is that of Redis: an earlier one gives replicas the scripts of its master, by
// whose lack a new master is known (fence.go).
const leastVersion = 7

// connect makes one attempt, and goes on with what the last one has come to.
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
		return &fatalError{errors.New("redis: of a Redis Cluster and another Redis one has taken the other's place: restart the server")}
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

// checkVersions looks whether all servers are recent enough.
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

// infoField is a field of an answer to INFO.
func infoField(info, name string) string {
	_, value, _ := strings.Cut(info, "\n"+name+":")
	value, _, _ = strings.Cut(value, "\r")
	return value
}

// countPartitions is how many there are to be.
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

// makePartitions makes so many, and what reads their buses.
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
