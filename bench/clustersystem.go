package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"time"

	"ccomet/bench/proc"
	"ccomet/bench/target"
)

// system is a Redis and the servers that share channels over it. Messages are published at the first
// node, and subscribers wait at the second. No subscriber waits at the third.
type system struct {
	*contestant
	redis  *server
	nodes  []*server
	ask    *redisConn
	memory float64 // bytes of Redis for each channel with a subscriber, including what nodes exchange meanwhile
	keys   float64 // the same, in keys
}

// clusterNodes is the number of servers.
const clusterNodes = 3

// redisTarget is the target that starts Redis in the harness.
var redisTarget = &target.Target{Label: "Redis", Spawn: "redis-server --port {port} --bind 127.0.0.1 --dir {dir} --appendonly no"}

// startRedis starts a Redis that stores everything in memory only.
func startRedis(ctx context.Context) (*server, error) {
	s, err := newServer(redisTarget, "")
	if err != nil {
		return nil, err
	}
	s.admin = s.front
	return s, s.launch(ctx, "--save", "")
}

// startSystem starts a system. Without Redis it has only one server.
func (o *Options) startSystem(ctx context.Context, nodes int, withRedis bool) (s *system, err error) {
	transport, err := o.Target.Transport(o.Transport)
	if err != nil {
		return nil, err
	}
	if withRedis && o.Target.Cluster == (target.Cluster{}) {
		return nil, fmt.Errorf("%s: the target file does not say how several servers use one Redis", o.Target.Label)
	}
	s = &system{contestant: &contestant{
		run:       &run{Options: o, ctx: ctx, id: rand.Uint32(), transport: transport, started: time.Now()},
		transport: *transport, publish: o.Target.Publish, own: true,
	}}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	words := []string{"{cluster}", ""}
	command := o.spawned()
	if withRedis {
		if s.redis, err = startRedis(ctx); err != nil {
			return s, err
		}
		s.closers = append(s.closers, s.redis.close)
		if s.ask, err = dialRedis(s.redis.front); err != nil {
			return s, err
		}
		words = []string{"{cluster}", o.Target.Cluster.Config, "{redis}", s.redis.front}
		command += " " + o.Target.Cluster.Flags
	}
	for n := range nodes {
		node, err := newServer(o.Target, command, append(words, "{node}", fmt.Sprintf("node-%d", n+1))...)
		if err != nil {
			return s, err
		}
		if err := node.launch(ctx); err != nil {
			return s, errors.Join(err, node.remove())
		}
		s.closers = append(s.closers, node.close)
		s.nodes = append(s.nodes, node)
		if n > 1 {
			continue // nobody waits there, and a channel stays for some time after it was requested
		}
		if err := node.admits(ctx, transport); err != nil {
			return s, err
		}
	}
	s.server = s.nodes[0]
	s.admin, s.front, s.process = s.nodes[0].admin, s.nodes[min(1, nodes-1)].front, s.nodes[min(1, nodes-1)].Process
	return s, nil
}

// admits waits until a server accepts subscribers: it refuses them before it has reached Redis. A
// server with several workers reaches Redis with one after the other, so several subscribers try.
func (s *server) admits(ctx context.Context, t *target.Transport) error {
	const patience, moment, tries = 30 * time.Second, 100 * time.Millisecond, 16
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		refusals := make(chan error, tries)
		for range tries {
			go func() {
				status, err := s.tryToSubscribe(t)
				if err == nil && status >= 500 {
					err = fmt.Errorf("status %d", status)
				}
				refusals <- err
			}()
		}
		var refused error
		for range tries {
			if err := <-refusals; err != nil {
				refused = err
			}
		}
		if refused == nil {
			return nil
		}
		if err := sleep(ctx, moment); err != nil {
			return fmt.Errorf("the server takes no subscribers: %w: %s", errors.Join(refused, err), s.log)
		}
	}
}

// tryToSubscribe returns the status of a subscriber's response; 0 if there is none within a second, as
// for a poll.
func (s *server) tryToSubscribe(t *target.Transport) (status int, err error) {
	c, err := net.DialTimeout("tcp", s.front, time.Second)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Second))
	request := t.Request()
	if _, err := c.Write(request.Append(nil, &target.Vars{Channel: target.MaxChannel})); err != nil {
		return 0, err
	}
	var head [12]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return 0, nil
		}
		return 0, err
	}
	return strconv.Atoi(string(head[9:]))
}

// occupy opens a client at the third node, on a channel without messages.
func (s *system) occupy() error {
	c, err := net.DialTimeout("tcp", s.nodes[clusterNodes-1].front, 10*time.Second)
	if err != nil {
		return err
	}
	s.closers = append(s.closers, func() { c.Close() })
	request := s.transport.Request()
	_, err = c.Write(request.Append(nil, &target.Vars{Channel: target.MaxChannel}))
	return err
}

// wait opens subscribers with their own channels, and measures how much memory they take in Redis.
func (s *system) wait() error {
	before, err := s.ask.numberOf("memory", "used_memory_dataset")
	if err != nil {
		return err
	}
	keysBefore, err := s.ask.do("DBSIZE")
	if err != nil {
		return err
	}
	if err := s.subscribe(s.Connections); err != nil {
		return err
	}
	keysAfter, err := s.ask.do("DBSIZE")
	if err != nil {
		return err
	}
	after, err := s.ask.numberOf("memory", "used_memory_dataset")
	if err != nil {
		return err
	}
	most, _ := strconv.Atoi(keysAfter)
	least, _ := strconv.Atoi(keysBefore)
	s.keys = float64(max(most-least, 0)) / float64(s.Connections)
	s.memory = float64(max(after-before, 0)) / float64(s.Connections)
	s.meter.read = []func() (proc.CPU, error){s.working, s.harness, s.redis.CPU}
	return nil
}

// thirdPatience is the pause after the last of many messages until the third node is measured: a node
// without subscribers may read late.
const thirdPatience = time.Second

// turn runs a contestant's turn, and also returns the third node's processor time per message.
func (s *system) turn(l load) (t turn, third float64, err error) {
	before, err := s.nodes[clusterNodes-1].CPU()
	if err != nil {
		return t, 0, err
	}
	if t, err = s.contestant.turn(l); err != nil {
		return t, 0, err
	}
	if l.rate == 0 {
		if err = sleep(s.ctx, thirdPatience); err != nil {
			return t, 0, err
		}
	}
	after, err := s.nodes[clusterNodes-1].CPU()
	return t, micros(after.Sub(before).All, l.publishes), err
}

// working returns the processor time of the publishing node, the subscribers' node, and Redis.
func (s *system) working() (sum proc.CPU, err error) {
	for _, p := range []proc.Process{s.redis.Process, s.nodes[0].Process, s.nodes[1].Process} {
		c, err := p.CPU()
		if err != nil {
			return sum, err
		}
		sum = sum.Add(c)
	}
	return sum, nil
}

// comeBack ends the server of all subscribers, and starts it again. All subscribers reconnect at once,
// each with the number of its last message. It returns the time from when the server listens until all
// are back.
func (s *system) comeBack() (time.Duration, error) {
	at := s.nodes[len(s.nodes)-1]
	if len(s.nodes) > 1 {
		at = s.nodes[1]
	}
	if err := s.subscribers.expectNext(s.Connections); err != nil {
		return 0, err
	}
	if _, err := s.publisher.ask(s.ctx, "published", "publish %d", s.Connections); err != nil {
		return 0, err
	}
	if err := s.arrived(s.subscribers); err != nil {
		return 0, err
	}
	// All leave before the server ends, and none connects before it listens again. While no server accepts,
	// the kernel drops handshakes, and repeats them after seconds: that time would be measured.
	if err := s.subscribers.tell("leave"); err != nil {
		return 0, err
	}
	if _, _, err := s.subscribers.stats(s.ctx); err != nil { // all subscribers have executed the command
		return 0, err
	}
	at.kill()
	if err := at.launch(s.ctx); err != nil {
		return 0, err
	}
	began := time.Now()
	if err := s.subscribers.tell("return"); err != nil {
		return 0, err
	}
	if err := s.subscribers.back(s.ctx); err != nil {
		return 0, err
	}
	return time.Since(began), nil
}
