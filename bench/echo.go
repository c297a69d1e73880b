package bench

import (
	"context"
	"fmt"

	"ccomet/bench/proc"
	"ccomet/bench/result"
	"ccomet/bench/target"
)

// EchoConfig configures Echo.
type EchoConfig struct {
	InFlight int // operations in flight
	Publish  int // operations of all clients in a round
	Rounds   int // rounds of the server and the bare program, in turn, after one that does not count
}

// Echo measures clients that publish on WebSockets, each to a channel of its own, and
// receive their own messages. The baseline is a bare program that sends back what it
// receives.
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
		return fmt.Errorf("%s: clients of the transport %s cannot send", o.Target.Label, o.Transport)
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

// echoRun is the state of Echo.
type echoRun struct {
	*run
	c    EchoConfig
	duel duel // the server's clients against the bare program's
}

func (m *echoRun) measure() error {
	bare, err := m.bare(true, false, false, "echo")
	if err != nil {
		return fmt.Errorf("the bare program: %w", err)
	}
	if err = m.open(0, m.server.front, m.server.Process, *m.transport); err != nil {
		return err
	}
	same := target.Transport{Path: "/echo", WebSocket: true, Say: m.transport.Say}
	if err = m.open(1, bare.front, bare.process, same); err != nil {
		return err
	}
	d := &m.duel
	if err = d.run(m.ctx, m.c.Rounds, "rounds", "rounds", m.c.Publish, func(rate float64, server, bare, client result.Cost) {
		m.line("", rate, server.Micros, bare.Micros, server.Micros/bare.Micros, client.Micros)
	}); err != nil {
		return err
	}
	m.line(fmt.Sprintf("medians of %d rounds: ", m.c.Rounds), median(d.rates), median(d.server), median(d.bare), median(d.ratios), median(d.client))
	return nil
}

// open connects the clients of one side.
func (m *echoRun) open(side int, address string, process proc.Process, transport target.Transport) error {
	echoer, err := startChild("echoer", new(pulse), nil)
	if err != nil {
		return err
	}
	m.closers = append(m.closers, echoer.close)
	if err = echoer.configure(echoerConfig{
		Address: address, Transport: transport, Clients: m.Connections, InFlight: m.c.InFlight, Run: m.id, Size: m.Size,
	}); err != nil {
		return err
	}
	m.duel.sides[side] = newSide(echoer, process.CPU)
	_, err = echoer.hear(m.ctx, "open")
	return err
}

func (m *echoRun) line(what string, rate, server, bare, ratio, client float64) {
	m.print("%s, %d clients of one own channel each, %d in flight: %s%.0f rounds a second; server %.2f µs each, bare echo in %s %.2f: ratio %.3f; client %.2f",
		m.Target.Label, m.Connections, min(m.c.InFlight, m.Connections), what, rate, server, m.bareLanguage, bare, ratio, client)
}
