package bench

import (
	"context"
	"fmt"

	"ccomet/bench/proc"
	"ccomet/bench/target"
)

// EchoConfig is how Echo goes about it.
type EchoConfig struct {
	InFlight int // rounds that are under way at a time
	Publish  int // rounds of all clients together, a turn
	Rounds   int // turns of the server and of the bare program, after one that does not count
}

// Echo measures clients that publish on WebSockets, each to a channel of its own, and hear it
// back; beside a bare program that sends back what comes.
func (o *Options) Echo(ctx context.Context, c EchoConfig) error {
	if c.InFlight < 1 || c.Rounds < 1 || c.Publish < 1 {
		return fmt.Errorf("%d in flight, %d a round, %d rounds: want one of each at least", c.InFlight, c.Publish, c.Rounds)
	}
	if o.Transport == "" {
		o.Transport = "ws"
	}
	t, err := o.Target.Transport(o.Transport)
	if err != nil {
		return err
	}
	if t.Say == "" {
		return fmt.Errorf("%s: clients of its transport %s say nothing", o.Target.Label, o.Transport)
	}
	if o.Target.Process == "ccomet" && !o.Running && o.PID == 0 {
		if o, err = o.with("--ws-publish --ws-rate 0"); err != nil {
			return err
		}
	}
	o.Own = true
	r, err := o.start(ctx)
	if err != nil {
		return err
	}
	defer r.close()
	return (&echoRun{run: r, c: c}).measure()
}

// echoRun is an Echo under way.
type echoRun struct {
	*run
	c      EchoConfig
	ways   [2]echoWay // the server's, and the bare program's
	rounds rounds
}

type echoWay struct {
	echoer *child
	meter  meter
}

func (m *echoRun) measure() (err error) {
	bare, err := m.bare(true, false, false, "echo")
	if err != nil {
		return fmt.Errorf("the bare program: %w", err)
	}
	if err = m.open(&m.ways[0], m.server.front, m.server.Process, *m.transport); err != nil {
		return err
	}
	same := target.Transport{Path: "/echo", WebSocket: true, Say: m.transport.Say}
	if err = m.open(&m.ways[1], bare.front, bare.process, same); err != nil {
		return err
	}
	for n := range m.c.Rounds + 1 {
		if err = m.round(n > 0); err != nil {
			return err
		}
	}
	m.line(fmt.Sprintf("medians of %d rounds: ", m.c.Rounds), median(m.rounds.rates), median(m.rounds.server), median(m.rounds.bare), median(m.rounds.ratios), median(m.rounds.client))
	return nil
}

// open has clients connect.
func (m *echoRun) open(way *echoWay, address string, process proc.Process, transport target.Transport) (err error) {
	if way.echoer, err = startChild("echoer", nil); err != nil {
		return err
	}
	m.closers = append(m.closers, way.echoer.close)
	if err = way.echoer.configure(echoerConfig{
		Address: address, Transport: transport, Clients: m.Connections, InFlight: m.c.InFlight, Run: m.id, Size: m.Size,
	}); err != nil {
		return err
	}
	way.meter.read = []func() (proc.CPU, error){process.CPU, way.echoer.CPU}
	_, err = way.echoer.hear(m.ctx, "open")
	return err
}

// round has both take their turn.
func (m *echoRun) round(counts bool) error {
	var micros, client [len(m.ways)]float64
	var rate float64
	for i := range m.ways {
		way := &m.ways[i]
		if err := way.meter.start(); err != nil {
			return err
		}
		if _, err := way.echoer.ask(m.ctx, "rounds", "rounds %d", m.c.Publish); err != nil {
			return err
		}
		costs, took, err := way.meter.stop(m.c.Publish)
		if err != nil {
			return err
		}
		micros[i], client[i] = costs[0].Micros, costs[1].Micros
		if i == 0 {
			rate = float64(m.c.Publish) / took.Seconds()
		}
	}
	if !counts {
		return nil
	}
	r := &m.rounds
	r.server, r.bare, r.client = append(r.server, micros[0]), append(r.bare, micros[1]), append(r.client, client[0])
	r.ratios, r.rates = append(r.ratios, micros[0]/micros[1]), append(r.rates, rate)
	m.line("", rate, micros[0], micros[1], micros[0]/micros[1], client[0])
	return nil
}

func (m *echoRun) line(what string, rate, server, bare, ratio, client float64) {
	m.print("%s, %d clients of one own channel each, %d in flight: %s%.0f rounds a second; server %.2f µs each, bare echo in %s %.2f: ratio %.3f; client %.2f",
		m.Target.Label, m.Connections, min(m.c.InFlight, m.Connections), what, rate, server, m.bareLanguage, bare, ratio, client)
}
