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

func (p *bystanders) open() (err error) {
	p.stay = p.swarm(target.MaxChannel, false)
	if err = p.stay.open(p.ctx, probes, 1); err != nil {
		return err
	}
	p.toStay, err = p.publisher(target.MaxChannel, 1, 1, 1)
	return err
}

// probe publishes to the subscribers that stay until ctx is done.
func (p *bystanders) probe(ctx context.Context, every time.Duration) error {
	return p.publishEvery(ctx, p.toStay, every, &p.seen)
}

// publishEvery publishes until ctx is done, and counts the messages.
func (p *bystanders) publishEvery(ctx context.Context, to *child, every time.Duration, count *int) error {
	for sleep(ctx, every) == nil {
		*count++
		if _, err := to.ask(p.ctx, "published", "publish 1"); err != nil {
			return err
		}
	}
	return p.ctx.Err()
}

// stayed returns the latency of the subscribers that stay, since the last call.
func (p *bystanders) stayed() (result.Latency, error) {
	if err := p.stay.expect(p.seen); err != nil {
		return result.Latency{}, err
	}
	p.seen = 0
	if err := p.arrived(p.stay); err != nil {
		return result.Latency{}, err
	}
	_, _, latency, err := p.verdict(p.stay)
	if err != nil {
		return latency, fmt.Errorf("those who stayed: %w", err)
	}
	return latency, p.stay.tell("fresh")
}
