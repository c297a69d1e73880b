package bench

import (
	"context"
	"errors"
	"fmt"

	"ccomet/bench/result"
)

// FanoutConfig configures Fanout.
type FanoutConfig struct {
	Messages int // messages in a round; a multiple of Burst
	Burst    int // messages published together
	Rounds   int // rounds of the server and the bare loop, in turn, after one that does not count
}

// Fanout measures the processor time and the latency of a delivery when messages go to many
// subscribers of one channel. The baseline is a bare loop of write calls with the same
// bytes to as many connections.
//
// A server may write a burst to a subscriber in one call, while the bare loop makes one
// call a message. Ratio shows what such coalescing saves. BurstRatio compares the server
// with a bare loop that also makes one call a burst, and so shows the cost of the server's
// own work.
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
	m := &fanoutRun{run: r, f: f, Fanout: &result.Fanout{Messages: f.Messages, Burst: f.Burst}}
	res.Fanout = m.Fanout
	err = m.measure()
	if m.Rounds > 0 {
		err = errors.Join(err, m.summary())
	}
	r.ended(res)
	return res, err
}

// fanoutRun is the state of Fanout.
type fanoutRun struct {
	*run
	*result.Fanout
	f          FanoutConfig
	ours, bars *contestant
	coalescing *contestant // the bare loop with one call a burst; nil without bursts
	rounds     rounds
	bursts     rounds // the rounds against coalescing
}

func (m *fanoutRun) measure() (err error) {
	m.ours = m.contestant(false)
	if err = m.subscribe(m.ours, m.Connections); err != nil {
		return err
	}
	if m.bars, err = m.bareLoop(false); err != nil {
		return err
	}
	if m.f.Burst > 1 && !m.transport.Once { // a poll is answered with everything that is available
		if m.coalescing, err = m.bareLoop(true); err != nil {
			return err
		}
	}
	m.BareLanguage = m.bareLanguage
	m.Progress.begin("rounds", int64(m.f.Rounds+1))
	for n := range m.f.Rounds + 1 {
		if err = m.round(n > 0); err != nil {
			return err
		}
		m.Progress.at(int64(n + 1))
	}
	return nil
}

func (m *fanoutRun) subscribe(c *contestant, n int) error {
	if err := c.subscribe(n); err != nil {
		return err
	}
	return c.publishOver(1, m.f.Burst)
}

// bareLoop starts the bare program with as many streams as it may have.
func (m *fanoutRun) bareLoop(coalesce bool) (*contestant, error) {
	c, err := m.bare(false, false, coalesce)
	if err == nil {
		err = m.subscribe(c, min(m.Connections, descriptorLimit()-spare))
	}
	if err != nil {
		return nil, fmt.Errorf("the bare loop: %w", err)
	}
	return c, nil
}

// turn runs a contestant's part of a round. The costs are for one delivery.
func (m *fanoutRun) turn(c *contestant) (server, client result.Cost, rate float64, err error) {
	t, err := c.turn(load{publishes: m.f.Messages, burst: m.f.Burst})
	n := m.f.Messages * c.subscribers.subscribers()
	return each(t.server, n), each(t.client, n), float64(n) / t.took.Seconds(), err
}

func (m *fanoutRun) round(counts bool) error {
	ours, client, rate, err := m.turn(m.ours)
	if err != nil {
		return err
	}
	bare, _, _, err := m.turn(m.bars)
	if err != nil {
		return err
	}
	var coalesced result.Cost
	if m.coalescing != nil {
		if coalesced, _, _, err = m.turn(m.coalescing); err != nil {
			return err
		}
	}
	if !counts {
		return m.ours.subscribers.tell("fresh")
	}
	m.rounds.add(ours, bare, client, rate)
	m.bursts.add(ours, coalesced, client, rate)
	m.Rounds++
	m.print("%s", m.line("", rate, ours, bare, client, coalesced, ours.Micros/bare.Micros, ours.Micros/coalesced.Micros))
	return nil
}

// line describes a round, or the medians.
func (m *fanoutRun) line(what string, rate float64, server, bare, client, coalesced result.Cost, ratio, burstRatio float64) string {
	title := fmt.Sprintf("%s, %d %s subscribers", m.Target.Label, m.Connections, m.transportName())
	s := fmt.Sprintf("server %.2f µs each (%.2f user), bare loop in %s %.2f (%.2f): ratio %.3f; client %.2f",
		server.Micros, server.UserMicros, m.bareLanguage, bare.Micros, bare.UserMicros, ratio, client.Micros)
	if m.f.Burst > 1 {
		title += fmt.Sprintf(", bursts of %d", m.f.Burst)
		s = fmt.Sprintf("server %.2f µs each (%.2f user); of coalescing: a bare loop in %s of a call a message %.2f, ratio %.3f",
			server.Micros, server.UserMicros, m.bareLanguage, bare.Micros, ratio)
		if m.coalescing != nil {
			s += fmt.Sprintf("; beside a bare loop of a call a burst %.2f (%.2f user), ratio %.3f", coalesced.Micros, coalesced.UserMicros, burstRatio)
		}
		s += fmt.Sprintf("; client %.2f", client.Micros)
	}
	return fmt.Sprintf("%s: %s%.0f deliveries a second; %s", title, what, rate, s)
}

// summary computes and prints the medians of the completed rounds and the verdict.
func (m *fanoutRun) summary() (err error) {
	m.Ratios, m.Ratio, m.DeliveriesPerSecond = m.rounds.ratios, median(m.rounds.ratios), median(m.rounds.rates)
	m.Server, m.Bare, m.Client = m.rounds.costs()
	if m.coalescing != nil {
		_, m.BareBurst, _ = m.bursts.costs()
		m.BurstRatio = median(m.bursts.ratios)
	}
	m.print("%s", m.line(fmt.Sprintf("medians of %d rounds: ", m.Rounds), m.DeliveriesPerSecond, m.Server, m.Bare, m.Client, m.BareBurst, m.Ratio, m.BurstRatio))
	m.Check, _, m.Latency, err = m.verdict(m.ours.subscribers)
	m.print("%s", latencyLine(m.Latency))
	return err
}
