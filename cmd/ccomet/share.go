package main

import (
	"context"
	"time"

	"github.com/rs/zerolog"

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
	return shared, err
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

// rehearseShared opens the server as for an upgrade. If Redis cannot be reached, the upgrade
// must not take place.
func (c *serve) rehearseShared(from *comet.HandedOver) error {
	if len(c.Redis) == 0 {
		_, err := c.open(zerolog.Nop(), nil, from)
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), rehearsalPatience)
	defer cancel()
	shared, err := cluster.Open(ctx, c.clusterConfig(zerolog.Nop(), from))
	if err != nil {
		return err
	}
	defer shared.Close()
	_, err = c.open(zerolog.Nop(), shared, from)
	return err
}

// rehearsalPatience is the time limit for Redis, because nothing is served meanwhile.
const rehearsalPatience = 2 * time.Second

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
