package bench

import (
	"context"
	"fmt"
	"time"

	"ccomet/bench/result"
	"ccomet/bench/target"
)

// bystanders are bystanders, which must not be affected by what is done to a server: some
// subscribers that stay connected, and messages for them at a steady rate.
type bystanders struct {
	*run
	stay   *swarm
	toStay *child
	seen   int // messages since the last call of stayed
}

// probes is the number of subscribers that stay.
const probes = 50

func (b *bystanders) open() (err error) {
	b.stay = b.swarm(target.MaxChannel, false)
	if err = b.stay.open(b.ctx, probes, 1); err != nil {
		return err
	}
	b.toStay, err = b.publisher(target.MaxChannel, 1, 1, 1)
	return err
}

// probe publishes to the subscribers that stay until ctx is done.
func (b *bystanders) probe(ctx context.Context, every time.Duration) error {
	return b.publishEvery(ctx, b.toStay, every, &b.seen)
}

// publishEvery publishes until ctx is done, and counts the messages.
func (b *bystanders) publishEvery(ctx context.Context, to *child, every time.Duration, count *int) error {
	for sleep(ctx, every) == nil {
		*count++
		if _, err := to.ask(b.ctx, "published", "publish 1"); err != nil {
			return err
		}
	}
	return b.ctx.Err()
}

// stayed returns the latency of the subscribers that stay, since the last call.
func (b *bystanders) stayed() (result.Latency, error) {
	if err := b.stay.expect(b.seen); err != nil {
		return result.Latency{}, err
	}
	b.seen = 0
	if err := b.arrived(b.stay); err != nil {
		return result.Latency{}, err
	}
	_, _, latency, err := b.verdict(b.stay)
	if err != nil {
		return latency, fmt.Errorf("those who stayed: %w", err)
	}
	return latency, b.stay.tell("fresh")
}
