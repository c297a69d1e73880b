package bench

import (
	"context"
	"errors"
	"fmt"

	"ccomet/bench/result"
)

// ChannelsConfig configures Channels.
type ChannelsConfig struct {
	Publishers int // connections that publish, one request at a time each
	Publishes  int // publishes in a round; a multiple of the channels
	Rounds     int // rounds of the server and the bare program, in turn, after one that does not count
}

// Channels measures publishes spread over many channels with one subscriber each, and
// compares them with a bare program that reads the request, writes to one connection, and
// answers.
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
	m := &channelsRun{run: r, c: c, Channels: &result.Channels{Publishes: c.Publishes, Connections: c.Publishers}}
	res.Channels = m.Channels
	err = m.measure()
	if m.Rounds > 0 {
		err = errors.Join(err, m.summary())
	}
	r.ended(res)
	return res, err
}

// channelsRun is the state of Channels.
type channelsRun struct {
	*run
	*result.Channels
	c          ChannelsConfig
	ours, bars *contestant
	rounds     rounds
}

func (m *channelsRun) measure() (err error) {
	m.ours = m.contestant(true)
	if m.bars, err = m.bare(true, m.transport.Once, false); err != nil {
		return fmt.Errorf("the bare program: %w", err)
	}
	m.BareLanguage = m.bareLanguage
	for _, c := range []*contestant{m.ours, m.bars} {
		if err = c.subscribe(m.run.Connections); err != nil {
			return err
		}
		if err = c.publishOver(m.c.Publishers, 1); err != nil {
			return err
		}
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

func (m *channelsRun) round(counts bool) error {
	t, err := m.ours.turn(load{publishes: m.c.Publishes})
	if err != nil {
		return err
	}
	b, err := m.bars.turn(load{publishes: m.c.Publishes})
	if err != nil {
		return err
	}
	if !counts {
		return m.ours.subscribers.tell("fresh")
	}
	ours, bare, client := each(t.server, m.c.Publishes), each(b.server, m.c.Publishes), each(t.client, m.c.Publishes)
	rate := float64(m.c.Publishes) / t.took.Seconds()
	m.rounds.add(ours, bare, client, rate)
	m.Rounds++
	m.line("", rate, ours, bare, client, ours.Micros/bare.Micros)
	return nil
}

// line prints a round, or the medians.
func (m *channelsRun) line(what string, rate float64, server, bare, client result.Cost, ratio float64) {
	m.print("%s, %d channels of one %s subscriber, %d publishing connections: %s%.0f publishes a second; server %.2f µs each with its delivery, bare program in %s %.2f: ratio %.3f; client %.2f",
		m.Target.Label, m.run.Connections, m.transportName(), m.c.Publishers, what, rate, server.Micros, m.bareLanguage, bare.Micros, ratio, client.Micros)
}

// summary computes and prints the medians of the completed rounds and the verdict.
func (m *channelsRun) summary() (err error) {
	m.Ratios, m.Ratio, m.PublishesPerSecond = m.rounds.ratios, median(m.rounds.ratios), median(m.rounds.rates)
	m.Server, m.Bare, m.Client = m.rounds.costs()
	m.line(fmt.Sprintf("medians of %d rounds: ", m.Rounds), m.PublishesPerSecond, m.Server, m.Bare, m.Client, m.Ratio)
	m.Check, _, m.Latency, err = m.verdict(m.ours.subscribers)
	m.print("%s", latencyLine(m.Latency))
	return err
}
