package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ccomet/bench/result"
	"ccomet/bench/target"
)

// StormConfig is how Storm goes about it.
type StormConfig struct {
	Quiet time.Duration // for which the latency is measured before
	Probe time.Duration // between messages to those who stay
	Storm time.Duration // between messages to those who are cut
}

// probes is how many subscribers stay.
const probes = 50

// Storm cuts all connections at once, all of which come back at once, and
// measures how long that takes, what it takes of the server's memory, and what
// it does to the latency of others, who stay. Messages are published to those
// who are away too: where the protocol has a cursor, none may be lost.
func (o *Options) Storm(ctx context.Context, c StormConfig) (*result.Result, error) {
	if c.Quiet <= 0 || c.Probe <= 0 || c.Storm <= 0 {
		return nil, errors.New("the times of a storm must be above 0")
	}
	o.Own = false
	r, err := o.start(ctx)
	if err != nil {
		return nil, err
	}
	defer r.close()
	res := r.result(result.KindStorm)
	m := &storming{run: r, c: c, Storm: &result.Storm{}}
	res.Storm = m.Storm
	err = m.measure()
	r.ended(res)
	return res, err
}

// storming is a Storm under way.
type storming struct {
	*run
	*result.Storm
	c                      StormConfig
	crowd, stay            *swarm
	toCrowd, toStay        *child
	published, stayingSeen int
}

func (m *storming) measure() (err error) {
	if err = m.prepare(); err != nil {
		return err
	}
	quiet, cancel := context.WithTimeout(m.ctx, m.c.Quiet)
	m.Progress.begin("quiet", 1)
	err = m.publishEvery(quiet, m.toStay, m.c.Probe, &m.stayingSeen)
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

func (m *storming) prepare() (err error) {
	m.Progress.begin("connections", int64(m.Connections))
	m.stay = m.swarm(target.MaxChannel, false)
	if err = m.stay.open(m.ctx, probes, 1); err != nil {
		return err
	}
	m.crowd = m.swarm(0, false)
	m.crowd.moved = func(subscribed, _ int64) { m.Progress.at(subscribed) }
	if err = m.crowd.open(m.ctx, m.Connections, 1); err != nil {
		return err
	}
	if m.toStay, err = m.publisher(target.MaxChannel, 1, 1, 1); err != nil {
		return err
	}
	m.toCrowd, err = m.publisher(0, 1, 1, 1)
	return err
}

// publishEvery publishes until ctx ends, and counts.
func (m *storming) publishEvery(ctx context.Context, p *child, every time.Duration, count *int) error {
	for sleep(ctx, every) == nil {
		*count++
		if _, err := p.ask(m.ctx, "published", "publish 1"); err != nil {
			return err
		}
	}
	return m.ctx.Err()
}

// stayed is the latency of those who stay, since it was asked for last.
func (m *storming) stayed() (result.Latency, error) {
	if err := m.stay.expect(m.stayingSeen); err != nil {
		return result.Latency{}, err
	}
	m.stayingSeen = 0
	if err := m.arrived(m.stay); err != nil {
		return result.Latency{}, err
	}
	_, _, latency, err := m.verdict(m.stay)
	if err != nil {
		return latency, fmt.Errorf("those who stayed: %w", err)
	}
	return latency, m.stay.tell("fresh")
}

// cut has everybody leave and come back, while messages go to all.
func (m *storming) cut() error {
	m.print("%s, %d %s subscribers are cut, and come back", m.Target.Label, m.Connections, m.transportName())
	m.Progress.begin("back", int64(m.Connections))
	began := time.Now()
	m.Back = [][2]float64{{0, float64(m.Connections)}}
	m.crowd.mu.Lock()
	m.crowd.moved = func(subscribed, _ int64) {
		m.Progress.at(subscribed)
		m.Back = append(m.Back, [2]float64{time.Since(began).Seconds(), float64(subscribed)})
	}
	m.crowd.mu.Unlock()
	until, back := context.WithCancel(m.ctx)
	publishing := make(chan error, 2)
	go func() { publishing <- m.publishEvery(until, m.toStay, m.c.Probe, &m.stayingSeen) }()
	go func() { publishing <- m.publishEvery(until, m.toCrowd, m.c.Storm, &m.published) }()
	err := m.crowd.tell("cut")
	if err == nil {
		err = m.crowd.back(m.ctx)
	}
	m.BackSeconds = time.Since(began).Seconds()
	back()
	err = errors.Join(err, <-publishing, <-publishing)
	m.crowd.mu.Lock()
	m.crowd.moved = func(int64, int64) {}
	m.crowd.mu.Unlock()
	m.Back = append(m.Back, [2]float64{m.BackSeconds, float64(m.Connections)})
	return err
}

// after reads what the storm did.
func (m *storming) after() (err error) {
	if m.Meanwhile, err = m.stayed(); err != nil {
		return err
	}
	if m.ResidentPeak, err = m.server.Peak(); err != nil {
		return err
	}
	m.server.quiet(m.ctx)
	memory, err := m.server.Memory()
	if err != nil {
		return err
	}
	m.ResidentAfter = memory.Resident
	// With a cursor, all that was published has to come; without one, what is
	// published from now on. One more to all shows what was lost.
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
	m.print("all back after %.2f s, %d refused first; resident memory %.1f MiB before, %.1f at the most, %.1f after; %d of %d messages received",
		m.BackSeconds, m.Refused, mib(m.ResidentBefore), mib(m.ResidentPeak), mib(m.ResidentAfter), check.Received, check.Expected)
	m.print("before:    %s", latencyLine(m.Quiet))
	m.print("meanwhile: %s", latencyLine(m.Meanwhile))
	return err
}
