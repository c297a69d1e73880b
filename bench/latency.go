package bench

import (
	"context"
	"errors"
	"fmt"

	"github.com/HdrHistogram/hdrhistogram-go"

	"ccomet/bench/result"
)

// LatencyConfig configures Latency.
type LatencyConfig struct {
	Rate       float64 // publishes a second, on schedule; 0: each when the previous one is answered
	Publishes  int     // publishes in a round
	Publishers int     // connections that publish
	Depth      int     // publishes in flight on each
	Rounds     int     // rounds of the server and the bare program, in turn, after one that does not count
}

// Latency measures how long it takes until a message for one subscriber is received, and
// until its publisher is answered, at a steady rate. The channels, with one subscriber
// each, take turns. The baseline is the bare program.
//
// A message contains the time at which it should have been sent, and latencies count from
// there. So a publish that waits for an earlier answer counts as late, and a server that
// stalls is charged for all publishes that were due meanwhile (no coordinated omission).
// Without a rate there is no schedule: latencies count from the sending, and a stall delays
// later publishes without being charged for them.
func (o *Options) Latency(ctx context.Context, c LatencyConfig) (*result.Result, error) {
	if c.Publishers < 1 || c.Rounds < 1 || c.Publishes < 1 || c.Depth < 1 || c.Rate < 0 || c.Rate > MaxRate {
		return nil, fmt.Errorf("%d publishes a round at %g a second over %d connections, %d deep, %d rounds: want a rate of 0 to %g, and one of the rest at least",
			c.Publishes, c.Rate, c.Publishers, c.Depth, c.Rounds, float64(MaxRate))
	}
	o.Own = true
	r, err := o.start(ctx)
	if err != nil {
		return nil, err
	}
	defer r.close()
	if c.Depth > 1 && !r.Target.Publish.Pipeline {
		return nil, fmt.Errorf("--depth is %d: the target %s does not let publishes be pipelined", c.Depth, r.Target.Label)
	}
	res := r.result(result.KindLatency)
	m := &latencyRun{run: r, c: c, OneToOne: &result.OneToOne{
		Rate: c.Rate, Publishes: c.Publishes, Connections: c.Publishers, Depth: c.Depth,
	}}
	res.OneToOne = m.OneToOne
	err = m.measure()
	if m.Rounds > 0 {
		err = errors.Join(err, m.summary())
	}
	r.ended(res)
	return res, err
}

// MaxRate limits LatencyConfig.Rate.
const MaxRate = 1e6

// latencyRun is the state of Latency.
type latencyRun struct {
	*run
	*result.OneToOne
	c          LatencyConfig
	ours, bars latencyContestant
	rounds     rounds
}

// latencyContestant is a contestant with its results.
type latencyContestant struct {
	*contestant
	receipts, answers *hdrhistogram.Histogram
	receipt, answer   []float64 // median of each round
}

func (m *latencyRun) measure() (err error) {
	m.ours.contestant = m.contestant(true)
	if m.bars.contestant, err = m.bare(true, m.transport.Once, false); err != nil {
		return fmt.Errorf("the bare program: %w", err)
	}
	m.BareLanguage = m.bareLanguage
	for _, p := range []*latencyContestant{&m.ours, &m.bars} {
		p.receipts, p.answers = newHistogram(), newHistogram()
		if err = p.subscribe(m.run.Connections); err != nil {
			return err
		}
		if err = p.publishOver(m.c.Publishers, m.c.Depth); err != nil {
			return err
		}
	}
	m.Progress.begin("rounds", int64(m.c.Rounds+1))
	for n := range m.c.Rounds + 1 {
		if err = m.round(n > 0); err != nil {
			return err
		}
		m.Progress.at(int64(n + 1))
	}
	return nil
}

func (m *latencyRun) round(counts bool) error {
	l := load{publishes: m.c.Publishes, rate: m.c.Rate, answers: true}
	ours, err := m.ours.turn(l)
	if err != nil {
		return err
	}
	bare, err := m.bars.turn(l)
	if err != nil || !counts {
		return err
	}
	m.ours.add(ours)
	m.bars.add(bare)
	n := m.c.Publishes
	m.rounds.add(each(ours.server, n), each(bare.server, n), each(ours.client, n), float64(n)/ours.took.Seconds())
	m.Rounds++
	m.print("%s: receipt %s µs, answer %s; bare program in %s: receipt %s, answer %s; server %.2f µs of processor time a publish, bare program %.2f: ratio %.3f",
		m.title(), briefLatency(ours.receipt), briefLatency(ours.answer), m.bareLanguage, briefLatency(bare.receipt), briefLatency(bare.answer),
		ours.server.Micros/float64(n), bare.server.Micros/float64(n), ours.server.Micros/bare.server.Micros)
	return nil
}

func (p *latencyContestant) add(t turn) {
	p.receipts.Merge(t.receipt)
	p.answers.Merge(t.answer)
	p.receipt = append(p.receipt, float64(t.receipt.ValueAtPercentile(50)))
	p.answer = append(p.answer, float64(t.answer.ValueAtPercentile(50)))
}

// briefLatency formats the median and the 99th percentile.
func briefLatency(h *hdrhistogram.Histogram) string {
	return fmt.Sprintf("%d (99 %%: %d)", h.ValueAtPercentile(50), h.ValueAtPercentile(99))
}

func (m *latencyRun) title() string {
	rate := fmt.Sprintf("%g publishes a second", m.c.Rate)
	if m.c.Rate == 0 {
		rate = "one publish after the other"
	}
	if m.c.Publishers > 1 {
		rate += fmt.Sprintf(" over %d connections", m.c.Publishers)
	}
	if m.c.Depth > 1 {
		rate += fmt.Sprintf(", %d deep", m.c.Depth)
	}
	return fmt.Sprintf("%s, %d channels of one %s subscriber, %s", m.Target.Label, m.run.Connections, m.transportName(), rate)
}

// summary computes and prints the results of the completed rounds and the verdict.
func (m *latencyRun) summary() (err error) {
	o := m.OneToOne
	o.PublishesPerSecond = median(m.rounds.rates)
	o.Server, o.Bare, o.Client = m.rounds.costs()
	o.Ratios, o.Ratio = m.rounds.ratios, median(m.rounds.ratios)
	o.Receipt, o.Answer = latencyOf(m.ours.receipts), latencyOf(m.ours.answers)
	o.BareReceipt, o.BareAnswer = latencyOf(m.bars.receipts), latencyOf(m.bars.answers)
	o.ReceiptRatio, o.AnswerRatio = median(quotients(m.ours.receipt, m.bars.receipt)), median(quotients(m.ours.answer, m.bars.answer))
	m.print("%s: medians of %d rounds: server %.2f µs of processor time a publish with its delivery, bare program in %s %.2f: ratio %.3f; client %.2f; half of the receipts after %.2f times as long, of the answers %.2f times",
		m.title(), o.Rounds, o.Server.Micros, m.bareLanguage, o.Bare.Micros, o.Ratio, o.Client.Micros, o.ReceiptRatio, o.AnswerRatio)
	from := "when it should have been sent"
	if m.c.Rate == 0 {
		from = "its sending, which waits for the answer before: what a stall would have held up is left out"
	}
	m.print("From %s, µs:", from)
	m.print("%-28s %10s %10s %10s %10s %10s", "", "50 %", "90 %", "99 %", "99.9 %", "most")
	for _, row := range []struct {
		name string
		l    result.Latency
	}{{"publish to receipt", o.Receipt}, {"publish to answer", o.Answer}, {"bare: publish to receipt", o.BareReceipt}, {"bare: publish to answer", o.BareAnswer}} {
		m.print("%-28s %10.0f %10.0f %10.0f %10.0f %10.0f", row.name, row.l.P50, row.l.P90, row.l.P99, row.l.P999, row.l.Max)
	}
	o.Check, _, _, err = m.verdict(m.ours.subscribers)
	return err
}

// quotients returns the quotients of two lists, for each round. It leaves out divisions by
// 0.
func quotients(a, b []float64) (list []float64) {
	for i := range min(len(a), len(b)) {
		if b[i] != 0 {
			list = append(list, a[i]/b[i])
		}
	}
	return list
}
