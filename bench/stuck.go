package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"ccomet/bench/result"
)

// StuckConfig configures Stuck.
type StuckConfig struct {
	Readers  int // readers that do not read
	Messages int // messages in a round
	Rounds   int // rounds without and with them, in turn
}

// fillBurst is how many messages are published together to fill the readers' buffers.
const fillBurst = 50

// fillBytes is how much content is published before the first check of which readers are
// stuck: the kernel buffers hardly less for a reader.
const fillBytes = 64 << 10

// Stuck measures how readers that have stopped reading affect the others of their channel.
// Rounds without and with them take turns; the ratio of the latencies counts. At the end
// the server closes the stuck ones, and they reconnect with their cursors. It works only
// with this server, whose /stats counts closed readers.
func (o *Options) Stuck(ctx context.Context, c StuckConfig) (*result.Result, error) {
	if c.Readers < 1 || c.Messages < 1 || c.Rounds < 1 {
		return nil, fmt.Errorf("%d stuck readers, %d messages, %d rounds: want one of each at least", c.Readers, c.Messages, c.Rounds)
	}
	if o.Target.Process != "ccomet" || o.Transport != "" && o.Transport != "stream" {
		return nil, errors.New("stuck readers can only be measured with ccomet, and --transport stream")
	}
	o.Own = false
	r, err := o.start(ctx)
	if err != nil {
		return nil, err
	}
	defer r.close()
	res := r.result(result.KindStuck)
	m := &stuckRun{run: r, c: c, Stuck: &result.Stuck{Readers: c.Readers, Messages: c.Messages}}
	res.Stuck = m.Stuck
	err = m.measure()
	r.ended(res)
	return res, err
}

// stuckRun is the state of Stuck.
type stuckRun struct {
	*run
	*result.Stuck
	c         StuckConfig
	good      *swarm
	publisher *child
	bad       *readers
	published int32
	stuckAt   time.Time
	cutBefore int64

	quiet, stuck, each []float64 // memory growth for each message, and for each stuck reader
}

func shared(int) uint32 { return 0 }

func (m *stuckRun) measure() (err error) {
	m.Progress.begin("connections", int64(m.Connections))
	m.good = m.swarm(0, false)
	m.good.onMove(func(subscribed, _ int64) { m.Progress.at(subscribed) })
	if err = m.good.open(m.ctx, m.Connections, 1); err != nil {
		return err
	}
	m.good.onMove(func(int64, int64) {})
	if m.publisher, err = m.run.publisher(0, 1, 1, fillBurst); err != nil {
		return err
	}
	m.bad = m.newReaders()
	m.closers = append(m.closers, m.bad.close)
	m.Progress.begin("rounds", int64(m.c.Rounds+1))
	for n := range m.c.Rounds + 1 {
		if err = m.pair(n > 0, n == m.c.Rounds); err != nil {
			return err
		}
		m.Progress.at(int64(n + 1))
	}
	m.summary()
	m.Progress.begin("until all are cut, seconds", 0)
	if err = m.cut(); err != nil {
		return err
	}
	return m.back()
}

// pair runs a round without stuck readers and one with them. The first pair does not count.
// After the last, the stuck readers stay.
func (m *stuckRun) pair(counts, last bool) error {
	quiet, grown, err := m.round()
	if err != nil {
		return err
	}
	before, err := m.server.Memory()
	if err != nil {
		return err
	}
	if err = m.stick(); err != nil {
		return err
	}
	after, err := m.server.Memory()
	if err != nil {
		return err
	}
	beside, grownBeside, err := m.round()
	if err != nil {
		return err
	}
	if cut, err := m.figure("cut"); err != nil || cut != m.cutBefore {
		return errors.Join(err, fmt.Errorf("%d stuck readers were cut while others were measured: have fewer --messages, or a longer --write-timeout (--spawn)", cut-m.cutBefore))
	}
	if !last {
		m.bad.close()
		atRest(m.ctx, m.server.Process)
	}
	if !counts {
		return nil
	}
	m.Rounds++
	m.quiet, m.stuck = append(m.quiet, grown), append(m.stuck, grownBeside)
	m.each = append(m.each, float64(after.Resident-before.Resident)/float64(m.c.Readers))
	m.Quiet, m.Beside = append(m.Quiet, quiet), append(m.Beside, beside)
	m.print("%d: latency of the others, ms: 50 %% %.2f, with %d stuck %.2f (ratio %.3f); 99 %% %.2f, %.2f (%.3f); memory a message %.0f bytes, %.0f; to get stuck %.0f bytes a reader",
		m.Rounds, quiet.P50/1e3, m.c.Readers, beside.P50/1e3, beside.P50/quiet.P50, quiet.P99/1e3, beside.P99/1e3, beside.P99/quiet.P99, grown, grownBeside, m.each[len(m.each)-1])
	return nil
}

// round publishes messages one by one. grown is the growth of memory for each.
func (m *stuckRun) round() (latency result.Latency, grown float64, err error) {
	if err = m.good.tell("fresh"); err != nil {
		return latency, 0, err
	}
	before, err := m.server.Memory()
	if err != nil {
		return latency, 0, err
	}
	for range m.c.Messages {
		if err = m.publish(1); err != nil {
			return latency, 0, err
		}
	}
	after, err := m.server.Memory()
	if err != nil {
		return latency, 0, err
	}
	m.Check, _, latency, err = m.verdict(m.good)
	return latency, float64(after.Resident-before.Resident) / float64(m.c.Messages), err
}

// publish publishes messages, and waits until the good subscribers have received them.
func (m *stuckRun) publish(n int) error {
	if err := m.good.expect(n); err != nil {
		return err
	}
	if _, err := m.publisher.ask(m.ctx, "published", "publish %d", n); err != nil {
		return err
	}
	m.published += int32(n)
	return m.arrived(m.good)
}

// stick connects readers, and publishes until the server no longer writes to them.
func (m *stuckRun) stick() (err error) {
	if m.cutBefore, err = m.figure("cut"); err != nil {
		return err
	}
	if err = m.bad.open(m.c.Readers, shared); err != nil {
		return fmt.Errorf("connecting a reader that will be stuck: %w", err)
	}
	m.stuckAt = time.Now()
	const most = 200
	for n := range most {
		if err = m.publish(fillBurst); err != nil {
			return err
		}
		if (n+1)*fillBurst*m.Size < fillBytes {
			continue
		}
		atRest(m.ctx, m.server.Process) // so that the last in the roster was written to
		before := m.server.Writes()
		if err = m.publish(1); err != nil {
			return err
		}
		atRest(m.ctx, m.server.Process)
		if int(m.server.Writes()-before) < m.Connections+m.c.Readers/20+10 {
			return m.allThere()
		}
	}
	return fmt.Errorf("%d messages have not got %d readers stuck: give a larger --size", most*(fillBurst+1), m.c.Readers)
}

// allThere verifies that the readers are stuck and not closed. The kernel's timeout starts
// when they stop reading, not when its buffers are full.
func (m *stuckRun) allThere() error {
	if err := sleep(m.ctx, time.Second); err != nil { // /stats is rendered once a second
		return err
	}
	if n, err := m.figure("subscribers"); err != nil || int(n) != m.Connections+m.c.Readers {
		return errors.Join(err, fmt.Errorf("%d of %d readers are there when all should be stuck: have fewer, or a longer --write-timeout (--spawn)", int(n)-m.Connections, m.c.Readers))
	}
	return nil
}

// figure returns a number of /stats, which the server renders once a second.
func (r *run) figure(name string) (int64, error) {
	response, err := http.Get("http://" + r.server.admin + "/stats")
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	var figures map[string]int64
	if err := json.NewDecoder(response.Body).Decode(&figures); err != nil {
		return 0, fmt.Errorf("/stats: %w", err)
	}
	value, ok := figures[name]
	if !ok {
		return 0, fmt.Errorf("/stats has no %s", name)
	}
	return value, nil
}

func (m *stuckRun) summary() {
	ratios := func(of func(result.Latency) float64) (list []float64) {
		for n := range m.Quiet {
			list = append(list, of(m.Beside[n])/of(m.Quiet[n]))
		}
		return list
	}
	m.RatioP50 = median(ratios(func(l result.Latency) float64 { return l.P50 }))
	m.RatioP99 = median(ratios(func(l result.Latency) float64 { return l.P99 }))
	m.QuietBytesPerMessage, m.BytesPerMessage = median(m.quiet), median(m.stuck)
	m.BytesPerReader = median(m.each)
	m.print("%s, %d subscribers of a channel, medians of %d rounds: with %d stuck readers among them the latency of the others is %.3f of that without at 50 %%, %.3f at 99 %%; a message takes %.0f bytes of resident memory, %.0f without; a reader %.0f to get stuck",
		m.Target.Label, m.Connections, m.Rounds, m.c.Readers, m.RatioP50, m.RatioP99, m.BytesPerMessage, m.QuietBytesPerMessage, m.BytesPerReader)
}

// cut waits until the server has closed all stuck readers.
func (m *stuckRun) cut() error {
	for {
		n, err := m.figure("cut")
		if err != nil {
			return err
		}
		m.Cut = n - m.cutBefore
		m.CutSeconds = time.Since(m.stuckAt).Seconds()
		if m.Cut >= int64(m.c.Readers) {
			m.print("all %d were cut within %.1f s after they had stopped reading", m.Cut, m.CutSeconds)
			return nil
		}
		if time.Since(m.stuckAt) > 5*time.Minute {
			return fmt.Errorf("%d of %d stuck readers were cut in %.0f s", m.Cut, m.c.Readers, m.CutSeconds)
		}
		if err = sleep(m.ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
}

// back makes the readers reconnect, and checks what they receive.
func (m *stuckRun) back() error {
	if err := m.bad.back(shared, m.published); err != nil {
		return fmt.Errorf("reconnecting a reader that was cut: %w", err)
	}
	var cause string
	var missed []float64
	for _, r := range m.bad.list {
		missed = append(missed, float64(r.told))
		if r.told > 0 {
			m.Told++
		}
		if r.fault == "" {
			m.Resumed++
		} else if cause == "" {
			cause = r.fault
		}
	}
	m.print("%d of them came back with their cursor and have no gap that they were not told of; %d were told of one, the median of %.0f messages", m.Resumed, m.Told, median(missed))
	if cause != "" {
		return fmt.Errorf("%d of %d readers that came back missed or doubled something: the first: %s", m.c.Readers-m.Resumed, m.c.Readers, cause)
	}
	var err error
	m.Check, _, _, err = m.verdict(m.good)
	return err
}
