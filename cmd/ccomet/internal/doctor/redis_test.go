package doctor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// answering is a Redis that answers with fixed texts. The tests of the command ask a real one,
// which cannot be given an old version, another clock or a full disk.
type answering struct {
	info    map[string]string
	config  map[string]string
	clock   time.Duration // ahead of this machine
	latency time.Duration
	refused map[string]error // by command
}

func (a *answering) Do(_ context.Context, args ...string) (any, error) {
	if err := a.refused[args[0]]; err != nil {
		return nil, err
	}
	switch args[0] {
	case "INFO":
		var b strings.Builder
		for key, value := range a.info {
			fmt.Fprintf(&b, "%s:%s\r\n", key, value)
		}
		return b.String(), nil
	case "CONFIG":
		if value, ok := a.config[args[2]]; ok {
			return []any{args[2], value}, nil
		}
		return nil, errors.New("NOPERM this user has no permissions to run the 'config|get' command")
	case "TIME":
		now := time.Now().Add(a.clock)
		return []any{fmt.Sprint(now.Unix()), fmt.Sprint(now.Nanosecond() / 1000)}, nil
	case "PING":
		time.Sleep(a.latency)
		return "PONG", nil
	case "HMGET":
		return []any{nil, nil}, nil
	case "CLUSTER":
		return "cluster_state:ok\r\n", nil
	}
	return "ok", nil
}

// soundRedis is a Redis without findings.
var soundRedis = answering{
	info: map[string]string{
		"redis_version": "7.0.15", "role": "master", "redis_mode": "standalone", "maxmemory": "0", "maxmemory_policy": "noeviction", "total_system_memory": "8000000000",
		"aof_enabled": "1", "aof_last_write_status": "ok", "rdb_last_bgsave_status": "ok", "rdb_last_save_time": "1",
		"connected_slaves": "2", "slave0": "ip=10.0.0.2,port=6379,state=online,offset=1,lag=0", "slave1": "ip=10.0.0.3,port=6379,state=online,offset=1,lag=0",
	},
	config: map[string]string{"appendfsync": "everysec", "save": "", "dir": "/var/lib/redis", "min-replicas-to-write": "1", "stop-writes-on-bgsave-error": "yes"},
}

// lackingRedis are changes of soundRedis after which it lacks one thing.
var lackingRedis = []struct {
	name   string
	change func(a *answering, d *RedisDemand)
	check  string // that is not OK; "": all are
	status Status
	says   string
}{
	{"sound", func(*answering, *RedisDemand) {}, "", OK, ""},
	{"old", func(a *answering, _ *RedisDemand) { a.info["redis_version"] = "6.2.14" }, "version", Bad, "a number twice"},
	{"no version", func(a *answering, _ *RedisDemand) { delete(a.info, "redis_version") }, "version", Bad, "newer Redis"},
	{"Valkey", func(a *answering, _ *RedisDemand) {
		a.info["redis_version"], a.info["valkey_version"] = "7.2.4", "8.0.1"
	}, "", OK, ""},
	{"numbers can be evicted", func(a *answering, _ *RedisDemand) {
		a.info["maxmemory"], a.info["maxmemory_policy"] = "100000000", "allkeys-lru"
	}, "maxmemory-policy", Bad, "noeviction"},
	{"nothing is evicted without a bound", func(a *answering, _ *RedisDemand) { a.info["maxmemory_policy"] = "allkeys-lru" }, "", OK, ""},
	{"its disk is full", func(a *answering, _ *RedisDemand) { a.info["aof_last_write_status"] = "err" }, "persistence", Bad, "is the disk full?"},
	{"only snapshots", func(a *answering, _ *RedisDemand) { a.info["aof_enabled"], a.config["save"] = "0", "3600 1" }, "persistence", Warn, "since the last snapshot"},
	{"a snapshot failed", func(a *answering, _ *RedisDemand) {
		a.info["aof_enabled"], a.config["save"], a.info["rdb_last_bgsave_status"] = "0", "3600 1", "err"
	}, "persistence", Bad, "is the disk full?"},
	{"a replica is not in sync", func(a *answering, _ *RedisDemand) {
		a.info["slave1"] = "ip=10.0.0.3,port=6379,state=wait_bgsave,offset=0,lag=0"
	}, "replicas", Warn, "1 of 2 in sync"},
	{"a master of a Redis Cluster has no replica", func(a *answering, d *RedisDemand) {
		a.info["redis_mode"], a.info["connected_slaves"], a.config["min-replicas-to-write"], d.Named = "cluster", "0", "0", 2
	}, "replicas", Warn, "--cluster-slave"},
	{"its clock is ahead", func(a *answering, _ *RedisDemand) { a.clock = 90 * time.Second }, "clock", Warn, "comparison of logs"},
	{"its clock is behind", func(a *answering, _ *RedisDemand) { a.clock = -2 * time.Hour }, "clock", Warn, "comparison of logs"},
	{"it does not tell the time", func(a *answering, _ *RedisDemand) { a.refused = map[string]error{"TIME": errors.New("NOPERM")} }, "clock", Warn, "NOPERM"},
	{"it is far away", func(a *answering, _ *RedisDemand) { a.latency = slowRoundTrip + time.Millisecond }, "round trip", Warn, "one network"},
	{"little memory", func(_ *answering, d *RedisDemand) { d.Channels = 10_000_000 }, "memory", Bad, "10,000,000 channels"},
	{"just enough memory", func(a *answering, d *RedisDemand) { a.info["maxmemory"] = fmt.Sprint(d.memory() * 11 / 10) }, "memory", Warn, "more memory"},
	{"CONFIG is forbidden", func(a *answering, _ *RedisDemand) { a.config = nil }, "", OK, ""},
}

// TestRedisFindings: the findings on a Redis that lacks exactly one thing.
func TestRedisFindings(t *testing.T) {
	for _, c := range lackingRedis {
		a, d := soundRedis, RedisDemand{Prefix: "ccomet:", Bus: 100_000, Channels: 1000, History: 10, MessageBytes: 100}
		a.info, a.config = maps.Clone(soundRedis.info), maps.Clone(soundRedis.config)
		c.change(&a, &d)
		list := CheckRedis(t.Context(), []RedisNode{{"10.0.0.1:6379", &a}}, nil, &d)
		hit := c.check == ""
		for _, f := range list {
			var b strings.Builder
			f.write(&b)
			switch {
			case f.Name != "Redis 10.0.0.1:6379: "+c.check:
				// A machine that is busy may be slow to answer.
				if f.Status != OK && !strings.HasSuffix(f.Name, "round trip") {
					t.Errorf("%s: %s", c.name, &b)
				}
			case f.Status != c.status, !strings.Contains(b.String(), c.says):
				t.Errorf("%s: %swant %v with %q", c.name, &b, c.status, c.says)
			default:
				hit = true
			}
		}
		if !hit {
			t.Errorf("%s: no finding on the %s", c.name, c.check)
		}
		if c.check != "version" && !slices.ContainsFunc(list, func(f Finding) bool {
			return strings.HasSuffix(f.Name, "round trip") && strings.Contains(f.Have, "median")
		}) {
			t.Errorf("%s: the round trip is not measured", c.name)
		}
	}
}
