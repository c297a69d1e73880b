package doctor

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// Memory in Redis, in bytes, as measured with Redis 7.0 (MEMORY USAGE).
const (
	redisChannel  = 440 // the number of a channel and an empty history, with their keys
	redisMessage  = 40  // in a history, in addition to the content
	redisBusEntry = 90  // on the bus, in addition to the content
	redisSpare    = 8 << 20
)

// memory returns the wanted memory of Redis.
func (d *RedisDemand) memory() int64 {
	return redisSpare + d.Channels*(redisChannel+d.History*(d.MessageBytes+redisMessage)) + int64(d.Bus)*(d.MessageBytes+redisBusEntry)
}

func (e *redisCheck) checkMemory(masters int64) {
	d := e.demand
	share := d.memory() / max(masters, 1)
	limit, bounded := e.number("maxmemory"), "maxmemory"
	if limit == 0 {
		limit, bounded = e.number("total_system_memory"), "of the machine, without maxmemory"
	}
	f := Finding{
		Name: "memory", Have: mebibytes(limit) + " " + bounded, Want: mebibytes(share),
		Why: fmt.Sprintf("%s channels that store %s messages of %s bytes each; a channel without publishes takes nothing", grouped(d.Channels), grouped(d.History), grouped(d.MessageBytes)),
	}
	switch {
	case limit < share:
		f.Status = Bad
	case limit < share+share/4:
		f.Status = Warn
	}
	if f.Status != OK {
		f.Fixes = []fix{{File: "--channel-buffer-size, --redis-ttl, --redis-bus, or more memory", Lines: []string{"set --channels and --message-bytes to the expected values"}}}
	}
	e.found(f)
}

// checkPrefix checks whether another program, or another configuration, uses the keys.
func (e *redisCheck) checkPrefix() {
	d := e.demand
	f := Finding{Name: "prefix", Have: d.Prefix + " is free"}
	answer, err := e.Do(e.ctx, "HMGET", d.Prefix+"{0}g", "parts", "gen")
	values, _ := answer.([]any)
	switch {
	case err != nil && strings.HasPrefix(err.Error(), "MOVED"):
		return // another master has this key; it is checked too
	case err != nil:
		f.Status, f.Have, f.Why = Bad, err.Error(), "another program uses keys with these names"
		f.Fixes = []fix{{File: "--redis-prefix", Lines: []string{"choose another prefix, the same at all nodes"}}}
	case len(values) == 2 && values[0] != nil:
		parts := fmt.Sprint(values[0])
		f.Have = fmt.Sprintf(d.Prefix+" is in use, with %s partitions, in generation %v", parts, values[1])
		if n, _ := strconv.Atoi(parts); d.Partitions != 0 && n != d.Partitions {
			f.Status, f.Want, f.Why = Bad, strconv.Itoa(d.Partitions), "a node with another number of partitions does not start, because it would look for channels in other partitions"
			f.Fixes = []fix{{File: "--redis-partitions", Lines: []string{parts + "   # or another --redis-prefix, for other channels"}}}
		}
	}
	e.found(f)
}

// checkRedisCluster checks the state of a Redis Cluster.
func checkRedisCluster(ctx context.Context, e *redisCheck, d *RedisDemand, masters int64) Finding {
	f := Finding{Name: "Redis Cluster", Want: "cluster_state:ok"}
	answer, err := e.Do(ctx, "CLUSTER", "INFO")
	text, _ := answer.(string)
	state := ""
	for _, line := range strings.Split(text, "\n") {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "cluster_state:"); ok {
			state = value
		}
	}
	f.Have = fmt.Sprintf("cluster_state:%s, %d masters", state, masters)
	switch {
	case err != nil:
		f.Status, f.Have = Bad, err.Error()
	case state != "ok":
		f.Status, f.Why = Bad, "some slots have no master: publishes to their channels are answered 503"
		f.Fixes = []fix{{Now: "redis-cli --cluster check " + e.Address}}
	case d.Named < 2:
		f.Status, f.Why = Warn, "a node that starts while the only named address is down cannot find the others"
		f.Fixes = []fix{{File: "--redis", Lines: []string{"redis://HOST,HOST,HOST"}}}
	}
	return f
}

// checkSentinels asks each Sentinel whether it could perform a failover.
func checkSentinels(ctx context.Context, sentinels []RedisNode, d *RedisDemand) (list []Finding) {
	f := Finding{Name: "Sentinels", Have: fmt.Sprintf("%d of %d answer", len(sentinels), d.Named), Want: "3 or more"}
	switch {
	case len(sentinels) < d.Named:
		f.Status, f.Why = Warn, "the others cannot be reached from here"
	case d.Named < 3:
		f.Status, f.Why = Warn, "if one of two is down there is no majority, and no replica can take over"
	}
	list = append(list, f)
	for _, s := range sentinels {
		f := Finding{Name: "Sentinel " + s.Address, Have: "has a quorum for " + d.Sentinel}
		if answer, err := s.Do(ctx, "SENTINEL", "CKQUORUM", d.Sentinel); err != nil {
			f.Status, f.Have, f.Why = Bad, err.Error(), "no replica can take over when the master is down"
		} else if text, _ := answer.(string); !strings.HasPrefix(text, "OK") {
			f.Status, f.Have = Warn, fmt.Sprint(answer)
		}
		list = append(list, f)
	}
	return list
}
