package main

import (
	"context"
	"fmt"
	"time"

	"ccomet/cmd/ccomet/internal/doctor"
	"ccomet/cmd/ccomet/internal/settings"
	"ccomet/comet/cluster"
	"ccomet/comet/cluster/redisurl"
)

// check returns an error for invalid flags about Redis.
func (c *redisFlags) check() error {
	settings.TrimList(c.Redis)
	asked := settings.Cluster{Redis: c.Redis, RedisPrefix: c.RedisPrefix, RedisPartitions: c.RedisPartitions, RedisBus: c.RedisBus}
	for _, bad := range asked.CheckRedis() {
		return bad
	}
	for _, n := range []struct {
		name             string
		value, low, high int
	}{
		{"channels", c.Channels, 0, maxConns},
		{"channel-buffer-size", c.ChannelBufferSize, 0, settings.MaxCount},
		{"message-bytes", c.MessageBytes, 1, 1 << 28},
	} {
		if n.value < n.low || n.value > n.high {
			return fmt.Errorf("--%s is %d: want %d to %d", n.name, n.value, n.low, n.high)
		}
	}
	return nil
}

// redisPatience is the time limit for all questions to Redis.
const redisPatience = 30 * time.Second

// tryRedis checks Redis for this many connections.
func (c *redisFlags) tryRedis(ctx context.Context, conns int) []doctor.Finding {
	ctx, cancel := context.WithTimeout(ctx, redisPatience)
	defer cancel()
	servers, _ := redisurl.Parse(c.Redis) // check has validated it
	probe, err := cluster.NewProbe(servers)
	if err != nil {
		return []doctor.Finding{doctor.Unreachable(servers.String(), err)}
	}
	defer probe.Close()
	w := &doctor.RedisDemand{
		URL: servers.String(), Prefix: c.RedisPrefix, Partitions: c.RedisPartitions, Bus: c.RedisBus,
		Channels: int64(c.Channels), History: int64(c.ChannelBufferSize), MessageBytes: int64(c.MessageBytes),
		Sentinel: servers.Master, Named: len(servers.Addresses),
	}
	if w.Channels == 0 {
		w.Channels = int64(conns)
	}
	return doctor.CheckRedis(ctx, nodes(probe.Servers), nodes(probe.Sentinels), w)
}

func nodes(list []*cluster.ProbedServer) (found []doctor.RedisNode) {
	for _, s := range list {
		found = append(found, doctor.RedisNode{Address: s.Address, RedisServer: s})
	}
	return found
}
