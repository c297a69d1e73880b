package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"ccomet/bench/result"
)

// UpgradeConfig configures Upgrade.
type UpgradeConfig struct {
	Upgrades   int
	Publishers int           // keep-alive connections that publish, each to its own channel
	Rate       float64       // publishes a second, of all publishers together
	Window     time.Duration // how long clients are observed, once without an upgrade and once after each
	Churn      int           // connections a second that disconnect and reconnect, all the time
	Beside     string        // another version of the server's program; the upgrades alternate between both; "": none

	Idle    int // further connections, which receive a message only at the end
	History int // messages that the channels of idle connections are given first
}

// Upgrade upgrades a server repeatedly to the program on the disk, while clients of all
// transports wait, and publishers publish. It measures how long clients hear nothing, by their
// own clocks, and compares that with windows without an upgrade. It also measures the server's
// memory.
func (o *Options) Upgrade(ctx context.Context, c UpgradeConfig) (*result.Result, error) {
	switch {
	case c.Upgrades < 1 || c.Publishers < 1 || c.Rate <= 0 || c.Window <= 0 || c.Churn < 0:
		return nil, errors.New("upgrades, publishers, the rate and the window must be above 0, and the churn not below")
	case o.Target.Process != "ccomet":
		return nil, fmt.Errorf("%s: only a ccomet can be upgraded", o.Target.Label)
	case float64(c.Publishers)/c.Rate > c.Window.Seconds():
		return nil, fmt.Errorf("a client gets a message each %.1f s, and is watched for %v: want a higher rate, or a longer window", float64(c.Publishers)/c.Rate, c.Window)
	case c.Idle < 0 || c.History < 0:
		return nil, errors.New("idle connections and the messages of their channels must not be below 0")
	case c.Beside != "" && (o.Running || o.PID != 0):
		return nil, errors.New("only a ccomet that is started here can have another version take turns with it")
	}
	all := *o
	all.Connections += c.Idle // the limits must allow them
	r, err := all.startBy(ctx, installer(c.Beside))
	if err != nil {
		return nil, err
	}
	defer r.close()
	res := r.result(result.KindUpgrade)
	m := &upgradeRun{run: r, c: c, quiet: newHistogram(), meanwhile: newHistogram(),
		UpgradeRun: &result.UpgradeRun{Publishers: c.Publishers, Rate: c.Rate, Churn: c.Churn, Idle: c.Idle, IdleHistory: c.History}}
	res.Upgrade, res.Setting.Channels = m.UpgradeRun, fmt.Sprintf("%d", c.Publishers)
	if o.Transport == "" {
		res.Setting.Transport = "all"
	}
	err = m.measure()
	res.Setting.Clients = m.processes()
	r.ended(res)
	return res, err
}

// upgradeRun is a running Upgrade.
type upgradeRun struct {
	*run
	*result.UpgradeRun
	c         UpgradeConfig
	swarms    []*swarm // clients that receive messages all the time
	publisher *child
	idle      *idlers // nil: no idle connections
	quiet     *hdrhistogram.Histogram
	meanwhile *hdrhistogram.Histogram

	dataBefore int64   // BytesBefore without the pages of the program's file
	dataAfter  []int64 // the same after each upgrade
}

// severally is the number of channels of a client that waits for several.
const severally = 3

func (m *upgradeRun) measure() (err error) {
	if err = m.open(); err != nil {
		return err
	}
	if m.c.Idle > 0 {
		if m.idle, err = m.openIdlers(m.c.Idle, m.c.History); err != nil {
			return err
		}
	}
	if m.publisher, err = m.publisherOf(publisherConfig{Channels: m.c.Publishers, Connections: m.c.Publishers, Depth: 1, Counts: true}); err != nil {
		return err
	}
	if err = m.publisher.tell("pace %d %g", 1<<40, m.c.Rate); err != nil {
		return err
	}
	if m.c.Churn > 0 {
		for _, s := range m.swarms {
			if err = s.tell("churn %d", (m.c.Churn+m.processes()-1)/m.processes()); err != nil {
				return err
			}
		}
	}
	if _, err = m.window(m.c.Window, nil); err != nil {
		return err
	}
	before, err := m.server.Footprint()
	if err != nil {
		return err
	}
	m.BytesBefore, m.dataBefore = before.Bytes, before.Data()
	m.print("%s, %d connections that hear %d publishers, %g messages a second; %d idle", m.Target.Label, m.Connections-m.c.Idle, m.c.Publishers, m.c.Rate, m.c.Idle)
	m.Progress.begin("upgrades", int64(m.c.Upgrades))
	for n := range m.c.Upgrades {
		if err = m.upgrade(n); err != nil {
			return err
		}
		m.Progress.at(int64(n + 1))
	}
	return m.after()
}

// open opens the same number of connections for each transport.
func (m *upgradeRun) open() error {
	var ways []clientConfig
	names := []string{"stream", "sse", "poll", "jsonp", "ws"}
	if m.Transport != "" {
		names = []string{m.Transport}
	}
	for _, name := range names {
		t, err := m.Target.Transport(name)
		if err != nil {
			return err
		}
		ways = append(ways, clientConfig{Transport: *t})
		if t.Also != "" {
			ways = append(ways, clientConfig{Transport: *t, Several: min(severally, m.c.Publishers)})
		}
	}
	m.Progress.begin("connections", int64(m.Connections))
	opened, all := 0, m.Connections-m.c.Idle
	for i, way := range ways {
		n := all*(i+1)/len(ways) - opened
		way.Spread, way.First = m.c.Publishers, opened
		s := m.swarmOf(way)
		m.swarms = append(m.swarms, s)
		if err := s.open(m.ctx, n, 1); err != nil {
			return err
		}
		opened += n
		m.Progress.at(int64(opened))
	}
	return nil
}

func (m *upgradeRun) processes() (n int) {
	for _, s := range m.swarms {
		n += len(s.members)
	}
	return n
}

// window observes all clients for a while, and returns the longest silence of a client. It adds
// the latencies to a histogram.
func (m *upgradeRun) window(d time.Duration, into *hdrhistogram.Histogram) (silence time.Duration, err error) {
	if err := sleep(m.ctx, d); err != nil {
		return 0, err
	}
	for _, s := range m.swarms {
		stats, latency, err := s.stats(m.ctx)
		if err != nil {
			return 0, err
		}
		if err := s.tell("fresh"); err != nil {
			return 0, err
		}
		if into != nil {
			into.Merge(latency)
		}
		silence = max(silence, time.Duration(stats.Silence))
		if stats.Dropped+stats.Doubled+stats.Disordered+stats.Damaged+stats.Lost > 0 {
			return 0, &FailedError{s.check(&stats), stats.Cause}
		}
	}
	return silence, nil
}

// upgrade observes a window without an upgrade, then upgrades the server, and observes another
// window.
func (m *upgradeRun) upgrade(n int) error {
	quiet, err := m.window(m.c.Window, m.quiet)
	if err != nil {
		return err
	}
	began := time.Now()
	var peak *watch
	if n == 0 {
		peak = watchPeak(m.server.Process)
	}
	status, err := m.server.upgrade(m.ctx, n+1)
	if peak != nil {
		bytes, data := peak.end()
		m.PeakBytes, m.MoreBytes = max(bytes, m.BytesBefore), max(data-m.dataBefore, 0)
	}
	if err != nil {
		return err
	}
	one := result.Upgrade{Version: status.Version, Seconds: time.Since(began).Seconds(), PauseMillis: status.Pause * 1e3, QuietMillis: millis(quiet)}
	silence, err := m.window(m.c.Window, m.meanwhile)
	if err != nil {
		return err
	}
	one.SilenceMillis = millis(silence)
	now, err := m.server.Footprint()
	if err != nil {
		return err
	}
	one.Bytes = now.Bytes
	m.dataAfter = append(m.dataAfter, now.Data())
	if one.Descriptors, err = m.server.Descriptors(); err != nil {
		return err
	}
	m.Each = append(m.Each, one)
	m.print("%3d: now %s, after %.2f s; a pause of %.1f ms; longest silence of a client %.0f ms, %.0f ms without an upgrade; %.1f MiB, %d descriptors",
		n+1, one.Version, one.Seconds, one.PauseMillis, one.SilenceMillis, one.QuietMillis, mib(one.Bytes), one.Descriptors)
	return nil
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// after waits until all messages have arrived, and checks them.
func (m *upgradeRun) after() error {
	if m.c.Churn > 0 {
		for _, s := range m.swarms {
			if err := s.tell("churn 0"); err != nil {
				return err
			}
		}
		for _, s := range m.swarms {
			if err := s.back(m.ctx); err != nil {
				return err
			}
		}
	}
	said, err := m.publisher.ask(m.ctx, "published", "rest")
	if err != nil {
		return err
	}
	var published int
	if _, err := fmt.Sscan(said, &published, &m.Refused); err != nil {
		return fmt.Errorf("the publisher says %q: %w", said, err)
	}
	for _, s := range m.swarms {
		if err := s.expect(published / m.c.Publishers); err != nil {
			return err
		}
	}
	var failed error
	for _, s := range m.swarms {
		failed = cmp.Or(failed, m.judge(s, m.arrived(s)))
	}
	if m.idle != nil {
		failed = cmp.Or(failed, m.judge(m.idle.swarm, m.idle.send(1)))
	}
	m.Published = int64(published)
	m.summary()
	if failed == nil && m.Refused > 0 {
		failed = fmt.Errorf("%d publishes or connections were refused", m.Refused)
	}
	return failed
}

// judge adds up the results of the clients. err says why messages have not arrived.
func (m *upgradeRun) judge(s *swarm, err error) error {
	check, stats, _, failed := m.verdict(s)
	m.Check = sum(m.Check, check)
	if stats != nil {
		m.Refused += stats.Refused
	}
	return cmp.Or(failed, err)
}

func sum(a, b result.Check) result.Check {
	return result.Check{
		Expected: a.Expected + b.Expected, Received: a.Received + b.Received, Lost: a.Lost + b.Lost, Doubled: a.Doubled + b.Doubled,
		Disordered: a.Disordered + b.Disordered, Damaged: a.Damaged + b.Damaged, Dropped: a.Dropped + b.Dropped,
	}
}

// summary prints the results of all upgrades.
func (m *upgradeRun) summary() {
	m.Quiet, m.Meanwhile = latencyOf(m.quiet), latencyOf(m.meanwhile)
	var pauses, beyond []float64
	for _, u := range m.Each {
		pauses, beyond = append(pauses, u.PauseMillis), append(beyond, u.SilenceMillis-u.QuietMillis)
	}
	m.PauseMillis, m.PauseMostMillis = median(pauses), slices.Max(pauses)
	m.BeyondMillis, m.BeyondMostMillis = median(beyond), slices.Max(beyond)
	first, last := m.Each[0], m.Each[len(m.Each)-1]
	c := &m.Check
	m.print("%d upgrades: %d connections dropped; of %d messages to clients %d lost, %d doubled, %d out of order, %d damaged; of %d publishes and all connections %d refused",
		len(m.Each), c.Dropped, c.Expected, c.Lost, c.Doubled, c.Disordered, c.Damaged, m.Published, m.Refused)
	m.print("pause: median %.1f ms, most %.1f ms; longest silence of a client beyond the one without an upgrade: median %.0f ms, most %.0f ms",
		m.PauseMillis, m.PauseMostMillis, m.BeyondMillis, m.BeyondMostMillis)
	m.print("memory: %.1f MiB before, %.1f at the peak of the first, %.1f after the first, %.1f after the last; descriptors %d, %d",
		mib(m.BytesBefore), mib(m.PeakBytes), mib(first.Bytes), mib(last.Bytes), first.Descriptors, last.Descriptors)
	m.print("but for pages of the program's file: %.1f MiB before, at the peak of the first %.1f more, which is %.1f %%; %.1f after the first, %.1f after the last",
		mib(m.dataBefore), mib(m.MoreBytes), 100*float64(m.MoreBytes)/float64(m.dataBefore), mib(m.dataAfter[0]), mib(m.dataAfter[len(m.dataAfter)-1]))
	m.print("without an upgrade: %s", latencyLine(m.Quiet))
	m.print("with one:           %s", latencyLine(m.Meanwhile))
}
