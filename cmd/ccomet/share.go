package main

import (
	"context"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"ccomet/cmd/ccomet/internal/upgrade"
	"ccomet/comet"
	"ccomet/comet/cluster"
	"ccomet/comet/cluster/redisurl"
)

// share connects to the Redis over which this server shares its channels. It returns nil
// without Redis. It waits for Redis until a signal stops the server; then it sets r.stopped.
func (c *serve) share(log zerolog.Logger, r *running, from *comet.HandedOver) (*cluster.Log, error) {
	if len(c.Redis) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if from != nil && upgrade.MayGoBack() {
		var done context.CancelFunc
		ctx, done = context.WithTimeout(ctx, handOverPatience)
		defer done()
	}
	opened := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case sig := <-r.Stops:
			log.Info().Stringer("signal", sig).Msg("stopped while waiting for Redis")
			r.stopped = true
			cancel()
		case <-opened:
		}
	}()
	shared, err := cluster.Open(ctx, c.clusterConfig(log, from))
	close(opened)
	<-watched
	if r.stopped {
		if shared != nil {
			shared.Close()
		}
		return nil, nil
	}
	return shared, unreached(ctx, err)
}

// openShared opens the server, with Redis if it shares channels.
func (c *serve) openShared(log zerolog.Logger, r *running, from *comet.HandedOver) (*comet.Server, error) {
	shared, err := c.share(log, r, from)
	if err != nil || r.stopped {
		return nil, err
	}
	srv, err := c.open(log, shared, from)
	if err != nil && shared != nil {
		shared.Close()
	}
	return srv, err
}

// rehearseShared opens the server as for an upgrade. Redis must answer only if its URL or the prefix
// has changed.
func (c *serve) rehearseShared(from *comet.HandedOver) error {
	if err := from.CheckCluster(len(c.Redis) > 0); err != nil {
		return err // rather than an error of Redis
	}
	if len(c.Redis) == 0 {
		_, err := c.open(zerolog.Nop(), nil, from)
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), handOverPatience)
	defer cancel()
	shared, err := cluster.Open(ctx, c.clusterConfig(zerolog.Nop(), from))
	if err != nil {
		return unreached(ctx, err)
	}
	defer shared.Close()
	_, err = c.open(zerolog.Nop(), shared, from)
	return err
}

// tryRedis returns why Redis does not let this program do what it needs. A Redis that cannot be
// reached is no error: with the same Redis, the server is upgraded without it.
func (c *serve) tryRedis() error {
	if len(c.Redis) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), handOverPatience)
	defer cancel()
	return cluster.Try(ctx, c.clusterConfig(zerolog.Nop(), nil))
}

// handOverPatience is the time limit for Redis in an upgrade, because nothing is served meanwhile.
const handOverPatience = 2 * time.Second

// unreached says in an error that the time limit for Redis has passed, and why there is one.
func unreached(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != context.DeadlineExceeded {
		return err
	}
	return fmt.Errorf("redis has not answered within %v: an upgrade needs it if its URL or the prefix has changed: %w", handOverPatience, err)
}

func (c *serve) clusterConfig(log zerolog.Logger, from *comet.HandedOver) cluster.Config {
	var state []byte
	if from != nil {
		state, _ = from.Place() // New returns an error if the old server did not share its channels
	}
	servers, _ := redisurl.Parse(c.Redis) // the settings are validated
	return cluster.Config{
		Redis: servers, Prefix: c.RedisPrefix, Node: c.NodeName(), Version: versionName(), Partitions: c.RedisPartitions,
		Bus: c.RedisBus, Queue: c.RedisQueue, TTL: time.Duration(c.RedisTTL),
		History: c.ChannelBufferSize, HistoryBytes: c.ChannelBufferBytes, Leases: comet.Auth(c.Auth) == comet.AuthToken, State: state, Log: log,
	}
}
