package bench

import (
	"context"
	"fmt"

	"ccomet/bench/result"
)

// BatchesConfig configures Batches.
type BatchesConfig struct {
	Batch     int // messages in a request, and number of channels
	Publishes int // messages in a round; a multiple of Batch
	Rounds    int // rounds of each kind, in turn, after one that does not count
}

// Batches measures a server's processor time for publishing without subscribers: many
// messages in one request, compared with as many pipelined requests of one message each.
// The messages go to Batch channels in turn.
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
	m := &batchesRun{run: r, c: c}
	return m.measure()
}

// batchesRun is the state of Batches.
type batchesRun struct {
	*run
	c    BatchesConfig
	duel duel // batches against single requests
}

func (m *batchesRun) measure() error {
	for i := range m.duel.sides {
		config := publisherConfig{Channels: m.c.Batch, Connections: 1, Depth: m.c.Batch}
		if i == 0 {
			config.Batch = m.Target.Batch
		}
		publisher, err := m.publisherOf(config)
		if err != nil {
			return err
		}
		m.duel.sides[i] = newSide(publisher, m.server.CPU)
	}
	if err := m.duel.run(m.ctx, m.c.Rounds, "published", "publish", m.c.Publishes, m.line); err != nil {
		return err
	}
	d := &m.duel
	m.print("medians of %d rounds: server %.3f µs a message in batches of %d, %.3f in as many requests: ratio %.3f; client %.2f",
		m.c.Rounds, median(d.server), m.c.Batch, median(d.bare), median(d.ratios), median(d.client))
	return nil
}

// line prints a round.
func (m *batchesRun) line(rate float64, batches, requests, _ result.Cost) {
	m.print("%s, %d messages to %d channels: %.0f a second; server %.3f µs each in batches, %.3f in as many requests: ratio %.3f",
		m.Target.Label, m.c.Publishes, m.c.Batch, rate, batches.Micros, requests.Micros, batches.Micros/requests.Micros)
}
