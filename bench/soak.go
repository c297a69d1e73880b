package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"ccomet/bench/result"
	"ccomet/reactor"
)

// SoakConfig configures Soak.
type SoakConfig struct {
	For   time.Duration
	Cycle time.Duration // time from one calm to the next
	Seed  uint64        // determines the events, but not their exact times
	Rate  float64       // publishes a second, without bursts
	Loud  bool          // prints each event
}

// Most clients wait for the busy channels. heavyChannel, the next one, gets large messages, and
// its clients read slowly. quietEach is the number of clients for each of the other channels.
const (
	soakGophers  = 12 // clients with their own goroutines
	busyChannels = 3
	heavyChannel = busyChannels
	quietEach    = 15
)

// growthBytes and growthShare limit the growth of resident memory from the first calm of a
// server's life to a later one. Growth of what the channels keep is allowed in addition, twice,
// because the collector may hold as much again. restingCPU limits the processor time at rest.
const (
	growthBytes = 12 << 20
	growthShare = 0.25
	restingCPU  = 0.5
)

// soaking is a running Soak.
type soaking struct {
	*run
	*result.Soak
	c        SoakConfig
	random   *rand.Rand
	faults   *faults
	names    []string
	limits   soakLimits
	crowd    *soakCrowd
	client   *http.Client
	whole    context.Context // ctx without its end: a restart is completed even when the run is interrupted
	counts   soakCounts
	life     soakLife
	gentle   int // cycles that this life of the server still lasts at least
	places   int // sum of the channels of all clients
	expected atomic.Bool
	crashed  chan error

	end                 time.Time
	upgrades            int
	lives, kills, stops int
	descriptors         int   // the server's own descriptors
	baseline            int64 // resident memory at the first calm of this life; 0: no calm yet
	kept                int64 // bytes of messages that channels kept at that calm
}

// Soak tests a server in cycles of random events, which follow from a seed: clients of every
// transport that vanish, stall and reconnect, floods of attackers, bursts and broadcasts,
// upgrades, stops and crashes of the server, limits that are reached. In the calm at the end of
// each cycle all clients catch up. Soak then checks whether a message was lost without notice,
// doubled, damaged or out of order, and whether the server holds memory, descriptors or
// processor time that it should have given back.
func (o *Options) Soak(ctx context.Context, c SoakConfig) (*result.Result, error) {
	if c.For <= 0 || c.Cycle <= 0 || c.Rate <= 0 {
		return nil, errors.New("the times and the rate of a soak must be above 0")
	}
	if o.Connections < 10 {
		return nil, fmt.Errorf("--conns is %d: want 10 or more", o.Connections)
	}
	if err := o.checkMachine(); err != nil {
		return nil, err
	}
	m := &soaking{
		run: &run{Options: o, ctx: ctx, id: rand.Uint32(), started: time.Now()}, Soak: &result.Soak{Seed: c.Seed}, c: c,
		whole: context.WithoutCancel(ctx), random: rand.New(rand.NewPCG(c.Seed, 1)), client: &http.Client{Timeout: hangTimeout}, crashed: make(chan error, 1),
	}
	m.faults = &faults{began: m.started, tell: func(text string) { m.print("%s", text) }}
	var err error
	if m.transport, err = o.Target.Transport(""); err != nil {
		return nil, err
	}
	command := o.Spawn
	if command == "" {
		command = "bin/ccomet serve --front {front} --admin {admin}"
	}
	if m.server, err = newServer(o.Target, command); err != nil {
		return nil, err
	}
	m.closers = append(m.closers, m.server.close)
	defer m.close()
	m.server.log.hears = m.readLog
	m.print("soak for %v, seed %d", c.For, c.Seed)
	err = m.live()
	res := m.result(result.KindSoak)
	res.Soak = m.Soak
	m.ended(res)
	return res, errors.Join(err, m.verdict())
}

// live runs the cycles. The last cycle ends with a calm even if the run is interrupted.
func (m *soaking) live() error {
	if err := m.prepare(); err != nil {
		return err
	}
	m.print("%8s %6s %10s %10s %10s %6s %8s %7s %8s %6s %6s %9s %6s %6s", "seconds", "conns", "published", "delivered", "told lost",
		"lost", "doubled", "faults", "upgrades", "kills", "stops", "RES MiB", "fds", "CPU")
	m.end = time.Now().Add(m.c.For)
	for m.ctx.Err() == nil && time.Now().Before(m.end) {
		err := m.cycle()
		if err != nil && m.ctx.Err() == nil {
			return err
		}
		if m.ctx.Err() != nil {
			m.print("ended before its time: the last calm")
		}
		if err := m.calm(); err != nil {
			return err
		}
	}
	return m.ctx.Err()
}

// prepare starts the server and the crowd, and connects every client once.
func (m *soaking) prepare() error {
	attackers := m.Connections / 3
	clients := m.Connections - attackers
	quiet := max(clients/quietEach/2, 2)
	for i := range busyChannels + quiet {
		name := fmt.Sprintf("soak-%d", i)
		if i%7 == 5 {
			name = fmt.Sprintf("soak \"é\" &<%d>", i)
		}
		m.names = append(m.names, name)
	}
	m.limits = soakLimits{keeps: 100, bytes: 1 << 20, subscribers: clients + soakGophers, connections: clients + attackers/2 + soakGophers + 10}
	if err := m.newCrowd(clients, attackers); err != nil {
		return err
	}
	m.life = m.newLife()
	if err := m.launch(m.life); err != nil {
		return err
	}
	for _, name := range m.names {
		if _, err := m.get(m.ctx, m.server.admin, "/sign?expires=864000&cname="+url.QueryEscape(name)); err != nil {
			return err
		}
	}
	if err := m.written(m.ctx); err != nil {
		return err
	}
	return m.order(m.ctx, soakOrder{kind: orderRestart, next: ones(len(m.names)), life: m.life})
}

func ones(n int) []int32 {
	list := make([]int32, n)
	for i := range list {
		list[i] = 1
	}
	return list
}

// newCrowd makes the crowd and runs its loop.
func (m *soaking) newCrowd(clients, attackers int) error {
	c := &soakCrowd{
		random: rand.New(rand.NewPCG(m.c.Seed, 2)), judge: newJudge(m.names, m.limits.keeps, m.limits.bytes, m.faults), faults: m.faults,
		front: m.server.front, admin: m.server.admin, sources: sources(m.server.front, 0, 40000), format: newFormat(m.id, 0), rate: m.c.Rate,
		clients: make([]soakClient, clients), attackers: make([]soakAttacker, attackers), publishers: make([]soakPublisher, 4),
	}
	for i := range c.attackers {
		c.idle = append(c.idle, uint32(i))
	}
	for i := range c.publishers {
		c.publishers[i] = soakPublisher{index: uint32(i), last: map[uint32]int32{}}
	}
	for i := range c.clients {
		c.clients[i] = c.newClient(len(m.names))
		m.places += len(c.clients[i].wants)
	}
	var err error
	if c.loop, err = reactor.NewLoop(c, reactor.Config{}); err != nil {
		return err
	}
	c.mail = reactor.NewMailbox[soakOrder](c.loop)
	c.loop.Timer(soakBeat, 0)
	m.crowd = c
	m.places += c.newGophers(soakGophers, m.names)
	over := make(chan struct{})
	go func() {
		defer close(over)
		if err := c.loop.Run(); err != nil {
			m.faults.fault("the harness itself: %v", err)
		}
	}()
	m.closers = append(m.closers, func() {
		c.loop.Stop()
		<-over
		c.stopGophers()
	})
	return nil
}

// newClient makes a random client.
func (c *soakCrowd) newClient(channels int) soakClient {
	sub := soakClient{
		transport: soakTransport(c.random.IntN(int(soakTransports))),
		plain:     c.random.IntN(10) == 0, old: c.random.IntN(20) == 0, slow: c.random.IntN(10) == 0,
	}
	n := 1
	if c.random.IntN(6) == 0 {
		n = 2 + c.random.IntN(6)
	}
	for _, channel := range c.random.Perm(channels)[:min(n, channels)] {
		sub.wants = append(sub.wants, soakWant{channel: uint32(channel)})
	}
	switch d := c.random.IntN(20); {
	case n > 1:
	case d < 10:
		sub.wants[0].channel = uint32(c.random.IntN(busyChannels))
	case d == 10:
		sub.wants[0].channel = heavyChannel
	}
	for _, w := range sub.wants {
		sub.slow = sub.slow || w.channel == heavyChannel
	}
	return sub
}

// cycle causes events for some time. A life of the server lasts several cycles, and ends in the
// middle of one.
func (m *soaking) cycle() error {
	if err := m.order(m.ctx, soakOrder{kind: orderGo}); err != nil {
		return err
	}
	violent := m.gentle == 0
	if violent {
		m.gentle = 1 + m.random.IntN(3)
	}
	m.gentle--
	until := time.Now().Add(m.c.Cycle)
	if m.end.Before(until) {
		until = m.end
	}
	for time.Now().Before(until) {
		p := newPhase(m.random, len(m.crowd.clients), len(m.crowd.attackers), violent)
		if m.c.Loud {
			m.print("%6.1f s: %v", time.Since(m.started).Seconds(), p)
		}
		if err := m.happen(&p); err != nil {
			return err
		}
		if err := sleep(m.ctx, min(time.Duration(m.random.Int64N(int64(2*time.Second))), time.Until(until))); err != nil {
			return err
		}
	}
	return nil
}

// happen causes one event. It blocks for events of the server's process.
func (m *soaking) happen(p *soakPhase) error {
	m.Phases++
	switch p.kind {
	case phaseFreeze:
		return m.freeze(time.Duration(m.random.Int64N(int64(1500 * time.Millisecond))))
	case phaseUpgrade:
		m.upgrades++
		return m.upgrade()
	case phaseStop:
		m.stops++
		if err := m.stop(); err != nil {
			return err
		}
		return m.restart(false)
	case phaseKill, phaseKillTwice:
		m.kills++
		if err := m.kill(); err != nil {
			return err
		}
		if err := m.restart(true); err != nil || p.kind == phaseKill {
			return err
		}
		if err := sleep(m.ctx, stateEvery/4); err != nil {
			return err
		}
		return m.happen(&soakPhase{kind: phaseKill})
	}
	return m.order(m.ctx, soakOrder{kind: orderPhase, phase: *p})
}

// verdict returns nil, or an error if there were faults, with the command that repeats the run.
func (m *soaking) verdict() error {
	check, other, texts := m.faults.counts()
	m.Soak.Check, m.Other, m.Faults = check, other, texts
	m.Soak.Check.Received = m.counts.received
	m.print("%d lives of the server (%d upgrades, %d stops, %d kills), %d things happened, %d attacks; %d clients left and came back; %d were cut for not reading or not asking; %d messages published, %d delivered, %d told to be lost, %d refusals",
		m.lives, m.upgrades, m.stops, m.kills, m.Phases, m.attacks(), m.counts.left, m.counts.cuts, m.counts.published, m.counts.received, m.counts.toldLost, m.counts.refusals)
	if !check.Failed() && other == 0 {
		m.print("no fault")
		return nil
	}
	return &SoakError{Check: check, Other: other, Seed: m.c.Seed, Command: m.Command}
}

func (m *soaking) attacks() (n int64) {
	for _, v := range m.counts.attacks {
		n += v
	}
	return n
}

// SoakError is returned if a soak has found faults.
type SoakError struct {
	Check   result.Check
	Other   int64
	Seed    uint64
	Command string
}

func (e *SoakError) Error() string {
	command := e.Command
	if !strings.Contains(command, "--seed") {
		command += fmt.Sprintf(" --seed %d", e.Seed)
	}
	return fmt.Sprintf("%d messages lost, %d doubled, %d out of order, %d damaged, %d connections dropped, %d other faults; to repeat it: %s",
		e.Check.Lost, e.Check.Doubled, e.Check.Disordered, e.Check.Damaged, e.Check.Dropped, e.Other, command)
}
