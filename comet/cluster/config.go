package cluster

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/rs/zerolog"

	"ccomet/comet/cluster/redisurl"
)

// Config says which Redis to use, and how. Zero fields take the defaults that are named.
type Config struct {
	// Redis is the address of Redis.
	Redis redisurl.Servers
	// Prefix is the prefix of all keys. Servers with the same prefix are nodes of one
	// cluster. Default "ccomet:".
	Prefix string
	// Node is this server's name, which must be unique among the nodes: up to 64 letters,
	// digits and ._:- . Default the host's name.
	Node string
	// Version is this server's version, which the other nodes are told. Default "dev".
	Version string
	// Partitions is the number of partitions of the channels, 1 to 256. It is stored in
	// Redis, and a node with another number does not start. Default the stored number, or
	// else 16 for a Redis Cluster and 1 otherwise.
	Partitions int
	// Bus is about how many messages the bus of a partition keeps for nodes that are
	// behind, and BusBytes about how many bytes. Defaults 100,000 and 64 MiB.
	Bus, BusBytes int
	// Queue and QueueBytes bound the messages that wait for a number, and their bytes.
	// Further ones are refused at once. Defaults 50,000 and 64 MiB.
	Queue, QueueBytes int
	// TTL is how long Redis keeps the messages of a channel after the last one. Default
	// an hour.
	TTL time.Duration
	// History is how many messages Redis keeps of a channel, 0 for none. HistoryBytes
	// bounds how much of them a node reads.
	History, HistoryBytes int
	// Wait is how long a message may wait for its number before it is refused. Default 2
	// s.
	Wait time.Duration
	// Leases says that the leases of channels are needed, which is so if clients need
	// tokens.
	Leases bool
	// State is the state of the program that handed over to this one (Log.Suspend).
	// Default none.
	State []byte
	// Log is the logger. The zero Logger logs nothing.
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

// fill sets the defaults, and returns an error for values that are out of bounds.
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
