package settings

import (
	"fmt"
	"net"
	"os"
	"regexp"
	"strconv"
	"time"

	"ccomet/comet/cluster/redisurl"
)

// Cluster are the settings of a server that shares its channels with others over Redis.
type Cluster struct {
	Redis           []string `placeholder:"URL"`
	RedisPrefix     string   `placeholder:"TEXT" default:"ccomet:"`
	Node            string   `placeholder:"NAME"`
	RedisTTL        Seconds  `name:"redis-ttl" placeholder:"S" default:"3600"`
	RedisBus        int      `placeholder:"N" default:"100000"`
	RedisPartitions int      `placeholder:"N" default:"0"`
	RedisQueue      int      `placeholder:"N" default:"50000"`
}

// maxPartitions is the maximum number of partitions.
const MaxPartitions = 256

var (
	prefixForm = regexp.MustCompile(`^[!-z|~]{1,64}$`) // printable ASCII without braces, which select the hash slot in Redis
	nodeForm   = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,64}$`)
)

// check returns the invalid settings.
func (c *Cluster) check() []*Bad {
	bad := c.CheckRedis()
	if c.Node != "" && !nodeForm.MatchString(c.Node) {
		bad = append(bad, &Bad{"node", fmt.Sprintf("is %.100q: want 1 to 64 letters, digits, dots, colons, dashes and underscores", c.Node)})
	}
	if c.RedisTTL < Seconds(time.Second) || c.RedisTTL > maxRedisTTL {
		bad = append(bad, &Bad{"redis-ttl", fmt.Sprintf("is %v: want 1s to %v", c.RedisTTL, maxRedisTTL)})
	}
	if c.RedisQueue < 1 || c.RedisQueue > 1<<20 {
		bad = append(bad, &Bad{"redis-queue", fmt.Sprintf("is %d: want 1 to %d", c.RedisQueue, 1<<20)})
	}
	return bad
}

// maxRedisTTL is the longest time for which the number of a channel is kept, and therefore
// its messages.
const maxRedisTTL = Seconds(7 * 24 * time.Hour)

// CheckRedis returns the invalid settings among those about the Redis servers.
func (c *Cluster) CheckRedis() (bad []*Bad) {
	if len(c.Redis) > 0 {
		if _, err := redisurl.Parse(c.Redis); err != nil {
			bad = append(bad, &Bad{"redis", "cannot be used: " + oneLine(err)})
		}
	}
	if !prefixForm.MatchString(c.RedisPrefix) {
		bad = append(bad, &Bad{"redis-prefix", fmt.Sprintf("is %.100q: want 1 to 64 printable ASCII characters without spaces and braces", c.RedisPrefix)})
	}
	for _, n := range []struct {
		name             string
		value, low, high int
	}{
		{"redis-bus", c.RedisBus, 10, MaxCount},
		{"redis-partitions", c.RedisPartitions, 0, MaxPartitions},
	} {
		if n.value < n.low || n.value > n.high {
			bad = append(bad, &Bad{n.name, fmt.Sprintf("is %d: want %d to %d", n.value, n.low, n.high)})
		}
	}
	return bad
}

// HasRedisPassword reports whether a URL contains a password, so that the file must not be
// readable by others.
func (c *Cluster) HasRedisPassword() bool {
	servers, err := redisurl.Parse(c.Redis)
	return err == nil && (servers.Password != "" || servers.SentinelPassword != "")
}

// NodeName returns the name of this node: the setting or, by default, the machine's name
// and the port of the first admin address, which distinguishes nodes on one machine.
func (s *Settings) NodeName() string {
	if s.Node != "" {
		return s.Node
	}
	host, err := os.Hostname()
	if err != nil || !nodeForm.MatchString(host) || len(host) > 50 {
		host = "node"
	}
	port := ""
	if len(s.Admin) > 0 {
		_, port, _ = net.SplitHostPort(s.Admin[0])
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 { // an arbitrary port, or a unix socket
		port = strconv.Itoa(os.Getpid())
	}
	return host + ":" + port
}
