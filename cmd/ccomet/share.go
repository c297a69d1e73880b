package main

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"ccomet/comet"
	"ccomet/comet/cluster"
	"ccomet/comet/cluster/redisurl"
)

// share connects to the Redis over which this server shares its channels with others; nil where
// it has them for itself. It waits for Redis until a signal ends the server: then r.stopped.
func (c *serve) share(log zerolog.Logger, r *running) (*cluster.Log, error) {
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
			log.Info().Stringer("signal", sig).Msg("stopped, while Redis was waited for")
			r.stopped = true
			cancel()
		case <-opened:
		}
	}()
	shared, err := cluster.Open(ctx, c.clusterConfig(log))
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

// openShared opens the server, over the log that it shares with others if there is one.
func (c *serve) openShared(log zerolog.Logger, r *running, from *comet.HandedOver) (*comet.Server, error) {
	shared, err := c.share(log, r)
	if err != nil || r.stopped {
		return nil, err
	}
	srv, err := c.open(log, shared, from)
	if err != nil && shared != nil {
		shared.Close()
	}
	return srv, err
}

func (c *serve) clusterConfig(log zerolog.Logger) cluster.Config {
	servers, _ := redisurl.Parse(c.Redis) // settings have seen that it can be
	return cluster.Config{
		Redis: servers, Prefix: c.RedisPrefix, Node: c.NodeName(), Version: versionName(), Partitions: c.RedisPartitions,
		Bus: c.RedisBus, Queue: c.RedisQueue, TTL: time.Duration(c.RedisTTL),
		History: c.ChannelBufferSize, HistoryBytes: c.ChannelBufferBytes, Leases: comet.Auth(c.Auth) == comet.AuthToken, Log: log,
	}
}
