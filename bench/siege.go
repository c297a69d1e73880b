package bench

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"ccomet/bench/result"
)

// SiegeConfig configures Siege.
type SiegeConfig struct {
	Each   time.Duration // duration of each attack, and of the quiet phase before it; whole seconds
	Probe  time.Duration // interval of messages to connected clients
	Rate   int           // connections that an attack opens in a second
	Rounds int           // rounds of each attack
}

// attacks are those of slowhttptest, with its flags except the number of connections, their
// rate, the duration and the address.
var attacks = []struct{ name, flags, path string }{
	{"slow headers", "-H -i 1 -t GET -x 24 -p 3", "/stream?cname=siege"},
	{"slow bodies", "-B -i 1 -t POST -s 190000 -x 1000 -p 3", "/ping"},
	{"slow reading", "-X -w 512 -y 1024 -n 5 -z 32 -k 3 -p 3", "/stream?cname=siege&seq=1"},
}

// Siege exposes a server to hostile clients, and measures the effect on others: connected
// clients, and newcomers. First slowhttptest takes all connections that the server permits,
// in each of its ways; then floods try to exhaust the memory.
func (o *Options) Siege(ctx context.Context, c SiegeConfig) (*result.Result, error) {
	if c.Each < time.Second || c.Probe <= 0 || c.Rate < 1 || c.Rounds < 1 {
		return nil, errors.New("an attack takes a second at least, one connection a second, and a round")
	}
	if _, err := exec.LookPath("slowhttptest"); err != nil {
		return nil, fmt.Errorf("attacks: %w (apt-get install slowhttptest, or make bench-siege)", err)
	}
	o.Own = false
	limited, err := o.with(fmt.Sprintf("--max-connections %d", o.Connections))
	if err != nil {
		return nil, err
	}
	r, err := limited.start(ctx)
	if err != nil {
		return nil, err
	}
	defer r.close()
	res := r.result(result.KindSiege)
	m := &siegeRun{bystanders: bystanders{run: r}, c: c, Siege: &result.Siege{Slots: o.Connections}}
	res.Siege = m.Siege
	err = m.attackAll()
	r.close()
	for n := 0; n < len(floods) && err == nil; n++ {
		var f result.Flood
		if f, err = o.flood(ctx, c, &floods[n]); err == nil {
			m.Floods = append(m.Floods, f)
		}
	}
	r.ended(res)
	return res, err
}

// siegeRun is the state of Siege.
type siegeRun struct {
	bystanders
	*result.Siege
	c SiegeConfig
}

func (m *siegeRun) attackAll() error {
	if err := m.bystanders.open(); err != nil {
		return err
	}
	if err := m.fillChannel("siege"); err != nil {
		return err
	}
	m.print("%s, max-connections %d: %d of those who wait, and newcomers, beside attacks of %v", m.Target.Label, m.Connections, probes, m.c.Each)
	m.Progress.begin("attacks", int64(len(attacks)))
	for n, a := range attacks {
		if err := m.attack(a.name, a.flags, a.path); err != nil {
			return fmt.Errorf("%s: %w", a.name, err)
		}
		m.Progress.at(int64(n + 1))
	}
	return nil
}

// attack measures quiet phases and attacks in turn.
func (m *siegeRun) attack(name, flags, path string) error {
	a := result.Attack{Name: name}
	var p50, p99 []float64
	for range m.c.Rounds {
		quiet, err := m.phase(m.c, nil)
		if err != nil {
			return err
		}
		under, err := m.phase(m.c, func(ctx context.Context) error { return m.slowhttptest(ctx, flags, path) })
		if err != nil {
			return err
		}
		r := result.AttackRound{
			Quiet: quiet.latency, Meanwhile: under.latency, QuietNewcomers: quiet.newcomers, Newcomers: under.newcomers,
			ResidentBefore: under.before, ResidentPeak: under.peak, ServerProcessors: under.processors,
		}
		a.Rounds, a.Connections = append(a.Rounds, r), max(a.Connections, under.connections)
		p50, p99 = append(p50, r.Meanwhile.P50/r.Quiet.P50), append(p99, r.Meanwhile.P99/r.Quiet.P99)
		m.print("%s, up to %d connections: latency of those who wait, ms: 50 %% %.2f, quiet %.2f (ratio %.2f); 99 %% %.2f, %.2f (%.2f); server: %.0f %% of a processor, %.1f MiB resident at the most, %.1f before",
			name, under.connections, r.Meanwhile.P50/1e3, r.Quiet.P50/1e3, p50[len(p50)-1], r.Meanwhile.P99/1e3, r.Quiet.P99/1e3, p99[len(p99)-1],
			r.ServerProcessors*100, mib(r.ResidentPeak), mib(r.ResidentBefore))
		m.print("  newcomers: %s; quiet: %s", newcomerWords(r.Newcomers), newcomerWords(r.QuietNewcomers))
		if err := m.gone(probes); err != nil { // the next phase starts when no connection of the attack is left
			return err
		}
	}
	a.RatioP50, a.RatioP99 = median(p50), median(p99)
	m.Attacks = append(m.Attacks, a)
	if a.Connections < int64(m.Connections)*9/10 {
		m.print("  %d of %d connections were taken at the most: more --each, or a machine that is less busy, for the whole of it", a.Connections, m.Connections)
	}
	m.print("%s, medians of %d rounds: latency of those who wait ÷ quiet: 50 %% %.2f, 99 %% %.2f", name, len(p50), a.RatioP50, a.RatioP99)
	return nil
}

// attackers is the number of slowhttptest processes that share an attack: one process opens
// only some hundreds of connections a second. They run at a lower priority than the server
// and the harness, because in reality they would run on other machines.
const attackers = 2

// slowhttptest attacks until it has finished or ctx is done.
func (m *siegeRun) slowhttptest(ctx context.Context, flags, path string) error {
	share := func(n int) string { return fmt.Sprint((n + attackers - 1) / attackers) }
	argv := append(strings.Fields("-n 10 slowhttptest "+flags), "-c", share(m.Connections), "-r", share(m.c.Rate),
		"-l", fmt.Sprint(int(m.c.Each.Seconds())), "-u", "http://"+m.server.front+path)
	return together(attackers, func(int) error {
		out, err := exec.CommandContext(ctx, "nice", argv...).CombinedOutput()
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("nice %s: %w: %s", strings.Join(argv, " "), err, out[max(0, len(out)-500):])
		}
		return nil
	})
}

// gone waits until about as few connections are left as there should be.
func (b *bystanders) gone(most int64) error {
	for range 600 {
		n, err := b.figure("connections")
		if err != nil || n <= most+10 {
			return err
		}
		if err := sleep(b.ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
	return errors.New("connections of an attack are there two minutes after it")
}

// phase is the result of a phase.
type phase struct {
	latency      result.Latency
	newcomers    result.Newcomer
	connections  int64
	before, peak int64 // resident memory
	processors   float64
}

// phase runs do for a time or until it returns, while messages are sent to waiting clients
// and newcomers connect.
func (b *bystanders) phase(c SiegeConfig, do func(context.Context) error) (p phase, err error) {
	if err = b.stay.tell("fresh"); err != nil {
		return p, err
	}
	memory, err := b.server.Memory()
	if err != nil {
		return p, err
	}
	p.before = memory.Resident
	if err = b.server.ResetPeak(); err != nil {
		return p, err
	}
	cpu, err := b.server.CPU()
	if err != nil {
		return p, err
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(b.ctx, c.Each)
	defer cancel()
	watched := make(chan error, 3)
	var come newcomers
	go func() { watched <- b.probe(ctx, c.Probe) }()
	go func() { watched <- come.run(ctx, b.server.front, c.Probe) }()
	go func() { watched <- b.count(ctx, &p.connections) }()
	if do != nil {
		err = do(ctx)
	}
	if err == nil {
		<-ctx.Done()
	}
	cancel()
	err = errors.Join(err, <-watched, <-watched, <-watched, b.ctx.Err())
	if err != nil {
		return p, err
	}
	after, err := b.server.CPU()
	if err != nil {
		return p, err
	}
	p.processors = after.Sub(cpu).All.Seconds() / time.Since(began).Seconds()
	if p.peak, err = b.server.Peak(); err != nil {
		return p, err
	}
	p.newcomers = come.result()
	p.latency, err = b.stayed()
	return p, err
}

// count records the maximum number of connections.
func (b *bystanders) count(ctx context.Context, most *int64) error {
	for sleep(ctx, 200*time.Millisecond) == nil {
		n, err := b.figure("connections")
		if err != nil {
			return err
		}
		*most = max(*most, n)
	}
	return nil
}
