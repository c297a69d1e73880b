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

// Cluster is what can be set of a server that shares its channels with others, over Redis.
type Cluster struct {
	Redis           []string `placeholder:"URL"`
	RedisPrefix     string   `placeholder:"TEXT" default:"ccomet:"`
	Node            string   `placeholder:"NAME"`
	RedisTTL        Seconds  `name:"redis-ttl" placeholder:"S" default:"3600"`
	RedisBus        int      `placeholder:"N" default:"100000"`
	RedisPartitions int      `placeholder:"N" default:"0"`
	RedisQueue      int      `placeholder:"N" default:"50000"`
}

// MaxPartitions is into how many parts channels can be divided.
const MaxPartitions = 256

var (
	prefixForm = regexp.MustCompile(`^[!-z|~]{1,64}$`) // what is printed, but for braces: they say which keys belong together
	nodeForm   = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,64}$`)
)

// check tells of what cannot be.
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

// maxRedisTTL is how long the number of a channel is kept: its messages cannot be kept longer.
const maxRedisTTL = Seconds(7 * 24 * time.Hour)

// CheckRedis tells of what cannot be, of the settings that say where and how Redis is.
func (c *Cluster) CheckRedis() (bad []*Bad) {
	if len(c.Redis) > 0 {
		if _, err := redisurl.Parse(c.Redis); err != nil {
			bad = append(bad, &Bad{"redis", "cannot be used: " + oneLine(err)})
		}
	}
	if !prefixForm.MatchString(c.RedisPrefix) {
		bad = append(bad, &Bad{"redis-prefix", fmt.Sprintf("is %.100q: want 1 to 64 printed characters of ASCII, without blanks and braces", c.RedisPrefix)})
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

// HasRedisPassword says whether a URL has one, which others must not read.
func (c *Cluster) HasRedisPassword() bool {
	servers, err := redisurl.Parse(c.Redis)
	return err == nil && (servers.Password != "" || servers.SentinelPassword != "")
}

// NodeName is what other nodes know this one by: as it is set, or the name of the machine
// and the port of the first admin address, which tells nodes on one machine apart.
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
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 { // a free port, or a unix socket
		port = strconv.Itoa(os.Getpid())
	}
	return host + ":" + port
}
