package bench

import (
	"context"
	"fmt"

	"ccomet/bench/proc"
)

// BatchesConfig is how Batches goes about it.
type BatchesConfig struct {
	Batch     int // messages of a request, and channels
	Publishes int // a round; a multiple of the batch
	Rounds    int // of each way, in turn, after one that does not count
}

// Batches measures what publishing costs a server in processor time where nobody
// subscribes: many messages in one request, beside as many requests of one message each
// that are sent in one piece. The messages go to as many channels in turn.
func (o *Options) Batches(ctx context.Context, c BatchesConfig) error {
	if c.Batch < 1 || c.Rounds < 1 || c.Publishes < 1 || c.Publishes%c.Batch != 0 {
		return fmt.Errorf("%d publishes a round in batches of %d, %d rounds: want a multiple of the batch, and one of the rest at least", c.Publishes, c.Batch, c.Rounds)
	}
	if o.Target.Batch == nil {
		return fmt.Errorf("%s: its target has no batch", o.Target.Label)
	}
	o.Connections = 1
	r, err := o.start(ctx)
	if err != nil {
		return err
	}
	defer r.close()
	m := &batching{run: r, c: c}
	return m.measure()
}

// batching is a Batches under way.
type batching struct {
	*run
	c    BatchesConfig
	ways [2]struct {
		publisher *child
		meter     meter
	}
	rounds rounds
}

func (m *batching) measure() (err error) {
	for i := range m.ways {
		config := publisherConfig{Channels: m.c.Batch, Connections: 1, Depth: m.c.Batch}
		if i == 0 {
			config.Batch = m.Target.Batch
		}
		way := &m.ways[i]
		if way.publisher, err = m.publisherOf(config); err != nil {
			return err
		}
		way.meter.read = []func() (proc.CPU, error){m.server.CPU, way.publisher.CPU}
	}
	for n := range m.c.Rounds + 1 {
		if err = m.round(n > 0); err != nil {
			return err
		}
	}
	m.print("medians of %d rounds: server %.3f µs a message in batches of %d, %.3f in as many requests: ratio %.3f; client %.2f",
		m.c.Rounds, median(m.rounds.server), m.c.Batch, median(m.rounds.bare), median(m.rounds.ratios), median(m.rounds.client))
	return nil
}

// round has both ways take their turn.
func (m *batching) round(counts bool) error {
	var micros, client [len(m.ways)]float64
	var rate float64
	for i := range m.ways {
		way := &m.ways[i]
		if err := way.meter.start(); err != nil {
			return err
		}
		if _, err := way.publisher.ask(m.ctx, "published", "publish %d", m.c.Publishes); err != nil {
			return err
		}
		costs, took, err := way.meter.stop(m.c.Publishes)
		if err != nil {
			return err
		}
		micros[i], client[i] = costs[0].Micros, costs[1].Micros
		if i == 0 {
			rate = float64(m.c.Publishes) / took.Seconds()
		}
	}
	if !counts {
		return nil
	}
	r := &m.rounds
	r.server, r.bare, r.client = append(r.server, micros[0]), append(r.bare, micros[1]), append(r.client, client[0])
	r.ratios, r.rates = append(r.ratios, micros[0]/micros[1]), append(r.rates, rate)
	m.print("%s, %d messages to %d channels: %.0f a second; server %.3f µs each in batches, %.3f in as many requests: ratio %.3f",
		m.Target.Label, m.c.Publishes, m.c.Batch, rate, micros[0], micros[1], micros[0]/micros[1])
	return nil
}
