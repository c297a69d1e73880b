package cluster

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/rs/zerolog"

	"ccomet/comet/cluster/redisurl"
)

// Config says which Redis, and how. Zero fields take the default that is named.
type Config struct {
	// Redis is where it is.
	Redis redisurl.Servers
	// Prefix begins the names of all keys. Servers with the same are nodes of one cluster. Default
	// "ccomet:".
	Prefix string
	// Node is this server's name, of which no other node has the same: up to 64 letters, digits and
	// ._:- . Default the host's name.
	Node string
	// Version is what other nodes are told of this one's. Default "dev".
	Version string
	// Partitions is how many parts the channels are hashed to, 1 to 256: it stands in Redis, and a
	// node that wants another does not start. Default what stands there, else 16 for a Redis Cluster
	// and 1 for others.
	Partitions int
	// Bus is about how many messages the bus of a partition keeps for nodes that are behind,
	// BusBytes about how many bytes. Default 100,000 and 64 MiB.
	Bus, BusBytes int
	// Queue and QueueBytes bound what waits to be numbered, in messages and bytes; more is refused
	// at once. Default 50,000 and 64 MiB.
	Queue, QueueBytes int
	// TTL is how long Redis keeps the messages of a channel after its last. Default an hour.
	TTL time.Duration
	// History is how many messages Redis keeps of a channel, 0 for none; HistoryBytes bounds what a
	// node takes of them.
	History, HistoryBytes int
	// Wait is how long a message may wait to be numbered before it is refused. Default 2 s.
	Wait time.Duration
	// Leases has the leases of channels looked for, which access by tokens needs.
	Leases bool
	// State is where a node that was handed over goes on from (Log.Pause). Default none.
	State []byte
	// Log takes what is to be told of Redis. The zero Logger is silent.
	Log zerolog.Logger
}

func orDefault[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// maxPartitions bounds the partitions: a node has two goroutines for each.
const maxPartitions = 256

// longestNode is the longest name of a node.
const longestNode = 64

// fill sets the defaults, and refuses what makes no sense.
func (c *Config) fill() error {
	orDefault(&c.Prefix, "ccomet:")
	if c.Node == "" {
		c.Node, _ = os.Hostname()
	}
	orDefault(&c.Version, "dev")
	orDefault(&c.Bus, 100_000)
	orDefault(&c.BusBytes, 64<<20)
	orDefault(&c.Queue, 50_000)
	orDefault(&c.QueueBytes, 64<<20)
	orDefault(&c.TTL, time.Hour)
	orDefault(&c.HistoryBytes, 1<<20)
	orDefault(&c.Wait, 2*time.Second)
	var errs []error
	if len(c.Redis.Addresses) == 0 {
		errs = append(errs, errors.New("redis: no address"))
	}
	if !isNode(c.Node) {
		errs = append(errs, fmt.Errorf("node %q: want up to %d letters, digits and ._:-", c.Node, longestNode))
	}
	if c.Partitions < 0 || c.Partitions > maxPartitions {
		errs = append(errs, fmt.Errorf("redis partitions is %d: 1 to %d", c.Partitions, maxPartitions))
	}
	for _, brace := range c.Prefix {
		if brace == '{' || brace == '}' {
			errs = append(errs, fmt.Errorf("redis prefix %q: braces would name the slot of a Redis Cluster", c.Prefix))
			break
		}
	}
	for _, bound := range []struct {
		name string
		v    int
	}{{"redis bus", c.Bus}, {"redis bus bytes", c.BusBytes}, {"redis queue", c.Queue}, {"redis queue bytes", c.QueueBytes}, {"redis history bytes", c.HistoryBytes}} {
		if bound.v < 1 {
			errs = append(errs, fmt.Errorf("%s is %d: at least 1", bound.name, bound.v))
		}
	}
	if c.TTL < time.Second || c.TTL > numberTTL {
		errs = append(errs, fmt.Errorf("redis ttl is %v: 1s to %v", c.TTL, numberTTL))
	}
	c.History = max(c.History, 0)
	return errors.Join(errs...)
}

// numberTTL is how long the number of a channel is kept after its last message.
const numberTTL = 7 * 24 * time.Hour

func isNode(name string) bool {
	for i := range len(name) {
		if c := name[i] | 0x20; (c < 'a' || c > 'z') && (name[i] < '0' || name[i] > '9') && name[i] != '.' && name[i] != '_' && name[i] != ':' && name[i] != '-' {
			return false
		}
	}
	return name != "" && len(name) <= longestNode
}
