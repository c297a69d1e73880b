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

// contestant is a server with its subscribers and its publisher: the server under test, or
// one beside it. Contestants take turns, because a machine's speed drifts; what counts is
// the ratio within a round.
type contestant struct {
	*run
	process      proc.Process
	front, admin string
	transport    target.Transport
	publish      target.Publish
	own          bool   // each subscriber has a channel of its own
	bare         *child // the bare program's process, if this is the bare program
	subscribers  *swarm
	publisher    *child
	meter        meter // of the server and of the harness
}

// contestant returns the contestant for the run's server.
func (r *run) contestant(own bool) *contestant {
	return &contestant{
		run: r, process: r.server.Process, front: r.server.front, admin: r.server.admin,
		transport: *r.transport, publish: r.Target.Publish, own: own,
	}
}

// subscribe opens n subscribers, and waits until the server is idle. In a server of several
// processes, one may answer a subscriber before the others know of it.
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

// publishOver starts a publisher for the subscribers' channels, in place of the previous
// one.
func (c *contestant) publishOver(connections, depth int) (err error) {
	channels := 1
	if c.own {
		channels = c.subscribers.subscribers()
	}
	c.publisher, err = c.publisherAt(c.admin, c.publish, 0, channels, connections, depth)
	return err
}

// harness returns the processor time of the harness.
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
	burst     int     // messages published together and received before the next; 0: all of them
	rate      float64 // publishes a second, on schedule; 0: as fast as the answers permit
	answers   bool    // also measure the latency of the publisher's answers
}

// turn is the result of a contestant's turn.
type turn struct {
	server, client  result.Cost   // for the whole turn
	more            []result.Cost // further processes that the meter reads
	took            time.Duration
	receipt, answer *hdrhistogram.Histogram
}

// turn performs the load, and waits until everything is received.
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
		atRest(c.ctx, c.process) // the next polls are part of the load
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

// latencies collects the latencies of the turn, and resets them in the processes.
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

// each returns the cost of one of n operations.
func each(c result.Cost, n int) result.Cost {
	return result.Cost{Micros: c.Micros / float64(n), UserMicros: c.UserMicros / float64(n)}
}
