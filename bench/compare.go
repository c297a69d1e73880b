package bench

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"ccomet/bench/proc"
	"ccomet/bench/result"
)

// CompareConfig configures Compare.
type CompareConfig struct {
	Others []*Options // the other servers; only the options for starting a server count
	Rounds int        // rounds of all contestants, in turn
	Only   []string   // names from CompareRows; empty: all
}

// CompareRows returns the names of the measurements of Compare.
func CompareRows() (names []string) {
	for _, g := range compareGroups {
		for _, row := range g.rows {
			names = append(names, row.name)
		}
	}
	for _, row := range connectRows {
		if !slices.Contains(names, row.name) {
			names = append(names, row.name)
		}
	}
	return names
}

// Compare measures this server, others and the bare program in one run. Each row of the
// table is measured in rounds in which all take turns, so that a drift of the machine
// affects all equally. The first contestant changes from round to round.
//
// A server has no figure in a row whose transport it lacks, or whose pipelined publishes it
// does not accept.
func (o *Options) Compare(ctx context.Context, c CompareConfig) (*result.Result, error) {
	m := &compareRun{Options: o, ctx: ctx, c: c, servers: append([]*Options{o}, c.Others...), Compare: new(result.Compare)}
	if err := m.check(); err != nil {
		return nil, err
	}
	began := time.Now()
	m.Rounds, m.LoadBefore = c.Rounds, proc.LoadAverage()
	fmt.Fprintf(o.Out, "%s: %d rounds, some %v; the machine's load average is %.1f\n",
		strings.Join(m.Contestants, ", "), c.Rounds, m.estimate().Round(10*time.Second), m.LoadBefore)
	err := m.measure()
	m.LoadAfter = proc.LoadAverage()
	m.summary()
	m.print()
	label := o.Label
	if label == "" {
		label = o.Target.Label
	}
	return &result.Result{
		Schema: result.Schema, Kind: result.KindCompare, Label: label, Command: o.Command, Started: began.UTC().Truncate(time.Second),
		Machine: proc.ThisMachine(), Seconds: time.Since(began).Seconds(), Interrupted: ctx.Err() != nil,
		Setting: &result.Setting{
			Target: o.Target.Label, Server: m.servers[0].spawned(), Transport: m.transport(o, false), Channels: "both",
			Connections: o.Connections, Clients: (o.Connections + o.PerClient - 1) / o.PerClient, SizeBytes: o.Size,
		},
		Compare: m.Compare,
	}, err
}

// spawned returns the command that starts the server.
func (o *Options) spawned() string {
	if o.Spawn != "" {
		return o.Spawn
	}
	return o.Target.Spawn
}

// compareRun is the state of Compare. Contestants are numbered as in result.Compare: 0 is
// the bare program.
type compareRun struct {
	*Options
	*result.Compare
	ctx     context.Context
	c       CompareConfig
	servers []*Options // servers[i] is contestant i + 1
}

// check validates the configuration, and starts each server once, so that a missing one is
// reported before a run of minutes.
func (m *compareRun) check() error {
	if m.c.Rounds < 1 || len(m.c.Others) > 8 {
		return fmt.Errorf("%d rounds, %d other servers: want at least 1 round, and at most 8 servers", m.c.Rounds, len(m.c.Others))
	}
	for _, name := range m.c.Only {
		if !slices.Contains(CompareRows(), name) {
			return fmt.Errorf("--only is %q: want some of %s", name, strings.Join(CompareRows(), ", "))
		}
	}
	m.Contestants = []string{"bare"}
	for i, o := range m.servers {
		label := o.Label
		if label == "" {
			label = o.Target.Label
		}
		if slices.Contains(m.Contestants, label) {
			label += fmt.Sprintf(" #%d", i+1)
		}
		m.Contestants = append(m.Contestants, label)
		if o != m.Options {
			o.Connections, o.Size, o.PerClient, o.Out, o.Progress = m.Connections, m.Size, m.PerClient, m.Out, nil
		}
		again := *o
		again.Connections = connectsOf(m.Connections)
		r, err := again.start(m.ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", label, err)
		}
		r.close()
	}
	return nil
}

// transport returns a server's transport for streams or polls, or "" if it has none.
func (m *compareRun) transport(o *Options, polls bool) string {
	name := m.Options.Transport
	switch {
	case polls:
		name = "poll"
	case name == "":
		name = "stream"
	}
	if _, err := o.Target.Transport(name); err != nil {
		return ""
	}
	return name
}

func (m *compareRun) wants(name string) bool {
	return len(m.c.Only) == 0 || slices.Contains(m.c.Only, name)
}

func (m *compareRun) measure() error {
	for _, g := range compareGroups {
		if err := m.group(g); err != nil {
			return err
		}
	}
	for _, row := range connectRows {
		if m.wants(row.name) {
			if err := m.connects(row); err != nil {
				return err
			}
		}
	}
	return nil
}

// add adds a row to the table.
func (m *compareRun) add(what, figure, unit string) {
	m.Rows = append(m.Rows, result.CompareRow{What: what, Figure: figure, Unit: unit, Values: make([][]float64, len(m.Contestants))})
}

// inTurn calls do for each contestant in each round, after a first round that does not
// count.
func (m *compareRun) inTurn(rounds int, do func(contestant int, counts bool) error) error {
	n := len(m.Contestants)
	for round := range rounds + 1 {
		for turn := range n {
			at := (turn + round) % n
			if err := do(at, round > 0); err != nil {
				return fmt.Errorf("%s: %w", m.Contestants[at], err)
			}
			if m.ctx.Err() != nil {
				return m.ctx.Err()
			}
		}
	}
	return nil
}

// group measures the rows that share their subscribers.
func (m *compareRun) group(g compareGroup) error {
	g.rows = slices.DeleteFunc(slices.Clone(g.rows), func(row loadRow) bool { return !m.wants(row.name) })
	if len(g.rows) == 0 || m.transport(m.Options, g.polls) == "" {
		return nil
	}
	list, stop, err := m.contestants(g)
	defer stop()
	if err != nil {
		return err
	}
	for _, row := range g.rows {
		fmt.Fprintf(m.Out, "%s …\n", row.what(m.Connections))
		first := len(m.Rows)
		for _, f := range row.figures {
			m.add(row.what(m.Connections), f.what, f.unit)
		}
		l := row.load
		l.publishes = min(l.publishes, 2*m.Connections)
		divisor := l.publishes
		if !g.own {
			divisor *= m.Connections
		}
		err := m.inTurn(m.c.Rounds, func(at int, counts bool) error {
			c := list[at]
			if c == nil || row.depth > 1 && !c.publish.Pipeline {
				return nil
			}
			if err := c.publisher.tell("depth %d", row.depth); err != nil {
				return err
			}
			t, err := c.turn(l)
			if err != nil || !counts {
				return err
			}
			for i, f := range row.figures {
				values := m.Rows[first+i].Values
				values[at] = append(values[at], f.value(t, divisor))
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	for i, c := range list {
		if c == nil {
			continue
		}
		if _, _, _, err := c.verdict(c.subscribers); err != nil {
			return fmt.Errorf("%s: %w", m.Contestants[i], err)
		}
	}
	return nil
}

// contestants starts all contestants with their subscribers. One without the transport is
// nil.
func (m *compareRun) contestants(g compareGroup) (list []*contestant, stop func(), err error) {
	var runs []*run
	stop = func() {
		for _, r := range runs {
			r.close()
		}
	}
	list = make([]*contestant, 1, len(m.Contestants))
	for i, server := range m.servers {
		transport := m.transport(server, g.polls)
		if transport == "" {
			list = append(list, nil)
			continue
		}
		o := *server
		o.Transport, o.Own = transport, g.own
		r, err := o.start(m.ctx)
		if err != nil {
			return nil, stop, err
		}
		runs = append(runs, r)
		list = append(list, r.contestant(g.own))
		if i == 0 {
			if list[0], err = r.bare(g.own, g.polls, false); err != nil {
				return nil, stop, err
			}
			m.BareLanguage = r.bareLanguage
		}
	}
	for i, c := range list {
		if c == nil {
			continue
		}
		if err = c.subscribe(m.Connections); err == nil {
			err = c.publishOver(1, 1)
		}
		if err != nil {
			return nil, stop, fmt.Errorf("%s: %w", m.Contestants[i], err)
		}
	}
	return list, stop, nil
}

// connects measures how all subscribe to a freshly started server.
func (m *compareRun) connects(row connectRow) error {
	n := connectsOf(m.Connections)
	what := row.what(n)
	fmt.Fprintf(m.Out, "%s …\n", what)
	first := len(m.Rows)
	for _, f := range row.figures {
		m.add(what, f.what, f.unit)
	}
	rounds := m.c.Rounds
	if row.rounds > 0 {
		rounds = min(rounds, row.rounds)
	}
	return m.inTurn(rounds, func(at int, counts bool) error {
		server := m.servers[max(at-1, 0)]
		o := *server
		transport := row.transport
		if transport == "stream" {
			transport = m.transport(server, false)
		}
		if _, err := o.Target.Transport(transport); err != nil || transport == "" || !counts && row.rounds > 0 {
			return nil
		}
		o.Transport, o.Own, o.Connections = transport, row.own, n
		t, err := o.connect(m.ctx, at == 0)
		if err != nil || !counts {
			return err
		}
		for i, f := range row.figures {
			values := m.Rows[first+i].Values
			values[at] = append(values[at], f.value(t, n-1))
		}
		return nil
	})
}

// connected is the cost of subscribing all.
type connected struct {
	took     time.Duration
	server   result.Cost // of all subscribers together
	resident int64       // bytes
}

// connect starts the server or the bare program, subscribes one client to warm up, and then
// measures the subscription of all others.
func (o *Options) connect(ctx context.Context, bare bool) (t connected, err error) {
	r, err := o.start(ctx)
	if err != nil {
		return t, err
	}
	defer r.close()
	c := r.contestant(o.Own)
	if bare {
		if c, err = r.bare(o.Own, r.transport.Once, false); err != nil {
			return t, err
		}
	}
	if err = c.subscribe(1); err != nil {
		return t, err
	}
	before, err := c.process.Memory()
	if err != nil {
		return t, err
	}
	c.meter.read = c.meter.read[:1] // there is no publisher
	if err = c.meter.start(); err != nil {
		return t, err
	}
	if err = c.subscribers.open(ctx, o.Connections-1, 1); err != nil {
		return t, err
	}
	t.took = time.Since(c.meter.began)
	atRest(ctx, c.process)
	costs, _, err := c.meter.stop(1)
	if err != nil {
		return t, err
	}
	after, err := c.process.Memory()
	if err != nil {
		return t, err
	}
	t.server, t.resident = costs[0], (after.Resident-after.Program)-(before.Resident-before.Program)
	_, _, _, err = c.verdict(c.subscribers)
	return t, err
}
