package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ccomet/bench/result"
	"ccomet/bench/target"
)

// StormConfig configures Storm.
type StormConfig struct {
	Quiet time.Duration // duration of the latency measurement before
	Probe time.Duration // interval of messages to clients that stay
	Storm time.Duration // interval of messages to clients that are cut

	AcceptRate int // the server's, in a second storm; 0: only one storm
}

// Storm closes all connections at once, all of which reconnect at once. It measures the
// time until all are back, the server's memory, and the latency of other clients, which
// stay. Messages are also published while clients are away: if the protocol has a cursor,
// none may be lost.
//
// With an accept rate there are two storms, each on a server of its own: the first without
// the rate, for comparison.
func (o *Options) Storm(ctx context.Context, c StormConfig) (*result.Result, error) {
	if c.Quiet <= 0 || c.Probe <= 0 || c.Storm <= 0 || c.AcceptRate < 0 {
		return nil, errors.New("the times of a storm must be above 0, and the accept rate not below")
	}
	if c.AcceptRate == 0 {
		return o.storm(ctx, c)
	}
	limited, err := o.with(fmt.Sprintf("--accept-rate %d", c.AcceptRate))
	if err != nil {
		return nil, err
	}
	before, err := o.storm(ctx, c)
	if err != nil {
		return before, fmt.Errorf("without an accept rate: %w", err)
	}
	res, err := limited.storm(ctx, c)
	if res == nil {
		return nil, err
	}
	res.Storm.AcceptRate, res.Storm.Without = c.AcceptRate, before.Storm
	if err == nil {
		was, is := before.Storm, res.Storm
		fmt.Fprintf(o.Out, "--accept-rate %d: all back after %.2f s, %.2f s without; latency of the others meanwhile ÷ before, 50 %%: %.2f, %.2f without; 99 %%: %.2f, %.2f without; processor time of the server %.2f s, %.2f without\n",
			c.AcceptRate, is.BackSeconds, was.BackSeconds, is.Meanwhile.P50/is.Quiet.P50, was.Meanwhile.P50/was.Quiet.P50,
			is.Meanwhile.P99/is.Quiet.P99, was.Meanwhile.P99/was.Quiet.P99, is.ServerSeconds, was.ServerSeconds)
	}
	return res, err
}

func (o *Options) storm(ctx context.Context, c StormConfig) (*result.Result, error) {
	o.Own = false
	r, err := o.start(ctx)
	if err != nil {
		return nil, err
	}
	defer r.close()
	res := r.result(result.KindStorm)
	m := &stormRun{bystanders: bystanders{run: r}, c: c, Storm: &result.Storm{}}
	res.Storm = m.Storm
	err = m.measure()
	r.ended(res)
	return res, err
}

// stormRun is the state of Storm.
type stormRun struct {
	bystanders
	*result.Storm
	c         StormConfig
	crowd     *swarm
	toCrowd   *child
	published int
}

func (m *stormRun) measure() (err error) {
	if err = m.prepare(); err != nil {
		return err
	}
	quiet, cancel := context.WithTimeout(m.ctx, m.c.Quiet)
	m.Progress.begin("quiet", 1)
	err = m.probe(quiet, m.c.Probe)
	cancel()
	if err != nil {
		return err
	}
	if m.Quiet, err = m.stayed(); err != nil {
		return err
	}
	memory, err := m.server.Memory()
	if err != nil {
		return err
	}
	m.ResidentBefore = memory.Resident
	if err = m.server.ResetPeak(); err != nil {
		return fmt.Errorf("the peak of the server's memory: %w", err)
	}
	if err = m.cut(); err != nil {
		return err
	}
	return m.after()
}

func (m *stormRun) prepare() (err error) {
	m.Progress.begin("connections", int64(m.Connections))
	if err = m.bystanders.open(); err != nil {
		return err
	}
	m.crowd = m.swarm(0, false)
	m.crowd.onMove(func(subscribed, _ int64) { m.Progress.at(subscribed) })
	if err = m.crowd.open(m.ctx, m.Connections, 1); err != nil {
		return err
	}
	m.toCrowd, err = m.publisher(0, 1, 1, 1)
	return err
}

// cut makes all clients leave and return, while messages are published to all.
func (m *stormRun) cut() error {
	m.print("%s, %d %s subscribers are cut, and come back", m.Target.Label, m.Connections, m.transportName())
	m.Progress.begin("back", int64(m.Connections))
	before, err := m.server.CPU()
	if err != nil {
		return err
	}
	began := time.Now()
	m.Back = [][2]float64{{0, float64(m.Connections)}}
	m.crowd.onMove(func(subscribed, _ int64) {
		m.Progress.at(subscribed)
		m.Back = append(m.Back, [2]float64{time.Since(began).Seconds(), float64(subscribed)})
	})
	until, back := context.WithCancel(m.ctx)
	publishing := make(chan error, 2)
	go func() { publishing <- m.probe(until, m.c.Probe) }()
	go func() { publishing <- m.publishEvery(until, m.toCrowd, m.c.Storm, &m.published) }()
	err = m.crowd.tell("cut")
	if err == nil {
		err = m.crowd.back(m.ctx)
	}
	m.BackSeconds = time.Since(began).Seconds()
	after, failed := m.server.CPU()
	m.ServerSeconds = after.Sub(before).All.Seconds()
	back()
	err = errors.Join(err, failed, <-publishing, <-publishing)
	m.crowd.onMove(func(int64, int64) {})
	m.Back = append(m.Back, [2]float64{m.BackSeconds, float64(m.Connections)})
	return err
}

// after measures the effects of the storm.
func (m *stormRun) after() (err error) {
	if m.Meanwhile, err = m.stayed(); err != nil {
		return err
	}
	if m.ResidentPeak, err = m.server.Peak(); err != nil {
		return err
	}
	atRest(m.ctx, m.server.Process)
	memory, err := m.server.Memory()
	if err != nil {
		return err
	}
	m.ResidentAfter = memory.Resident
	// With a cursor, all published messages must arrive; without one, only those published
	// from now on. One more message to all reveals losses.
	if m.transport.Cursor == target.NoCursor {
		if err = m.crowd.forget(m.ctx); err != nil {
			return err
		}
		m.published = 0
	}
	m.published++
	if err = m.crowd.expect(m.published); err != nil {
		return err
	}
	if _, err = m.toCrowd.ask(m.ctx, "published", "publish 1"); err != nil {
		return err
	}
	if err = m.arrived(m.crowd); err != nil {
		return err
	}
	check, stats, _, err := m.verdict(m.crowd)
	m.Check = check
	if stats != nil {
		m.Refused = stats.Refused
	}
	m.print("all back after %.2f s, %d refused first, %.2f s of the server's processor time; resident memory %.1f MiB before, %.1f at the most, %.1f after; %d of %d messages received",
		m.BackSeconds, m.Refused, m.ServerSeconds, mib(m.ResidentBefore), mib(m.ResidentPeak), mib(m.ResidentAfter), check.Received, check.Expected)
	m.print("before:    %s", latencyLine(m.Quiet))
	m.print("meanwhile: %s", latencyLine(m.Meanwhile))
	return err
}
