package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"ccomet/bench/proc"
	"ccomet/bench/result"
	"ccomet/bench/target"
)

// Options select the server to measure, and the load. They are common to all measurements.
type Options struct {
	Target    *target.Target
	Transport string // one of the target's; "" is its default

	Spawn        string       // command that starts the server; "" is the target's
	Running      bool         // measure a running server
	PID          proc.Process // its process; 0: found by the target's name
	Front, Admin string       // its addresses; "" is as in the target

	Connections int
	Own         bool // each subscriber has a channel of its own
	Size        int  // bytes of a message's content
	PerClient   int  // connections of a client process

	Label    string // name in reports; "" is the target's
	Command  string // command line, for the result
	Out      io.Writer
	Progress *Progress
}

// Bounds of the options.
const (
	MaxConnections = 16 << 20 // source addresses are 127.0.x.x
	MinSize        = minContent
	MaxSize        = maxContent

	opening = 256 // connections that a client process opens at a time: well within a listener's backlog
)

// run is one measurement: the server, and the processes that load it.
type run struct {
	*Options
	ctx       context.Context
	id        uint32 // distinguishes this run's messages from others
	server    *server
	transport *target.Transport
	started   time.Time
	closers   []func()

	bareLanguage string // of the bare program; "" before it is started
}

// start checks the options and the machine, and starts or finds the server.
func (o *Options) start(ctx context.Context) (*run, error) { return o.startBy(ctx, startServer) }

// startBy is start with another function to start the server.
func (o *Options) startBy(ctx context.Context, launch func(context.Context, *target.Target, string) (*server, error)) (*run, error) {
	if o.Size < MinSize || o.Size > MaxSize {
		return nil, fmt.Errorf("--size is %d: want %d to %d", o.Size, MinSize, MaxSize)
	}
	if o.Connections < 1 || o.Connections > MaxConnections {
		return nil, fmt.Errorf("--conns is %d: want 1 to %d", o.Connections, MaxConnections)
	}
	transport, err := o.Target.Transport(o.Transport)
	if err != nil {
		return nil, err
	}
	if err := o.checkMachine(); err != nil {
		return nil, err
	}
	r := &run{Options: o, ctx: ctx, id: rand.Uint32(), transport: transport, started: time.Now()}
	if o.Running || o.PID != 0 {
		err = r.find()
	} else {
		r.server, err = launch(ctx, o.Target, o.Spawn)
	}
	if err != nil {
		return nil, err
	}
	r.closers = append(r.closers, r.server.close)
	if err := o.checkServer(r.server.Process); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// with returns the options with more flags for the server, which must be started here.
func (o *Options) with(flags string) (*Options, error) {
	if o.Target.Process != "ccomet" || o.Running || o.PID != 0 {
		return nil, fmt.Errorf("%s: only a ccomet that is started here can be given %s", o.Target.Label, flags)
	}
	c := *o
	if c.Spawn == "" {
		c.Spawn = o.Target.Spawn
	}
	c.Spawn += " " + flags
	return &c, nil
}

// find finds a running server.
func (r *run) find() error {
	s := &server{Process: r.PID, front: r.Front, admin: r.Admin, log: new(tail)}
	if s.front == "" {
		s.front = r.Target.Front
	}
	if s.admin == "" {
		s.admin = r.Target.Admin
	}
	if r.PID == 0 {
		var err error
		if s.Process, err = proc.Find(r.Target.Process); err != nil {
			return err
		}
	}
	if _, err := s.Memory(); err != nil {
		return fmt.Errorf("reading the memory of the server: %w", err)
	}
	r.server = s
	return nil
}

// close ends everything that the run has started, in reverse order.
func (r *run) close() {
	for i := len(r.closers) - 1; i >= 0; i-- {
		r.closers[i]()
	}
	r.closers = nil
	r.Progress.end()
}

// swarm returns a swarm of subscribers whose channels start at this one.
func (r *run) swarm(channel uint32, own bool) *swarm {
	return r.swarmOf(clientConfig{Transport: *r.transport, Channel: channel, Own: own})
}

func (r *run) swarmOf(c clientConfig) *swarm {
	c.Address, c.Together, c.Run, c.Size = r.server.front, opening, r.id, r.Size
	s := newSwarm(c, r.PerClient)
	r.closers = append(r.closers, s.close)
	return s
}

// publisher starts a publisher that publishes to these channels in turn.
func (r *run) publisher(channel uint32, channels, connections, depth int) (*child, error) {
	if !r.Target.Publish.Pipeline {
		depth = 1
	}
	return r.publisherAt(r.server.admin, r.Target.Publish, channel, channels, connections, depth)
}

func (r *run) publisherAt(address string, how target.Publish, channel uint32, channels, connections, depth int) (*child, error) {
	return r.publisherOf(publisherConfig{Address: address, Publish: how, Channel: channel, Channels: channels, Connections: connections, Depth: depth})
}

// publisherOf starts a publisher. Without an address it publishes as the target defines.
func (r *run) publisherOf(c publisherConfig) (*child, error) {
	if c.Address == "" {
		c.Address, c.Publish = r.server.admin, r.Target.Publish
	}
	c.Run, c.Size = r.id, r.Size
	p, err := startChild("publisher", new(pulse), nil)
	if err != nil {
		return nil, err
	}
	r.closers = append(r.closers, p.close)
	return p, p.configure(c)
}

// result returns a result of this run without measurements.
func (r *run) result(kind result.Kind) *result.Result {
	label := r.Label
	if label == "" {
		label = r.Target.Label
	}
	transport := r.Transport
	if transport == "" {
		transport = r.Target.Default
	}
	channels := "shared"
	if r.Own {
		channels = "own"
	}
	return &result.Result{
		Schema: result.Schema, Kind: kind, Label: label, Command: r.Command, Started: r.started.UTC().Truncate(time.Second),
		Machine: proc.ThisMachine(),
		Setting: &result.Setting{
			Target: r.Target.Label, Server: r.server.command, Transport: transport, Channels: channels,
			Connections: r.Connections, Clients: (r.Connections + r.PerClient - 1) / r.PerClient, SizeBytes: r.Size,
		},
	}
}

// ended sets the duration of the run, and whether it was interrupted.
func (r *run) ended(res *result.Result) {
	res.Seconds = time.Since(r.started).Seconds()
	res.Interrupted = r.ctx.Err() != nil
}

func (r *run) print(format string, args ...any) {
	r.Progress.print(r.Out, fmt.Sprintf(format, args...))
}

// arrived waits until all expected messages are received. Missing ones are lost.
func (r *run) arrived(s *swarm) error {
	err := s.received(r.ctx)
	var stuck *stuckError
	if err != nil && !errors.As(err, &stuck) {
		return err
	}
	if _, received := s.now(); err != nil || received < s.expected() {
		if _, _, _, failed := r.verdict(s); failed != nil {
			return failed
		}
	}
	return err
}

// verdict checks everything expected so far. If anything is wrong, it also returns an
// error. In an interrupted run, messages that have not arrived are not lost.
func (r *run) verdict(s *swarm) (result.Check, *clientStats, result.Latency, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), hangTimeout)
	defer cancel()
	stats, latency, err := s.stats(ctx)
	if err != nil {
		return result.Check{}, nil, result.Latency{}, err
	}
	c := s.check(&stats)
	if r.ctx.Err() != nil {
		c.Lost, c.Expected = stats.Lost, c.Received+stats.Lost
	}
	if c.Failed() {
		err = &FailedError{c, stats.Cause}
	}
	return c, &stats, latencyOf(latency), err
}

// latencyLine formats a latency.
func latencyLine(l result.Latency) string {
	return fmt.Sprintf("latency of %d deliveries, ms: 50 %% %.2f, 90 %% %.2f, 99 %% %.2f, 99.9 %% %.2f, most %.2f",
		l.Count, l.P50/1e3, l.P90/1e3, l.P99/1e3, l.P999/1e3, l.Max/1e3)
}
