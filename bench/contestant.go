package bench

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"ccomet/bench/proc"
	"ccomet/bench/result"
	"ccomet/bench/target"
)

// contestant is a server with its subscribers and its publisher: the one that is
// measured, or one beside it. They take turns, because a machine's speed drifts: it is
// the ratio within a round that counts.
type contestant struct {
	*run
	process      proc.Process
	front, admin string
	transport    target.Transport
	publish      target.Publish
	own          bool   // each subscriber has a channel of its own
	bare         *child // the bare program's process, where it is that
	subscribers  *swarm
	publisher    *child
	meter        meter // of the server, and of the harness
}

// contestant is the server of the run.
func (r *run) contestant(own bool) *contestant {
	return &contestant{
		run: r, process: r.server.Process, front: r.server.front, admin: r.server.admin,
		transport: *r.transport, publish: r.Target.Publish, own: own,
	}
}

// subscribe opens subscribers, and waits until the server is at rest: one of several
// processes may answer a subscriber before all of them know of it.
func (c *contestant) subscribe(n int) error {
	c.subscribers = newSwarm(clientConfig{
		Address: c.front, Transport: c.transport, Own: c.own, Together: opening, Run: c.id, Size: c.Size,
	}, c.PerClient)
	c.closers = append(c.closers, c.subscribers.close)
	c.Progress.begin("connections", int64(n))
	c.subscribers.onMove(func(subscribed, _ int64) { c.Progress.at(subscribed) })
	if err := c.subscribers.open(c.ctx, n, 1); err != nil {
		return err
	}
	c.subscribers.onMove(func(int64, int64) {})
	c.Progress.end()
	atRest(c.ctx, c.process)
	c.meter.read = []func() (proc.CPU, error){c.process.CPU, c.harness}
	return nil
}

// publishOver starts a publisher for the subscribers' channels, in place of the one
// before.
func (c *contestant) publishOver(connections, depth int) (err error) {
	channels := 1
	if c.own {
		channels = c.subscribers.subscribers()
	}
	c.publisher, err = c.publisherAt(c.admin, c.publish, 0, channels, connections, depth)
	return err
}

// harness is what the measuring itself costs.
func (c *contestant) harness() (proc.CPU, error) {
	sum, err := c.subscribers.cpu()
	if err != nil {
		return sum, err
	}
	p, err := c.publisher.CPU()
	return sum.Add(p), err
}

// load is what a contestant does in its turn.
type load struct {
	publishes int
	burst     int     // published at once, and received before the next are; 0: all are published, and then waited for
	rate      float64 // a second, on schedule; 0: as soon as what is under way lets them
	answers   bool    // of interest is also when the publisher is answered
}

// turn is what a contestant's turn took.
type turn struct {
	server, client  result.Cost   // for all of it
	more            []result.Cost // what else the meter reads
	took            time.Duration
	receipt, answer *hdrhistogram.Histogram
}

// turn has the load carried, and received in full.
func (c *contestant) turn(l load) (t turn, err error) {
	if err = c.meter.start(); err != nil {
		return t, err
	}
	burst := l.burst
	if burst == 0 {
		burst = l.publishes
	}
	for range l.publishes / burst {
		if c.own {
			err = c.subscribers.expectNext(burst)
		} else {
			err = c.subscribers.expect(burst)
		}
		if err != nil {
			return t, err
		}
		if l.rate > 0 {
			_, err = c.publisher.ask(c.ctx, "published", "pace %d %g", burst, l.rate)
		} else {
			_, err = c.publisher.ask(c.ctx, "published", "publish %d", burst)
		}
		if err != nil {
			return t, err
		}
		if err = c.arrived(c.subscribers); err != nil {
			return t, err
		}
	}
	t.took = time.Since(c.meter.began)
	if c.transport.Once {
		atRest(c.ctx, c.process) // the polls that came again are part of it
	}
	costs, _, err := c.meter.stop(1)
	if err != nil {
		return t, err
	}
	t.server, t.client, t.more = costs[0], costs[1], costs[2:]
	if !l.answers {
		return t, nil
	}
	return t, c.latencies(&t)
}

// latencies takes those of the turn from the processes, which then forget them.
func (c *contestant) latencies(t *turn) (err error) {
	if _, t.receipt, err = c.subscribers.stats(c.ctx); err != nil {
		return err
	}
	if err = c.subscribers.tell("fresh"); err != nil {
		return err
	}
	line, err := c.publisher.ask(c.ctx, "answers", "answers")
	if err != nil {
		return err
	}
	var encoded []byte
	if err = json.Unmarshal([]byte(line), &encoded); err != nil {
		return fmt.Errorf("publisher process: %w", err)
	}
	t.answer, err = hdrhistogram.Decode(encoded)
	return err
}

// each is the cost of one of n.
func each(c result.Cost, n int) result.Cost {
	return result.Cost{Micros: c.Micros / float64(n), UserMicros: c.UserMicros / float64(n)}
}
