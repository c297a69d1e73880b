package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"ccomet/bench/result"
	"ccomet/bench/target"
)

// clusterSoak is several nodes over a Redis with a replica and Sentinels, of which some are ended
// at random.
type clusterSoak struct {
	*run
	c         SoakConfig
	random    *rand.Rand
	faults    *faults
	judge     *clusterJudge
	nodes     []*server
	redis     [2]*server
	sentinels []*server
	clients   []*clusterClient
	client    *http.Client
	calm      atomic.Bool
	under     atomic.Int32 // publishes under way
	number    atomic.Uint64
	happened  map[string]int
}

const (
	soakClusterChannels = 12
	soakSentinels       = 3
	soakMaster          = "soak"
)

func (s *clusterSoak) channel(n int) string { return fmt.Sprintf("soak-%d", n) }

// SoakCluster has three nodes of this server share channels over a Redis with a replica and three
// Sentinels, and has nodes and Redis killed, stopped, frozen, cut off and failed over at random,
// while clients of every kind go from node to node and publishers publish at all. Every number
// that anybody is told of is held against all others.
func (o *Options) SoakCluster(ctx context.Context, c SoakConfig) (*result.Result, error) {
	if c.For <= 0 || c.Cycle <= 0 || c.Rate <= 0 || o.Connections < 10 {
		return nil, errors.New("the times and the rate of a soak must be above 0, and --conns 10 or more")
	}
	s := &clusterSoak{
		run: &run{Options: o, ctx: ctx, id: rand.Uint32(), started: time.Now()}, c: c,
		random: rand.New(rand.NewPCG(c.Seed, 1)), happened: map[string]int{},
		client: &http.Client{Timeout: 0, Transport: &http.Transport{MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Second}},
	}
	s.faults = &faults{began: s.started, tell: func(text string) { s.print("%s", text) }}
	s.judge = newClusterJudge(soakClusterChannels, s.faults)
	defer s.close()
	s.print("soak of a cluster for %v, seed %d", c.For, c.Seed)
	err := s.live()
	check, other, texts := s.faults.counts()
	s.print("what happened: %v", s.happened)
	if check.Failed() || other > 0 {
		err = errors.Join(err, &SoakError{Check: check, Other: other, Seed: c.Seed, Command: o.Command})
	} else if err == nil {
		s.print("no fault")
	}
	s.server = &server{command: o.spawned()}
	s.transport = &target.Transport{}
	res := s.result(result.KindSoak)
	check.Received = s.judge.delivered
	res.Soak = &result.Soak{Seed: c.Seed, Check: check, Other: other, Faults: texts}
	s.ended(res)
	return res, err
}

func (s *clusterSoak) live() error {
	if err := s.begin(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(s.ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	for i := range s.Connections {
		c := &clusterClient{soak: s, kind: [...]string{"stream", "sse", "sub"}[i%3], place: clusterPlace{channel: i % soakClusterChannels}}
		c.place.name = fmt.Sprintf("client %d (%s)", i, c.kind)
		s.clients = append(s.clients, c)
		running.Go(func() { c.run(ctx) })
	}
	const publishers = 4
	for range publishers {
		running.Go(func() { s.publish(ctx, s.c.Rate/publishers) })
	}
	s.print("%8s %10s %8s %8s %10s %8s  %s", "seconds", "published", "refused", "unknown", "delivered", "told", "happened")
	for end := time.Now().Add(s.c.For); time.Now().Before(end) && s.ctx.Err() == nil; {
		if err := s.cycle(min(s.c.Cycle, time.Until(end))); err != nil {
			return err
		}
	}
	return nil
}

// cycle has things happen for a while, and then sees that all is well.
func (s *clusterSoak) cycle(length time.Duration) error {
	until := time.Now().Add(length)
	var words []string
	for time.Now().Before(until) && s.ctx.Err() == nil {
		name, happens := s.draw()
		words = append(words, name)
		s.happened[name]++
		if s.c.Loud {
			s.print("%6.1f s: %s", time.Since(s.started).Seconds(), name)
		}
		if err := happens(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		_ = sleep(s.ctx, time.Duration(s.random.Int64N(int64(2*time.Second))))
	}
	err := s.settle()
	s.print("%8.1f %s  %s", time.Since(s.started).Seconds(), s.judge.line(), strings.Join(words, ", "))
	return err
}

// draw is what happens next.
func (s *clusterSoak) draw() (string, func() error) {
	node := s.nodes[s.random.IntN(len(s.nodes))]
	pause := time.Duration(s.random.Int64N(int64(2 * time.Second)))
	end := func(sig syscall.Signal) func() error {
		return func() error {
			_ = syscall.Kill(int(node.Process), sig)
			<-node.ended
			_ = sleep(s.ctx, pause)
			return node.launch(context.WithoutCancel(s.ctx))
		}
	}
	switch s.random.IntN(9) {
	case 0:
		return "node killed", end(syscall.SIGKILL)
	case 1:
		return "node stopped", end(syscall.SIGTERM)
	case 2:
		return "node frozen", func() error { return s.freeze(node, pause) }
	case 3:
		return "clients leave", func() error {
			for _, c := range s.clients {
				if leave := c.leave.Load(); leave != nil && s.random.IntN(2) == 0 {
					(*leave)()
				}
			}
			return nil
		}
	case 4:
		return "Redis cuts all", func() error { return s.tell(s.master(), "CLIENT", "KILL", "TYPE", "normal") }
	case 5:
		return "Redis is slow", func() error { return s.freeze(s.redis[s.master()], min(pause, 700*time.Millisecond)) }
	case 6:
		return "Redis starts empty", s.startEmpty
	case 7:
		return "failover with a lagging replica", func() error { return s.failOver(true) }
	}
	return "failover", func() error { return s.failOver(false) }
}

func (s *clusterSoak) freeze(what *server, pause time.Duration) error {
	_ = syscall.Kill(int(what.Process), syscall.SIGSTOP)
	_ = sleep(s.ctx, pause)
	return syscall.Kill(int(what.Process), syscall.SIGCONT)
}

// settle has everything come to rest: all nodes are ready, and every client has a message that is
// published then.
func (s *clusterSoak) settle() error {
	s.calm.Store(true)
	defer s.calm.Store(false)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), 2*hangTimeout)
	defer cancel()
	wait := func(what string, so func() bool) error {
		for !so() {
			if err := sleep(ctx, 50*time.Millisecond); err != nil {
				return fmt.Errorf("waited %v until %s", 2*hangTimeout, what)
			}
		}
		return nil
	}
	err := wait("all nodes were ready", func() bool {
		for _, n := range s.nodes {
			resp, err := s.client.Get("http://" + n.admin + "/readyz")
			if err != nil {
				return false
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				return false
			}
		}
		return s.under.Load() == 0
	})
	marks := make([]int32, soakClusterChannels)
	for channel := range marks {
		err = errors.Join(err, wait("a mark was published", func() bool {
			number, ok := s.publishOne(channel, channel%len(s.nodes))
			marks[channel] = number
			return ok
		}))
	}
	if err != nil {
		return err
	}
	err = wait("all clients had the mark", func() bool {
		for _, c := range s.clients {
			if c.at.Load() <= marks[c.place.channel] {
				return false
			}
		}
		return true
	})
	for _, c := range s.clients {
		if at := c.at.Load(); err != nil && at <= marks[c.place.channel] {
			s.faults.lost(1, "%s of channel %d stands at %d, and %d was published", c.place.name, c.place.channel, at, marks[c.place.channel])
		}
	}
	s.judge.setHarmed(false)
	return err
}

// begin starts everything.
func (s *clusterSoak) begin() error {
	for i := range s.redis {
		r, err := newServer(redisTarget, "")
		if err != nil {
			return err
		}
		r.admin = r.front
		s.redis[i] = r
		s.closers = append(s.closers, r.close)
		if err := s.launchRedis(i, 0); err != nil {
			return err
		}
	}
	var addresses []string
	for range soakSentinels {
		r, err := newServer(redisTarget, "redis-sentinel {dir}/sentinel.conf")
		if err != nil {
			return err
		}
		r.admin = r.front
		_, port, _ := strings.Cut(r.front, ":")
		text := fmt.Sprintf("port %s\nbind 127.0.0.1\nsentinel monitor %s %s 2\nsentinel down-after-milliseconds %s 1000\nsentinel failover-timeout %s 3000\nsentinel parallel-syncs %s 1\n",
			port, soakMaster, strings.ReplaceAll(s.redis[0].front, ":", " "), soakMaster, soakMaster, soakMaster)
		if err := os.WriteFile(filepath.Join(r.dir, "sentinel.conf"), []byte(text), 0o600); err != nil {
			return err
		}
		if err := r.launch(s.ctx); err != nil {
			return err
		}
		s.closers = append(s.closers, r.close)
		s.sentinels, addresses = append(s.sentinels, r), append(addresses, r.front)
	}
	command := s.spawned() + " --redis redis-sentinel://" + strings.Join(addresses, ",") + "/" + soakMaster +
		" --node {node} --channel-buffer-size 1000 --polling-timeout 5 --drain-time 0.5 --channel-timeout 10"
	for i := range clusterNodes {
		n, err := newServer(s.Target, command, "{node}", fmt.Sprintf("node-%d", i+1))
		if err != nil {
			return err
		}
		if err := n.launch(s.ctx); err != nil {
			return err
		}
		s.closers = append(s.closers, n.close)
		s.nodes = append(s.nodes, n)
	}
	return nil
}
