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
	"syscall"
	"time"

	"ccomet/bench/proc"
	"ccomet/bench/target"
)

// system is a Redis and the servers that share channels over it: messages are published at the
// first, and subscribers wait at the second. Nobody is at the third.
type system struct {
	*contestant
	redis  *server
	nodes  []*server
	ask    *redisConn
	memory float64 // bytes of Redis, for each channel that waits; what nodes tell each other meanwhile is in it
	keys   float64 // and keys
}

// clusterNodes is how many servers there are.
const clusterNodes = 3

// redisTarget is Redis, as a server of the harness.
var redisTarget = &target.Target{Label: "Redis", Spawn: "redis-server --port {port} --bind 127.0.0.1 --dir {dir} --appendonly no"}

// startRedis starts one that keeps all in memory.
func startRedis(ctx context.Context) (*server, error) {
	s, err := newServer(redisTarget, "")
	if err != nil {
		return nil, err
	}
	s.admin = s.front
	return s, s.launch(ctx, "--save", "")
}

// startSystem starts them, and has subscribers wait. Without Redis there is one server alone.
func (o *Options) startSystem(ctx context.Context, nodes int, withRedis bool) (s *system, err error) {
	transport, err := o.Target.Transport(o.Transport)
	if err != nil {
		return nil, err
	}
	if withRedis && o.Target.Cluster == (target.Cluster{}) {
		return nil, fmt.Errorf("%s: its target does not say how several of it use one Redis", o.Target.Label)
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
			continue // nobody waits there, and a channel that was asked for lives on for some time
		}
		if err := node.admits(ctx, transport); err != nil {
			return s, err
		}
	}
	s.server = s.nodes[0]
	s.admin, s.front, s.process = s.nodes[0].admin, s.nodes[min(1, nodes-1)].front, s.nodes[min(1, nodes-1)].Process
	return s, nil
}

// admits waits until a server takes subscribers: one that has not reached Redis yet refuses them.
func (s *server) admits(ctx context.Context, t *target.Transport) error {
	const patience, moment = 10 * time.Second, 100 * time.Millisecond
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		status, err := s.tryToSubscribe(t)
		if err == nil && status < 500 {
			return nil
		}
		if failed := sleep(ctx, moment); failed != nil {
			return fmt.Errorf("the server takes no subscribers: status %d, %w: %s", status, errors.Join(err, failed), s.log)
		}
	}
}

// tryToSubscribe is the status that a subscriber is answered with; 0 for none within a second,
// as of a poll.
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

// occupy has a client wait at the third node, on a channel that nothing is published to.
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

// wait has subscribers of channels of their own wait, and sees what that takes of Redis.
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

// thirdPatience is how long after the last of many messages at once the third node is looked at:
// one that nobody waits at may read late.
const thirdPatience = time.Second

// turn is a contestant's, and the processor time of the third node for each message.
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

// working is what the nodes that take part use, and Redis.
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

// comeBack ends the server at which all subscribers are, and starts it again: they all come back
// at once, each with the number of the message that it has had before. It returns how long that
// took from when the server listens.
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
	// First it stops where it is, so that all have left it before it ends: one whose server ends
	// before that does not come back.
	_ = syscall.Kill(-int(at.Process), syscall.SIGSTOP)
	if err := s.subscribers.tell("cut"); err != nil {
		return 0, err
	}
	if _, _, err := s.subscribers.stats(s.ctx); err != nil { // they have heard it
		return 0, err
	}
	at.kill()
	if err := at.launch(s.ctx); err != nil {
		return 0, err
	}
	began := time.Now()
	if err := s.subscribers.back(s.ctx); err != nil {
		return 0, err
	}
	return time.Since(began), nil
}
