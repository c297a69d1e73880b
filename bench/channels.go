package bench

import (
	"context"
	"errors"
	"fmt"

	"ccomet/bench/proc"
	"ccomet/bench/result"
)

// ChannelsConfig is how Channels goes about it.
type ChannelsConfig struct {
	Publishers int // connections that publish, each one request at a time
	Publishes  int // a round; a multiple of the channels
	Rounds     int // of the server and of the bare program, in turn, after one that does not count
}

// Channels measures publishes that are spread over many channels of one
// subscriber each; beside a bare program that reads the request, writes to one
// connection, and answers.
func (o *Options) Channels(ctx context.Context, c ChannelsConfig) (*result.Result, error) {
	if c.Publishers < 1 || c.Rounds < 1 || c.Publishes < 1 || c.Publishes%o.Connections != 0 {
		return nil, fmt.Errorf("%d publishes a round to %d channels over %d connections, %d rounds: want a multiple of the channels, and one of the rest at least",
			c.Publishes, o.Connections, c.Publishers, c.Rounds)
	}
	o.Own = true
	r, err := o.start(ctx)
	if err != nil {
		return nil, err
	}
	defer r.close()
	res := r.result(result.KindChannels)
	m := &channelling{run: r, c: c, out: &result.Channels{Publishes: c.Publishes, Connections: c.Publishers}}
	res.Channels = m.out
	err = m.measure()
	if m.out.Rounds > 0 {
		err = errors.Join(err, m.summary())
	}
	r.ended(res)
	return res, err
}

// channelling is a Channels under way.
type channelling struct {
	*run
	out        *result.Channels
	c          ChannelsConfig
	ours, bars contestant
	rounds     rounds
}

// contestant is a server with its subscribers and its publisher.
type contestant struct {
	server    proc.Process
	swarm     *swarm
	publisher *child
	meter     meter
}

func (m *channelling) measure() (err error) {
	m.Progress.begin("connections", int64(m.Connections))
	m.ours = contestant{server: m.server.Process, swarm: m.run.swarm(0, true)}
	m.ours.swarm.moved = func(subscribed, _ int64) { m.Progress.at(subscribed) }
	if err = m.ours.swarm.open(m.ctx, m.Connections, 1); err != nil {
		return err
	}
	m.ours.swarm.moved = func(int64, int64) {}
	m.server.quiet(m.ctx) // see Fanout
	if m.ours.publisher, err = m.publisher(0, m.Connections, m.c.Publishers, 1); err != nil {
		return err
	}
	b, address, swarm, err := m.startBare(m.Connections, true)
	if err != nil {
		return fmt.Errorf("the bare program: %w", err)
	}
	if err = b.tell("serve"); err != nil {
		return err
	}
	m.bars = contestant{server: b.Process, swarm: swarm}
	if m.bars.publisher, err = m.publisherAt(address, barePublish, 0, m.Connections, m.c.Publishers, 1); err != nil {
		return err
	}
	m.Progress.begin("rounds", int64(m.c.Rounds+1))
	for n := range m.c.Rounds + 1 {
		if err = m.round(n > 0); err != nil {
			return err
		}
		m.Progress.at(int64(n + 1))
	}
	return nil
}

func (m *channelling) round(counts bool) error {
	ours, rate, err := m.turn(&m.ours)
	if err != nil {
		return err
	}
	bare, _, err := m.turn(&m.bars)
	if err != nil {
		return err
	}
	if !counts {
		return m.ours.swarm.tell("fresh")
	}
	m.rounds.add(ours[0], bare[0], ours[1], rate)
	m.out.Rounds++
	m.print("%s: %.0f publishes a second; server %.2f µs each with its delivery, bare program %.2f: ratio %.3f; client %.2f",
		m.title(), rate, ours[0].Micros, bare[0].Micros, ours[0].Micros/bare[0].Micros, ours[1].Micros)
	return nil
}

// turn is one contestant's part of a round.
func (m *channelling) turn(c *contestant) (costs []result.Cost, rate float64, err error) {
	if c.meter.read == nil {
		c.meter.read = []func() (proc.CPU, error){c.server.CPU, func() (proc.CPU, error) {
			sum, err := c.swarm.cpu()
			if err != nil {
				return sum, err
			}
			p, err := c.publisher.CPU()
			return sum.Add(p), err
		}}
	}
	if err = c.meter.start(); err != nil {
		return nil, 0, err
	}
	if err = c.swarm.expect(m.c.Publishes / m.Connections); err != nil {
		return nil, 0, err
	}
	if _, err = c.publisher.ask(m.ctx, "published", "publish %d", m.c.Publishes); err != nil {
		return nil, 0, err
	}
	if err = m.arrived(c.swarm); err != nil {
		return nil, 0, err
	}
	costs, took, err := c.meter.stop(m.c.Publishes)
	return costs, float64(m.c.Publishes) / took.Seconds(), err
}

func (m *channelling) title() string {
	return fmt.Sprintf("%s, %d channels of one %s subscriber, %d publishing connections", m.Target.Label, m.Connections, m.transportName(), m.c.Publishers)
}

// summary is the medians of the rounds there were, and the verdict.
func (m *channelling) summary() (err error) {
	o := m.out
	o.Ratios, o.Ratio, o.PublishesPerSecond = m.rounds.ratios, median(m.rounds.ratios), median(m.rounds.rates)
	o.Server, o.Bare, o.Client = m.rounds.costs()
	m.print("%s: medians of %d rounds: %.0f publishes a second; server %.2f µs each with its delivery, bare program %.2f: ratio %.3f; client %.2f",
		m.title(), o.Rounds, o.PublishesPerSecond, o.Server.Micros, o.Bare.Micros, o.Ratio, o.Client.Micros)
	o.Check, _, o.Latency, err = m.verdict(m.ours.swarm)
	m.print("%s", latencyLine(o.Latency))
	return err
}
