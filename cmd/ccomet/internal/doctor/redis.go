package doctor

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The checks of a Redis over which several servers share channels.

// RedisServer is a connection to one Redis server.
type RedisServer interface {
	// Do executes a command. The answer is an int64, a string, a []any, a map[string]any or
	// nil.
	Do(ctx context.Context, args ...string) (any, error)
}

// RedisNode is a Redis server with its address.
type RedisNode struct {
	Address string
	RedisServer
}

// RedisDemand describes what Redis must hold.
type RedisDemand struct {
	URL        string // for output: without the password
	Prefix     string
	Partitions int // 0: as configured in Redis
	Bus        int // publishes that the bus keeps for nodes that were away

	Channels, History, MessageBytes int64 // channels with stored messages, messages in each, bytes of each

	Sentinel string // name of the master that Sentinels know, or ""
	Named    int    // number of addresses in the URLs
}

// redisCheck is the check of one server.
type redisCheck struct {
	RedisNode
	ctx    context.Context
	demand *RedisDemand
	info   map[string]string
	list   []Finding
}

// CheckRedis checks the Redis servers and the Sentinels.
func CheckRedis(ctx context.Context, servers, sentinels []RedisNode, d *RedisDemand) []Finding {
	var list []Finding
	masters := int64(0)
	var checks []*redisCheck
	for _, s := range servers {
		e := &redisCheck{RedisNode: s, ctx: ctx, demand: d}
		if err := e.readInfo(); err != nil {
			list = append(list, Finding{Name: "Redis " + s.Address, Status: Bad, Have: err.Error(), Why: "its state cannot be read"})
			continue
		}
		if e.info["role"] == "master" {
			masters++
		}
		checks = append(checks, e)
	}
	clustered := false
	for _, e := range checks {
		cluster := e.info["redis_mode"] == "cluster"
		clustered = clustered || cluster
		if cluster && e.info["role"] != "master" {
			continue // a replica of a Cluster is checked with its master
		}
		e.examine(masters)
		list = append(list, e.list...)
	}
	if clustered {
		list = append(list, checkRedisCluster(ctx, checks[0], d, masters))
	}
	if d.Sentinel != "" {
		list = append(list, checkSentinels(ctx, sentinels, d)...)
	}
	return list
}

// Unreachable returns the finding if Redis cannot be reached at all.
func Unreachable(url string, err error) Finding {
	f := Finding{Name: "Redis " + url, Status: Bad, Have: err.Error(), Why: "no message can be published without it; waiting clients keep waiting"}
	switch text := err.Error(); {
	case strings.Contains(text, "WRONGPASS") || strings.Contains(text, "NOAUTH") || strings.Contains(text, "invalid password"):
		f.Why = "Redis does not accept the user and password of the URL, or requires them"
	case strings.Contains(text, "refused"):
		f.Why += ". Does it run, and listen at that address (bind, port)?"
	case strings.HasPrefix(url, "rediss") && strings.Contains(text, "deadline"), strings.Contains(text, "first record does not look like a TLS") || strings.Contains(text, "tls:") || strings.Contains(text, "x509"):
		f.Why = "the port does not use TLS, or the certificate is of an unknown authority (?ca=FILE) or for another name (?servername=NAME)"
	case strings.Contains(text, "reset by peer") || strings.Contains(text, "EOF"):
		f.Why = "Redis closes the connection immediately: it may use TLS (rediss), or require a client certificate (?cert=FILE&key=FILE)"
	case strings.Contains(text, "deadline"):
		f.Why += ". There is no answer: a firewall drops the packets, or it is very busy"
	case strings.Contains(text, "DENIED"):
		f.Why = "Redis without a password accepts connections from its own machine only"
		f.Fixes = []fix{{File: "redis.conf", Lines: []string{"requirepass PASSWORD"}}}
	}
	return f
}

func (e *redisCheck) readInfo() error {
	e.info = map[string]string{}
	for _, section := range []string{"server", "memory", "persistence", "replication", "clients"} {
		answer, err := e.Do(e.ctx, "INFO", section)
		if err != nil {
			return fmt.Errorf("INFO: %w", err)
		}
		text, _ := answer.(string)
		for _, line := range strings.Split(text, "\n") {
			if key, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
				e.info[key] = value
			}
		}
	}
	return nil
}

// number returns a number of INFO, or 0 if it is missing.
func (e *redisCheck) number(key string) int64 {
	n, _ := strconv.ParseInt(e.info[key], 10, 64)
	return n
}

// config returns a setting, or "" if reading it is forbidden, as in managed Redis services.
func (e *redisCheck) config(name string) string {
	switch answer, _ := e.Do(e.ctx, "CONFIG", "GET", name); answer := answer.(type) {
	case map[string]any:
		text, _ := answer[name].(string)
		return text
	case []any:
		if len(answer) == 2 {
			text, _ := answer[1].(string)
			return text
		}
	}
	return ""
}

func (e *redisCheck) found(f Finding) {
	f.Name = "Redis " + e.Address + ": " + f.Name
	e.list = append(e.list, f)
}

// redisConf returns the fix for settings of Redis.
func (e *redisCheck) redisConf(lines ...string) []fix {
	x := fix{File: "redis.conf", Lines: lines}
	host, port := e.Address, ""
	if at := strings.LastIndexByte(e.Address, ':'); at > 0 {
		host, port = e.Address[:at], " -p "+e.Address[at+1:]
	}
	commands := make([]string, len(lines))
	for i, line := range lines {
		commands[i] = "redis-cli -h " + strings.Trim(host, "[]") + port + " config set " + line
	}
	x.Now = strings.Join(commands, "; ")
	return []fix{x}
}

func (e *redisCheck) examine(masters int64) {
	if !e.checkVersion() {
		return
	}
	if e.info["role"] != "master" {
		e.found(Finding{
			Name: "role", Status: Bad, Have: "a replica of " + e.info["master_host"] + ":" + e.info["master_port"], Want: "a master",
			Why: "a replica accepts no publishes", Fixes: []fix{{File: "--redis", Lines: []string{"the master's address, or redis-sentinel:// with the addresses of Sentinels, which know it"}}},
		})
		return
	}
	e.checkCommands()
	e.checkEviction()
	e.checkPersistence()
	e.checkReplicas()
	e.checkClock()
	e.checkLatency()
	if e.demand.Channels > 0 {
		e.checkMemory(masters)
	}
	e.checkPrefix()
}

// checkVersion returns false if Redis is too old for the other checks.
func (e *redisCheck) checkVersion() bool {
	f := Finding{Name: "version", Have: "Redis " + e.info["redis_version"], Want: "7.0 or later, or Valkey"}
	if v := e.info["valkey_version"]; v != "" {
		f.Have = "Valkey " + v
	}
	major, _, _ := strings.Cut(e.info["redis_version"], ".")
	if n, err := strconv.Atoi(major); err != nil || n < 7 {
		f.Status, f.Why = Bad, "before 7.0 a replica has its master's scripts, and could give a number twice after a failover"
		f.Fixes = []fix{{Lines: []string{"a newer Redis: https://redis.io/docs/latest/operate/oss_and_stack/install/"}}}
	}
	e.found(f)
	return f.Status == OK
}

// checkCommands tries the commands that nodes use, on a key that expires after a second.
func (e *redisCheck) checkCommands() {
	const script = `redis.call('SET', KEYS[1], '1', 'PX', 1000) redis.call('DEL', KEYS[1]) redis.call('INFO', 'server')
redis.call('XADD', KEYS[1], 'MAXLEN', '~', 1, '*', 'a', 'b') redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1) redis.call('DEL', KEYS[1])
redis.call('RPUSH', KEYS[1], 'a') redis.call('LTRIM', KEYS[1], -1, -1) redis.call('LRANGE', KEYS[1], 0, -1) redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'a', 'b') redis.call('HMGET', KEYS[1], 'a') redis.call('EXPIRE', KEYS[1], 1) redis.call('DEL', KEYS[1]) return 'ok'`
	f := Finding{Name: "commands", Have: "may be executed"}
	if _, err := e.Do(e.ctx, "EVAL", script, "1", e.demand.Prefix+"{doctor}"); err != nil && !strings.HasPrefix(err.Error(), "MOVED") {
		f.Status, f.Have, f.Why = Bad, err.Error(), "nodes publish by scripts, on keys that begin with "+e.demand.Prefix
		if strings.Contains(err.Error(), "NOPERM") {
			f.Fixes = []fix{{File: "users.acl, or redis.conf", Lines: []string{"user NAME on >PASSWORD ~" + e.demand.Prefix + "* +@all -@dangerous +info +config|get"}}}
		}
	}
	e.found(f)
}

// checkEviction checks that Redis does not evict keys, which contain the channels' numbers.
func (e *redisCheck) checkEviction() {
	limit, policy := e.number("maxmemory"), e.info["maxmemory_policy"]
	f := Finding{Name: "maxmemory-policy", Have: policy, Want: "noeviction"}
	switch {
	case policy == "noeviction":
	case limit == 0:
		f.Have += ", and no maxmemory, so nothing is dropped"
	default:
		f.Status, f.Have = Bad, f.Have+" at "+mebibytes(limit)
		f.Why = "when the memory is full, Redis silently deletes numbers and messages of channels; with noeviction it refuses publishes instead (503)"
		f.Fixes = e.redisConf("maxmemory-policy noeviction")
	}
	e.found(f)
}

func (e *redisCheck) checkPersistence() {
	f := Finding{Name: "persistence", Want: "appendonly yes, appendfsync everysec"}
	fsync, save := e.config("appendfsync"), e.config("save")
	switch {
	case e.info["aof_enabled"] == "1" && e.info["aof_last_write_status"] != "ok":
		f.Status, f.Have, f.Why = Bad, "the last write of the append-only file failed", "Redis then refuses writes, and publishes are answered 503: is the disk full?"
	case e.info["aof_enabled"] == "1" && fsync == "no":
		f.Status, f.Have = Warn, "appendfsync no"
		f.Why = "after a crash of the machine, messages of about half a minute are lost; clients are told, and no number is given twice"
		f.Fixes = e.redisConf("appendfsync everysec")
	case e.info["aof_enabled"] == "1" && fsync == "always":
		f.Have = "appendfsync always: no acknowledged message is lost, and each waits for the disk"
	case e.info["aof_enabled"] == "1":
		f.Have = "appendfsync everysec: after a crash of the machine, messages of a second are lost, and clients are told"
	case save != "" || e.number("rdb_last_save_time") > 0 && e.config("dir") == "":
		f.Status, f.Have = Warn, "only snapshots (save "+save+")"
		f.Why = "after a crash, messages since the last snapshot are lost; clients are told, and no number is given twice"
		f.Fixes = e.redisConf("appendonly yes", "appendfsync everysec")
		if e.info["rdb_last_bgsave_status"] != "ok" && e.config("stop-writes-on-bgsave-error") == "yes" {
			f.Status, f.Have, f.Why = Bad, "the last snapshot failed", "Redis then refuses writes, and publishes are answered 503: is the disk full?"
		}
	default:
		f.Status, f.Have = Warn, "none"
		f.Why = "after a restart of Redis, all messages are lost; clients are told, and no number is given twice while a node is running"
		f.Fixes = e.redisConf("appendonly yes", "appendfsync everysec")
	}
	e.found(f)
}

func (e *redisCheck) checkReplicas() {
	replicas, want := e.number("connected_slaves"), e.config("min-replicas-to-write")
	good := int64(0)
	for i := range replicas {
		if strings.Contains(e.info["slave"+strconv.FormatInt(i, 10)], "state=online") {
			good++
		}
	}
	f := Finding{Name: "replicas", Have: fmt.Sprintf("%d of %d in sync, min-replicas-to-write %s", good, replicas, orUnknown(want)), Want: "1 or more, min-replicas-to-write 1"}
	minimum, err := strconv.ParseInt(want, 10, 64)
	switch {
	case err == nil && minimum > good:
		f.Status, f.Why = Bad, "Redis refuses writes, and publishes are answered 503, until that many replicas are in sync"
	case replicas == 0:
		f.Status, f.Why = Warn, "nothing can be published while this server is down, and no other can take over"
		f.Fixes = []fix{{File: "redis.conf of another server, together with Sentinels", Lines: []string{"replicaof " + strings.ReplaceAll(e.Address, ":", " ")}}}
		if e.info["redis_mode"] == "cluster" {
			f.Fixes = []fix{{Now: "redis-cli --cluster add-node HOST:PORT " + e.Address + " --cluster-slave"}}
		}
	case good < replicas:
		f.Status, f.Why = Warn, "a replica that is not in sync lacks the last messages if it takes over"
	case err == nil && minimum == 0:
		f.Status, f.Why = Warn, "a master that is cut off from its replicas keeps accepting messages, which are lost when a replica takes over"
		f.Fixes = e.redisConf("min-replicas-to-write 1", "min-replicas-max-lag 10")
	}
	e.found(f)
}

func orUnknown(text string) string {
	if text == "" {
		return "unknown"
	}
	return text
}

func (e *redisCheck) checkClock() {
	f := Finding{Name: "clock", Want: "less than a second"}
	before := time.Now()
	answer, err := e.Do(e.ctx, "TIME")
	middle := before.Add(time.Since(before) / 2)
	parts, _ := answer.([]any)
	if err != nil || len(parts) != 2 {
		f.Status, f.Have = Warn, fmt.Sprintf("TIME is answered %v, %v", answer, err)
		e.found(f)
		return
	}
	s, _ := strconv.ParseInt(fmt.Sprint(parts[0]), 10, 64)
	us, _ := strconv.ParseInt(fmt.Sprint(parts[1]), 10, 64)
	off := time.Unix(s, us*1000).Sub(middle)
	f.Have = off.Round(time.Millisecond).String() + " ahead of this machine"
	if off.Abs() >= time.Second {
		f.Status, f.Why = Warn, "metrics of the bus' delay are wrong by this difference, and so is a comparison of logs"
		f.Fixes = []fix{{Lines: []string{"chrony or systemd-timesyncd, on this machine and on that of Redis"}}}
	}
	e.found(f)
}

// Limits of a round trip. A publish takes one.
const (
	slowRoundTrip     = 5 * time.Millisecond
	hopelessRoundTrip = 200 * time.Millisecond
	roundTrips        = 50
)

func (e *redisCheck) checkLatency() {
	f := Finding{Name: "round trip", Want: "less than " + slowRoundTrip.String()}
	var times []time.Duration
	for range roundTrips {
		begin := time.Now()
		if _, err := e.Do(e.ctx, "PING"); err != nil {
			f.Status, f.Have = Bad, err.Error()
			e.found(f)
			return
		}
		times = append(times, time.Since(begin))
	}
	slices.Sort(times)
	median, longest := times[len(times)/2], times[len(times)-1]
	f.Have = fmt.Sprintf("median %v, longest %v of %d", median.Round(time.Microsecond), longest.Round(time.Microsecond), roundTrips)
	switch {
	case median > hopelessRoundTrip:
		f.Status, f.Why = Bad, "a publisher waits for one round trip, and a subscriber at another node for half of one more; the number of waiting publishes is limited by --redis-queue"
	case median > slowRoundTrip:
		f.Status, f.Why = Warn, "a publisher waits for one round trip, and a subscriber at another node for half of one more"
	}
	if f.Status != OK {
		f.Fixes = []fix{{Lines: []string{"place nodes and Redis in one network"}}}
	}
	e.found(f)
}
