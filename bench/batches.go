package bench

import (
	"context"
	"fmt"

	"ccomet/bench/result"
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
	duel duel // batches, and requests of one message
}

func (m *batching) measure() error {
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
func (m *batching) line(rate float64, batches, requests, _ result.Cost) {
	m.print("%s, %d messages to %d channels: %.0f a second; server %.3f µs each in batches, %.3f in as many requests: ratio %.3f",
		m.Target.Label, m.c.Publishes, m.c.Batch, rate, batches.Micros, requests.Micros, batches.Micros/requests.Micros)
}
