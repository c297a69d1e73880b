package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"ccomet/bench/result"
	"ccomet/bench/target"
)

// clusterSoak is a soak of several nodes over a Redis with a replica and Sentinels. Servers are killed,
// stopped or frozen at random.
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
	under     atomic.Int32 // unanswered publishes
	number    atomic.Uint64
	happened  map[string]int
}

const (
	soakClusterChannels = 12
	soakClosable        = 2 // channels that are cleared and closed from time to time
	soakSentinels       = 3
	soakMaster          = "soak"
	soakPublishers      = 6
)

func (s *clusterSoak) channel(n int) string { return fmt.Sprintf("soak-%d", n) }

// SoakCluster tests three nodes of this server that share channels over a Redis with a replica and
// three Sentinels. At random, nodes and Redis are killed, stopped, frozen, upgraded, cut off or failed
// over. Meanwhile clients of every kind move from node to node, and publishers publish at all nodes in
// every way. All numbers that clients and publishers receive are compared with each other.
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
	for channel := range soakClosable {
		s.judge.channels[channel].closable = true
	}
	defer s.close()
	s.print("soak of a cluster for %v, seed %d", c.For, c.Seed)
	err := s.live()
	check, other, texts := s.faults.counts()
	s.summarize(&check, other)
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

// summarize prints a summary in sentences.
func (s *clusterSoak) summarize(check *result.Check, other int64) {
	s.judge.mu.Lock()
	j := s.judge.clusterCounts
	s.judge.mu.Unlock()
	s.print("In %.0f s %d messages were published and acknowledged; %d publishes were refused with 503, %d got no answer, and %d with a key were sent again.",
		time.Since(s.started).Seconds(), j.published, j.refused, j.unknown, j.repeated)
	s.print("%d messages were delivered to %d clients. Clients were told of %d that were gone, and %d with a key were numbered again: Redis had lost them.",
		j.delivered, len(s.clients), j.told, j.again)
	var events []string
	for _, name := range slices.Sorted(maps.Keys(s.happened)) {
		events = append(events, fmt.Sprintf("%d × %s", s.happened[name], name))
	}
	s.print("Events: %s. The Sentinels failed over %d times by themselves.", strings.Join(events, ", "), j.failovers)
	s.print("Lost without a word: %d; doubled: %d; out of order: %d; damaged: %d; other faults: %d.", check.Lost, check.Doubled, check.Disordered, check.Damaged, other)
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
		c := s.newClient(i)
		s.clients = append(s.clients, c)
		running.Go(func() { c.run(ctx) })
	}
	if err := s.judge.begun(ctx); err != nil { // before that, a broadcast gets a number in no channel
		return err
	}
	for range soakPublishers {
		running.Go(func() { s.publish(ctx, s.c.Rate/soakPublishers) })
	}
	s.print("%8s %s  %s", "seconds", clusterLine, "happened")
	for end := time.Now().Add(s.c.For); time.Now().Before(end) && s.ctx.Err() == nil; {
		if err := s.cycle(min(s.c.Cycle, time.Until(end))); err != nil {
			return err
		}
	}
	return nil
}

// cycle causes events for some time, some of them at once, and then checks that all clients catch up.
func (s *clusterSoak) cycle(length time.Duration) error {
	until := time.Now().Add(length)
	var words []string
	for time.Now().Before(until) && s.ctx.Err() == nil {
		events := []clusterEvent{s.draw(s.random.IntN(2) == 0)}
		if s.random.IntN(4) == 0 {
			events = append(events, s.draw(!events[0].ofNodes))
		}
		var running sync.WaitGroup
		errs := make([]error, len(events))
		for n, e := range events {
			words = append(words, e.name)
			s.happened[e.name]++
			if s.c.Loud {
				s.print("%6.1f s: %s", time.Since(s.started).Seconds(), e.name)
			}
			running.Go(func() {
				if err := e.happens(); err != nil {
					errs[n] = fmt.Errorf("%s: %w", e.name, err)
				}
			})
		}
		running.Wait()
		if err := errors.Join(errs...); err != nil {
			return err
		}
		_ = sleep(s.ctx, time.Duration(s.random.Int64N(int64(2*time.Second))))
	}
	err := s.settle()
	s.print("%8.1f %s  %s", time.Since(s.started).Seconds(), s.judge.line(), strings.Join(words, ", "))
	return err
}

// settle ends all activity, and waits until all nodes are ready. It then waits until every client has a
// message that is published after that.
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
			if !s.ready(n) {
				return false
			}
		}
		return s.under.Load() == 0
	})
	marks := make([]int32, soakClusterChannels)
	for channel := range marks {
		err = errors.Join(err, wait("a mark was published", func() bool {
			number, ok := s.publishOne(channel, s.nodes[channel%len(s.nodes)])
			marks[channel] = number
			return ok
		}))
	}
	if err != nil {
		return err
	}
	late := func(p *clusterPlace) bool { return p.at.Load() <= marks[p.channel] }
	err = wait("all clients had the mark", func() bool {
		for _, c := range s.clients {
			for _, p := range c.places {
				if late(p) {
					return false
				}
			}
		}
		return true
	})
	for _, c := range s.clients {
		for _, p := range c.places {
			if err != nil && late(p) {
				s.faults.lost(1, "channel %d: %s stands at %d, and %d was published", p.channel, c.is, p.at.Load(), marks[p.channel])
			}
		}
	}
	s.judge.calm()
	return err
}

func (s *clusterSoak) ready(n *server) bool {
	ctx, cancel := context.WithTimeout(s.ctx, 10*time.Second)
	defer cancel()
	_, err := fetch(ctx, s.client, n.admin, "/readyz")
	return err == nil
}

// begin starts Redis, the Sentinels and the nodes.
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
		text := fmt.Sprintf("port %s\nbind 127.0.0.1\nsentinel monitor %s %s 2\nsentinel down-after-milliseconds %s 2500\nsentinel failover-timeout %s 3000\nsentinel parallel-syncs %s 1\n",
			port, soakMaster, strings.ReplaceAll(s.redis[0].front, ":", " "), soakMaster, soakMaster, soakMaster)
		if err := os.WriteFile(filepath.Join(r.dir, "sentinel.conf"), []byte(text), 0o600); err != nil {
			return err
		}
		r.log.hears = s.readSentinel
		if err := r.launch(s.ctx); err != nil {
			return err
		}
		s.closers = append(s.closers, r.close)
		s.sentinels, addresses = append(s.sentinels, r), append(addresses, r.front)
	}
	command := s.spawned() + " --redis redis-sentinel://" + strings.Join(addresses, ",") + "/" + soakMaster +
		" --node {node} --channel-buffer-size 1000 --polling-timeout 5 --drain-time 0.5 --channel-timeout 10 --ws-publish --log-level info --log-format json"
	for i := range clusterNodes {
		n, err := newServer(s.Target, command, "{node}", fmt.Sprintf("node-%d", i+1))
		if err != nil {
			return err
		}
		s.closers = append(s.closers, n.close)
		n.log.hears = func(line string) { s.readLog(i+1, line) }
		if err := n.install(""); err != nil {
			return err
		}
		if err := s.launchNode(n, i); err != nil {
			return err
		}
		s.nodes = append(s.nodes, n)
	}
	return nil
}

// launchNode starts a node. Depending on draw, the bus keeps very little.
func (s *clusterSoak) launchNode(n *server, draw int) error {
	bus := [...]string{"100000", "1000", "10"}[draw%3]
	return n.launch(context.WithoutCancel(s.ctx), "--redis-bus", bus, "--loops", fmt.Sprint(1+draw/3%3))
}

// readSentinel reads a line of a Sentinel's log.
func (s *clusterSoak) readSentinel(line string) {
	if _, text, found := strings.Cut(line, "+switch-master"); found {
		s.judge.switched(text)
	}
}

// readLog reads a line of a node's log.
func (s *clusterSoak) readLog(node int, line string) {
	var entry struct{ Level, Message string }
	if s.c.Loud && strings.Contains(line, "Redis") {
		s.print("%6.1f s: node %d: %s", time.Since(s.started).Seconds(), node, line)
	}
	switch {
	case strings.TrimSpace(line) == "":
	case json.Unmarshal([]byte(line), &entry) != nil:
		s.faults.fault("node %d says %.300q", node, line)
	case entry.Message == "Redis does not serve":
	case entry.Level == "error" || entry.Level == "fatal" || entry.Level == "panic":
		s.faults.fault("node %d logs %.300s", node, line)
	}
}
