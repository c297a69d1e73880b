package bench

import (
	"context"
	"fmt"
	"slices"
	"time"

	"ccomet/bench/proc"
	"ccomet/bench/result"
)

// ClusterConfig configures Cluster.
type ClusterConfig struct {
	Others     []*Options // the other servers; only their options for starting a server are used
	Rounds     int        // rounds in which all take turns
	Publishes  int        // publishes in a round, pipelined
	Publishers int        // connections that publish
	Depth      int        // unanswered publishes on each connection
	Rate       float64    // publishes a second when latency is measured
	Paced      int        // publishes in a round then
	Return     int        // clients with their own channels that reconnect to a node that was restarted; 0: not measured
}

// Cluster measures systems of several servers that share channels over one Redis. Each kind of server
// has its own Redis, and all take turns in rounds. Messages are published at the first node for
// subscribers at the second; nobody waits at the third. For comparison it also measures the minimum:
// Redis alone, which executes a script of the same commands, and, for clients that reconnect, a node
// without Redis.
func (o *Options) Cluster(ctx context.Context, c ClusterConfig) (*result.Result, error) {
	if c.Rounds < 1 || c.Publishes < 1 || c.Publishers < 1 || c.Depth < 1 || c.Paced < 1 || c.Rate <= 0 || c.Rate > MaxRate || c.Return < 0 {
		return nil, fmt.Errorf("%d rounds of %d and %d publishes, %d connections, %d deep, %g a second: want one of each at least, and a rate of up to %g",
			c.Rounds, c.Publishes, c.Paced, c.Publishers, c.Depth, c.Rate, float64(MaxRate))
	}
	if err := o.checkMachine(); err != nil {
		return nil, err
	}
	m := &clusterRun{compareRun: compareRun{Options: o, ctx: ctx, servers: append([]*Options{o}, c.Others...), Compare: new(result.Compare)}, c: c}
	m.BareLanguage, m.Rounds = "Lua, in Redis", c.Rounds
	m.Contestants = []string{"alone"}
	for _, other := range m.servers {
		label := other.Label
		if label == "" {
			label = other.Target.Label
		}
		m.Contestants = append(m.Contestants, label)
		other.Connections, other.Size, other.PerClient, other.Out, other.Own = o.Connections, o.Size, o.PerClient, o.Out, true
	}
	began := time.Now()
	m.LoadBefore = proc.LoadAverage()
	defer m.end()
	err := m.measure()
	m.LoadAfter = proc.LoadAverage()
	m.summary()
	m.print()
	return &result.Result{
		Schema: result.Schema, Kind: result.KindCluster, Label: m.Contestants[1], Command: o.Command, Started: began.UTC().Truncate(time.Second),
		Machine: proc.ThisMachine(), Seconds: time.Since(began).Seconds(), Interrupted: ctx.Err() != nil,
		Setting: &result.Setting{
			Target: o.Target.Label, Server: o.spawned() + " " + o.Target.Cluster.Flags, Transport: m.transport(o, false), Channels: "own",
			Connections: o.Connections, Clients: (o.Connections + o.PerClient - 1) / o.PerClient, SizeBytes: o.Size,
		},
		Compare: m.Compare,
	}, err
}

// clusterRun is a running Cluster.
type clusterRun struct {
	compareRun
	c       ClusterConfig
	systems []*system
	redis   *server
	alone   *scripted
}

func (m *clusterRun) end() {
	for _, s := range m.systems {
		s.close()
	}
	if m.redis != nil {
		m.redis.close()
	}
}

func (m *clusterRun) measure() (err error) {
	if m.redis, err = startRedis(m.ctx); err != nil {
		return err
	}
	if m.alone, err = newScripted(m.redis.front, m.Size); err != nil {
		return err
	}
	what := fmt.Sprintf("%d channels that only wait, at one node", m.Connections)
	memory, keys := m.row(what, "Redis' memory for each", "bytes"), m.row(what, "Redis' keys for each", "")
	for i, o := range m.servers {
		s, err := o.startSystem(m.ctx, clusterNodes, true)
		if err != nil {
			return fmt.Errorf("%s: %w", m.Contestants[i+1], err)
		}
		m.systems = append(m.systems, s)
		if err := s.wait(); err != nil {
			return fmt.Errorf("%s: %w", m.Contestants[i+1], err)
		}
		if err := s.publishOver(m.c.Publishers, m.c.Depth); err != nil {
			return err
		}
		memory.Values[i+1], keys.Values[i+1] = append(memory.Values[i+1], s.memory), append(keys.Values[i+1], s.keys)
	}
	m.Rows = append(m.Rows, *keys, *memory)
	if err := m.pipelined(); err != nil {
		return err
	}
	if err := m.paced(); err != nil {
		return err
	}
	if err := m.others(); err != nil {
		return err
	}
	if m.c.Return == 0 {
		return nil
	}
	for _, s := range m.systems {
		s.close()
	}
	m.systems = nil
	return m.returning()
}

// row returns a row without figures.
func (m *clusterRun) row(what, figure, unit string) *result.CompareRow {
	return &result.CompareRow{What: what, Figure: figure, Unit: unit, Values: make([][]float64, len(m.Contestants))}
}

// inTurn calls do for each contestant in each round, after a first round that does not count.
// Contestant 0 is Redis, or a node, alone. Each round begins with another contestant.
func (m *clusterRun) inTurn(rounds int, do func(contestant int, counts bool) error) error {
	for round := range rounds + 1 {
		for i := range m.Contestants {
			who := (i + round) % len(m.Contestants)
			if err := do(who, round > 0); err != nil {
				return fmt.Errorf("%s: %w", m.Contestants[who], err)
			}
		}
	}
	return nil
}

// pipelined measures the processor time of a publish, and the rate of publishes.
func (m *clusterRun) pipelined() error {
	n := m.c.Publishes
	what := fmt.Sprintf("a publish to one of %d channels, whose subscriber is at another node; %d connections, %d deep", m.Connections, m.c.Publishers, m.c.Depth)
	all, redis := m.row(what, "processor time of both nodes and Redis", "µs"), m.row(what, "of that, Redis", "µs")
	third, rate := m.row(what, "of a third node, where nobody waits", "µs"), m.row(what, "publishes a second", "")
	busy := m.row(what, "publishes a second that keep one Redis busy", "")
	err := m.inTurn(m.c.Rounds, func(who int, counts bool) error {
		if who == 0 {
			began, before, err := time.Now(), proc.CPU{}, error(nil)
			if before, err = m.redis.CPU(); err != nil {
				return err
			}
			if err := m.alone.pipeline(n, m.c.Publishers*m.c.Depth); err != nil {
				return err
			}
			took := time.Since(began)
			after, err := m.redis.CPU()
			if counts {
				each := micros(after.Sub(before).All, n)
				all.Values[0], redis.Values[0] = append(all.Values[0], each), append(redis.Values[0], each)
				rate.Values[0], busy.Values[0] = append(rate.Values[0], float64(n)/took.Seconds()), append(busy.Values[0], 1e6/each)
			}
			return err
		}
		t, idle, err := m.systems[who-1].turn(load{publishes: n})
		if err != nil || !counts {
			return err
		}
		all.Values[who] = append(all.Values[who], t.server.Micros/float64(n))
		redis.Values[who] = append(redis.Values[who], t.more[0].Micros/float64(n))
		third.Values[who] = append(third.Values[who], idle)
		rate.Values[who] = append(rate.Values[who], float64(n)/t.took.Seconds())
		busy.Values[who] = append(busy.Values[who], float64(n)/(t.more[0].Micros/1e6))
		return nil
	})
	m.Rows = append(m.Rows, *all, *redis, *third, *rate, *busy)
	return err
}

// paced measures the latency of a message.
func (m *clusterRun) paced() error {
	what := fmt.Sprintf("the same, %g publishes a second", m.c.Rate)
	half, most := m.row(what, "publish to receipt, 50 %", "µs"), m.row(what, "publish to receipt, 99 %", "µs")
	answers := m.row(what, "publish to answer, 50 %", "µs")
	idle := m.row(what, "processor time of a third node, where nobody waits", "µs")
	err := m.inTurn(m.c.Rounds, func(who int, counts bool) error {
		if who == 0 {
			took, err := m.alone.pace(m.ctx, m.c.Paced, m.c.Rate)
			if err == nil && counts {
				half.Values[0] = append(half.Values[0], float64(took.ValueAtPercentile(50)))
				most.Values[0] = append(most.Values[0], float64(took.ValueAtPercentile(99)))
				answers.Values[0] = append(answers.Values[0], float64(took.ValueAtPercentile(50)))
			}
			return err
		}
		s := m.systems[who-1]
		if err := s.subscribers.tell("fresh"); err != nil {
			return err
		}
		if _, err := s.publisher.ask(m.ctx, "answers", "answers"); err != nil { // discards the answers of earlier rounds
			return err
		}
		t, third, err := s.turn(load{publishes: m.c.Paced, rate: m.c.Rate, answers: true})
		if err != nil || !counts {
			return err
		}
		half.Values[who] = append(half.Values[who], float64(t.receipt.ValueAtPercentile(50)))
		most.Values[who] = append(most.Values[who], float64(t.receipt.ValueAtPercentile(99)))
		answers.Values[who] = append(answers.Values[who], float64(t.answer.ValueAtPercentile(50)))
		idle.Values[who] = append(idle.Values[who], third)
		return nil
	})
	m.Rows = append(m.Rows, *half, *most, *answers, *idle)
	return err
}

// others measures the processor time of a message at a third node where clients wait for other
// channels: it must receive those without delay.
func (m *clusterRun) others() error {
	idle := m.row(fmt.Sprintf("the same, %g publishes a second", m.c.Rate), "processor time of a third node, where others are waited for", "µs")
	for _, s := range m.systems {
		if err := s.occupy(); err != nil {
			return err
		}
	}
	err := m.inTurn(m.c.Rounds, func(who int, counts bool) error {
		if who == 0 {
			return nil
		}
		_, third, err := m.systems[who-1].turn(load{publishes: m.c.Paced, rate: m.c.Rate})
		if err == nil && counts {
			idle.Values[who] = append(idle.Values[who], third)
		}
		return err
	})
	m.Rows = append(m.Rows, *idle)
	return err
}

// returning measures how long many clients take to reconnect to a node that was restarted.
func (m *clusterRun) returning() error {
	what := fmt.Sprintf("%d clients of own channels come back to a node that was ended; alone: a node without Redis", m.c.Return)
	back := m.row(what, "until the last is back", "s")
	const rounds = 3
	err := m.inTurn(rounds-1, func(who int, _ bool) error { // each contestant is started anew, and every round counts
		o := *m.servers[max(0, who-1)]
		o.Connections = m.c.Return
		nodes := clusterNodes - 1
		if who == 0 {
			nodes = 1
		}
		s, err := o.startSystem(m.ctx, nodes, who > 0)
		if err != nil {
			return err
		}
		defer s.close()
		if err := s.subscribe(o.Connections); err != nil {
			return err
		}
		if err := s.publishOver(m.c.Publishers, 1); err != nil {
			return err
		}
		took, err := s.comeBack()
		if err == nil {
			back.Values[who] = append(back.Values[who], took.Seconds())
		} else if who > 1 && m.ctx.Err() == nil { // there is no figure if a server refuses clients before it has reached Redis
			fmt.Fprintf(m.Out, "%s: no figure of clients that come back: %v\n", m.Contestants[who], err)
			return nil
		}
		return err
	})
	if slices.ContainsFunc(back.Values, func(v []float64) bool { return len(v) > 0 }) {
		m.Rows = append(m.Rows, *back)
	}
	return err
}
