package bench

import (
	"context"
	"errors"
	"fmt"

	"ccomet/bench/proc"
	"ccomet/bench/result"
)

// FanoutConfig is how Fanout goes about it.
type FanoutConfig struct {
	Messages int // a round; a multiple of Burst
	Burst    int // published at once
	Rounds   int // of the server and of the bare loop, in turn, after one that does not count
}

// Fanout measures what a delivery costs when a message goes to many subscribers
// of one channel, and how long it takes; beside a bare loop of write calls of
// the same bytes to as many connections, in turn with it.
func (o *Options) Fanout(ctx context.Context, f FanoutConfig) (*result.Result, error) {
	if f.Burst < 1 || f.Messages < 1 || f.Messages%f.Burst != 0 || f.Rounds < 1 {
		return nil, fmt.Errorf("%d messages in bursts of %d, %d rounds: want a multiple, and a round at least", f.Messages, f.Burst, f.Rounds)
	}
	o.Own = false
	r, err := o.start(ctx)
	if err != nil {
		return nil, err
	}
	defer r.close()
	res := r.result(result.KindFanout)
	m := &fanning{run: r, f: f, Fanout: &result.Fanout{Messages: f.Messages, Burst: f.Burst}}
	res.Fanout = m.Fanout
	err = m.measure()
	if m.Rounds > 0 {
		err = errors.Join(err, m.summary())
	}
	r.ended(res)
	return res, err
}

// fanning is a Fanout under way.
type fanning struct {
	*run
	*result.Fanout
	f          FanoutConfig
	swarm      *swarm // of the server
	publisher  *child
	bare       *child
	bareSwarm  *swarm // of the bare loop
	ours, bars meter
	rounds     rounds
}

func (m *fanning) measure() (err error) {
	m.Progress.begin("connections", int64(m.Connections))
	m.swarm = m.run.swarm(0, false)
	m.swarm.moved = func(subscribed, _ int64) { m.Progress.at(subscribed) }
	if err = m.swarm.open(m.ctx, m.Connections, 1); err != nil {
		return err
	}
	m.server.quiet(m.ctx) // a server of several processes may answer before all of them know
	if m.publisher, err = m.run.publisher(0, 1, 1, m.f.Burst); err != nil {
		return err
	}
	// A process of the bare program has as many descriptors as any.
	bares := min(m.Connections, descriptorLimit()-spare)
	if m.bare, _, m.bareSwarm, err = m.startBare(bares, false); err != nil {
		return fmt.Errorf("the bare loop: %w", err)
	}
	m.ours.read = []func() (proc.CPU, error){m.server.CPU, m.harness}
	m.bars.read = []func() (proc.CPU, error){m.bare.CPU}
	m.Progress.begin("rounds", int64(m.f.Rounds+1))
	m.swarm.moved = func(int64, int64) {}
	for n := range m.f.Rounds + 1 {
		if err = m.round(n > 0); err != nil {
			return err
		}
		m.Progress.at(int64(n + 1))
	}
	return nil
}

// harness is what the measuring itself costs.
func (m *fanning) harness() (proc.CPU, error) {
	c, err := m.swarm.cpu()
	if err != nil {
		return c, err
	}
	p, err := m.publisher.CPU()
	return c.Add(p), err
}

func (m *fanning) round(counts bool) error {
	if err := m.ours.start(); err != nil {
		return err
	}
	for range m.f.Messages / m.f.Burst {
		if err := m.swarm.expect(m.f.Burst); err != nil {
			return err
		}
		if _, err := m.publisher.ask(m.ctx, "published", "publish %d", m.f.Burst); err != nil {
			return err
		}
		if err := m.arrived(m.swarm); err != nil {
			return err
		}
	}
	ours, took, err := m.ours.stop(m.f.Messages * m.Connections)
	if err != nil {
		return err
	}
	bare, err := m.bareRound()
	if err != nil {
		return err
	}
	if !counts {
		return m.swarm.tell("fresh")
	}
	rate := float64(m.f.Messages*m.Connections) / took.Seconds()
	m.rounds.add(ours[0], bare, ours[1], rate)
	m.Rounds++
	m.print("%s: %.0f deliveries a second; server %.2f µs each (%.2f user), bare loop %.2f (%.2f): ratio %.3f; client %.2f",
		m.title(), rate, ours[0].Micros, ours[0].UserMicros, bare.Micros, bare.UserMicros, ours[0].Micros/bare.Micros, ours[1].Micros)
	return nil
}

func (m *fanning) bareRound() (cost result.Cost, err error) {
	if err = m.bars.start(); err != nil {
		return cost, err
	}
	for range m.f.Messages {
		if err = m.bareSwarm.expect(1); err != nil {
			return cost, err
		}
		if _, err = m.bare.ask(m.ctx, "wrote", "write 1"); err != nil {
			return cost, err
		}
		if err = m.arrived(m.bareSwarm); err != nil {
			return cost, err
		}
	}
	costs, _, err := m.bars.stop(m.f.Messages * m.bareSwarm.subscribers())
	if err != nil {
		return cost, err
	}
	return costs[0], nil
}

func (m *fanning) title() string {
	return fmt.Sprintf("%s, %d %s subscribers, bursts of %d", m.Target.Label, m.Connections, m.transportName(), m.f.Burst)
}

// summary is the medians of the rounds there were, and the verdict.
func (m *fanning) summary() (err error) {
	m.Ratios, m.Ratio, m.DeliveriesPerSecond = m.rounds.ratios, median(m.rounds.ratios), median(m.rounds.rates)
	m.Server, m.Bare, m.Client = m.rounds.costs()
	m.print("%s: medians of %d rounds: %.0f deliveries a second; server %.2f µs each (%.2f user), bare loop %.2f (%.2f): ratio %.3f; client %.2f",
		m.title(), m.Rounds, m.DeliveriesPerSecond, m.Server.Micros, m.Server.UserMicros, m.Bare.Micros, m.Bare.UserMicros, m.Ratio, m.Client.Micros)
	m.Check, _, m.Latency, err = m.verdict(m.swarm)
	m.print("%s", latencyLine(m.Latency))
	return err
}
