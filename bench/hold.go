package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"ccomet/bench/proc"
	"ccomet/bench/result"
)

// HoldConfig configures Hold.
type HoldConfig struct {
	Steps   int           // steps in which the connections are opened, with a sample after each
	Several int           // channels of a connection; 0 means 1
	Idle    time.Duration // duration of the measurement of idle processor time at each step

	Churn float64       // share of the connections that leave and return each second; 0: none
	For   time.Duration // duration of the churn
	Every time.Duration // interval of samples during the churn
}

// Hold measures the cost of waiting connections. It opens them in steps, and samples the
// memory of the server and the kernel after each. At the end it publishes a message to all
// of them. With Churn, a share of the connections then leaves and returns each second,
// while their number stays the same.
//
// If connections have several channels, it first measures connections with one channel, on
// another server, and then reports the cost of each further channel.
//
// It returns partial results together with an error. ctx ends it early.
func (o *Options) Hold(ctx context.Context, h HoldConfig) (*result.Result, error) {
	if h.Steps < 1 || h.Steps > o.Connections {
		return nil, fmt.Errorf("--steps is %d: want 1 to the %d connections", h.Steps, o.Connections)
	}
	if h.Churn < 0 || h.Churn > 0.5 {
		return nil, fmt.Errorf("--churn is %g: want a share of the connections a second, up to 0.5", h.Churn)
	}
	if h.Several <= 1 {
		return o.hold(ctx, h, 0)
	}
	if t, err := o.Target.Transport(o.Transport); err != nil {
		return nil, err
	} else if t.Also == "" {
		return nil, fmt.Errorf("--channels-each is %d: %s has no transport of that name whose connections have several", h.Several, o.Target.Label)
	}
	if h.Steps < 2 || h.Churn > 0 || o.Running || o.PID != 0 {
		return nil, errors.New("--channels-each: want two steps at least, no churn, and a server that is started here")
	}
	one := h
	one.Several = 1
	res, err := o.hold(ctx, one, 0)
	if err != nil {
		return res, err
	}
	return o.hold(ctx, h, res.Hold.SlopeBytes)
}

// hold measures on one server. slope is the result for connections with one channel.
func (o *Options) hold(ctx context.Context, h HoldConfig, slope float64) (*result.Result, error) {
	r, err := o.start(ctx)
	if err != nil {
		return nil, err
	}
	defer r.close()
	res := r.result(result.KindHold)
	swarm := r.swarmOf(clientConfig{Transport: *r.transport, Own: o.Own, Several: h.Several})
	m := &holdRun{run: r, h: h, emulated: res.Machine.Emulated, swarm: swarm, Hold: &result.Hold{}}
	res.Hold = m.Hold
	err = m.measure(res)
	if err != nil && res.Kind == result.KindHold && len(m.Samples) > 0 && m.EndBytes == 0 {
		m.summary()
	}
	if h.Several > 1 && err == nil {
		res.Setting.Several, m.FurtherBytes = h.Several, (m.SlopeBytes-slope)/float64(h.Several-1)
		m.print("%.1f bytes of resident memory each further channel of a connection: %.1f with %d, %.1f with one", m.FurtherBytes, m.SlopeBytes, h.Several, slope)
	}
	r.ended(res)
	return res, err
}

// holdRun is the state of Hold.
type holdRun struct {
	*run
	*result.Hold
	h        HoldConfig
	emulated bool
	swarm    *swarm
	kernel   proc.Kernel // before the first connection
}

func (m *holdRun) measure(res *result.Result) (err error) {
	atRest(m.ctx, m.server.Process)
	m.kernel = proc.ReadKernel()
	if m.Empty, err = m.sample(0); err != nil {
		return err
	}
	m.header()
	m.row(m.Empty)
	if err = m.open(); err != nil {
		return err
	}
	m.summary()
	if m.h.Churn > 0 {
		res.Kind, res.Setting.ChurnShare = result.KindChurn, m.h.Churn
		if err = m.churn(); err != nil {
			return err
		}
	}
	return m.deliver()
}

// open opens all connections, with a sample after each step.
func (m *holdRun) open() error {
	m.Progress.begin("connections", int64(m.Connections))
	m.swarm.onMove(func(subscribed, _ int64) { m.Progress.at(subscribed) })
	defer m.Progress.end()
	for step := range m.h.Steps {
		n := m.Connections*(step+1)/m.h.Steps - m.swarm.subscribers()
		began := time.Now()
		if err := m.swarm.open(m.ctx, n, 1); err != nil {
			return err
		}
		took := time.Since(began)
		m.Progress.at(int64(m.swarm.subscribers()))
		atRest(m.ctx, m.server.Process)
		s, err := m.sample(m.swarm.subscribers())
		if err != nil {
			return err
		}
		if !m.emulated {
			s.ConnectsPerSecond = float64(n) / took.Seconds()
			if s.IdleCPU, err = m.idle(); err != nil {
				return err
			}
		}
		m.Samples = append(m.Samples, s)
		m.row(s)
	}
	return nil
}

// sample reads the memory of the server and the kernel.
func (m *holdRun) sample(connections int) (result.Sample, error) {
	memory, err := m.server.Memory()
	if err != nil {
		return result.Sample{}, err
	}
	descriptors, err := m.server.Descriptors()
	if err != nil {
		return result.Sample{}, err
	}
	kernel := proc.ReadKernel()
	return result.Sample{
		Seconds: time.Since(m.started).Seconds(), Connections: connections,
		VirtualBytes: memory.Virtual, ResidentBytes: memory.Resident, ProportionalBytes: memory.Proportional, ProgramBytes: memory.Program,
		KernelBytes: kernel.Slabs, SocketBytes: kernel.Buffers, Descriptors: descriptors, IdleCPU: -1,
	}, nil
}

// idle returns the number of processors that the server uses while it has nothing to do.
func (m *holdRun) idle() (float64, error) {
	if m.h.Idle <= 0 {
		return -1, nil
	}
	before, err := m.server.CPU()
	if err != nil {
		return -1, err
	}
	began := time.Now()
	if err := sleep(m.ctx, m.h.Idle); err != nil {
		return -1, err
	}
	after, err := m.server.CPU()
	return after.Sub(before).All.Seconds() / time.Since(began).Seconds(), err
}

func (m *holdRun) header() {
	m.print("%s, %s: %d connections, %s", m.Target.Label, m.transportName(), m.Connections, channelsName(m.Own, m.h.Several))
	m.print("%11s %10s %10s %10s %9s %9s %8s %9s %9s", "connections", "VIRT MiB", "RES MiB", "PSS MiB", "B/conn", "kernel B", "fds", "idle CPU", "conns/s")
}

func (m *holdRun) row(s result.Sample) {
	each, kernel, idle, rate := "-", "-", "-", "-"
	if s.Connections > 0 {
		each = fmt.Sprintf("%.1f", float64(s.ResidentBytes-m.Empty.ResidentBytes)/float64(s.Connections))
		if s.KernelBytes > 0 {
			kernel = fmt.Sprintf("%.0f", float64(s.KernelBytes-m.kernel.Slabs)/float64(s.Connections))
		}
	}
	if s.IdleCPU >= 0 {
		idle = fmt.Sprintf("%.1f %%", s.IdleCPU*100)
	}
	if s.ConnectsPerSecond > 0 {
		rate = fmt.Sprintf("%.0f", s.ConnectsPerSecond)
	}
	m.print("%11d %10.1f %10.2f %10.2f %9s %9s %8d %9s %9s", s.Connections, mib(s.VirtualBytes), mib(s.ResidentBytes), mib(s.ProportionalBytes),
		each, kernel, s.Descriptors, idle, rate)
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }

func (r *run) transportName() string {
	if r.Transport != "" {
		return r.Transport
	}
	return r.Target.Default
}

func channelsName(own bool, several int) string {
	switch {
	case own && several > 1:
		return fmt.Sprintf("each its own %d channels", several)
	case own:
		return "each its own channel"
	case several > 1:
		return fmt.Sprintf("%d channels", several)
	}
	return "one channel"
}

// summary computes bytes for one connection: the slope over the steps, and the value at the
// end.
func (m *holdRun) summary() {
	var connections, resident, kernel []float64
	for _, s := range m.Samples {
		connections = append(connections, float64(s.Connections))
		resident = append(resident, float64(s.ResidentBytes-s.ProgramBytes))
		kernel = append(kernel, float64(s.KernelBytes))
	}
	last := m.Samples[len(m.Samples)-1]
	m.SlopeBytes, m.KernelSlopeBytes = slope(connections, resident), slope(connections, kernel)
	m.EndBytes = float64(last.ResidentBytes) / float64(last.Connections)
	m.DescriptorsAtStart, m.DescriptorsAtTheEnd = last.Descriptors, last.Descriptors
	m.print("%.1f bytes of resident memory a connection (slope of %d samples); end ÷ connections %.1f; kernel, both ends: %.0f",
		m.SlopeBytes, len(m.Samples), m.EndBytes, m.KernelSlopeBytes)
}

// deliver publishes a message to all, and verifies that each connection receives it.
func (m *holdRun) deliver() error {
	channels := max(m.h.Several, 1)
	if m.Own {
		channels *= m.Connections
	}
	p, err := m.publisher(0, channels, 16, 1)
	if err != nil {
		return err
	}
	m.Progress.begin("messages", int64(m.Connections*max(m.h.Several, 1)))
	m.swarm.onMove(func(_, received int64) { m.Progress.at(received) })
	defer m.Progress.end()
	if err = m.swarm.expect(1); err != nil {
		return err
	}
	if _, err = p.ask(m.ctx, "published", "publish %d", channels); err != nil {
		return err
	}
	if err = m.arrived(m.swarm); err != nil {
		return err
	}
	m.Check, _, _, err = m.verdict(m.swarm)
	check := m.Check
	if err == nil {
		m.print("a message to all: %d of %d received, each verified", check.Received, check.Expected)
	}
	return err
}

// slope returns the slope of the least-squares line, or 0 if there is none.
func slope(xs, ys []float64) float64 {
	var n, sx, sy, sxx, sxy float64
	for i, x := range xs {
		n++
		sx, sy = sx+x, sy+ys[i]
		sxx, sxy = sxx+x*x, sxy+x*ys[i]
	}
	s := (n*sxy - sx*sy) / (n*sxx - sx*sx)
	if math.IsNaN(s) || math.IsInf(s, 0) {
		return 0
	}
	return s
}
