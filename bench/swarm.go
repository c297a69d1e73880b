package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"ccomet/bench/proc"
	"ccomet/bench/result"
)

// swarm is a set of subscribers in as many client processes as necessary.
type swarm struct {
	config    clientConfig
	per       int // maximum number of subscribers of a process
	members   []member
	published int                              // messages announced by expectNext
	pulse     pulse                            // shared by all members
	mu        sync.Mutex                       // guards what members have reported
	moved     func(subscribed, received int64) // called with the progress of all, with mu held; see onMove
}

// member is a client process, with the number of messages that it must receive.
type member struct {
	*child
	subscribers          int
	expected             int64
	subscribed, received int64 // as reported
}

// newSwarm returns a swarm without subscribers.
func newSwarm(config clientConfig, per int) *swarm {
	return &swarm{config: config, per: per, moved: func(int64, int64) {}}
}

// sourcesEach returns the number of source addresses of a client process. One address has
// some 28,000 ports to a server's port, and ports of closed connections may stay in use for
// a while.
func sourcesEach(per int) int { return max(2, (per+19999)/20000) }

// sources returns the source addresses of a client process. [""] lets the kernel choose, if
// the server is not on loopback.
func sources(address string, number, per int) []string {
	ap, err := netip.ParseAddrPort(address)
	if err != nil || !ap.Addr().Is4() || !ap.Addr().IsLoopback() {
		return []string{""}
	}
	list := make([]string, sourcesEach(per))
	for i := range list {
		n := number*len(list) + i
		list[i] = fmt.Sprintf("127.0.%d.%d:0", n/254, n%254+1)
	}
	return list
}

// open opens n more subscribers, whose first message has number next.
func (s *swarm) open(ctx context.Context, n int, next uint32) error {
	for n > 0 {
		if len(s.members) == 0 || s.members[len(s.members)-1].subscribers == s.per {
			if err := s.grow(); err != nil {
				return err
			}
		}
		m := &s.members[len(s.members)-1]
		more := min(n, s.per-m.subscribers)
		m.subscribers += more
		if _, err := m.ask(ctx, "open", "open %d %d", more, next); err != nil {
			return err
		}
		s.mu.Lock()
		m.subscribed = int64(m.subscribers)
		s.mu.Unlock()
		n -= more
	}
	return nil
}

// grow starts another client process.
func (s *swarm) grow() error {
	config := s.config
	number := len(s.members)
	config.Sources = sources(config.Address, number, s.per)
	if config.Own {
		config.Channel += uint32(number * s.per * max(config.Several, 1))
	}
	config.First += number * s.per
	c, err := startChild("client", &s.pulse, func(line string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		m := &s.members[number]
		if _, err := fmt.Sscan(line, &m.subscribed, &m.received); err == nil {
			s.moved(s.progress())
		}
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.members = append(s.members, member{child: c})
	s.mu.Unlock()
	return c.configure(config)
}

// onMove sets the function that is called with the progress of all. When it returns, the
// previous function is not called any more.
func (s *swarm) onMove(f func(subscribed, received int64)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.moved = f
}

// progress adds up what the processes have reported. The caller holds mu.
func (s *swarm) progress() (subscribed, received int64) {
	for i := range s.members {
		subscribed += s.members[i].subscribed
		received += s.members[i].received
	}
	return subscribed, received
}

func (s *swarm) now() (subscribed, received int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.progress()
}

// expected returns the number of messages that must have arrived.
func (s *swarm) expected() (n int64) {
	for i := range s.members {
		n += s.members[i].expected
	}
	return n
}

func (s *swarm) subscribers() (n int) {
	for i := range s.members {
		n += s.members[i].subscribers
	}
	return n
}

// expect announces this many more messages for each subscriber.
func (s *swarm) expect(messages int) error {
	for i := range s.members {
		m := &s.members[i]
		m.expected += int64(messages * m.subscribers * max(s.config.Several, 1))
		if err := m.tell("expect %d", m.expected); err != nil {
			return err
		}
	}
	return nil
}

// expectNext announces the next n messages, which go to the channels in turn, if each
// subscriber has a channel of its own.
func (s *swarm) expectNext(n int) error {
	channels, first := s.subscribers(), 0
	for i := range s.members {
		m := &s.members[i]
		m.expected += int64(ofTurns(s.published+n, channels, first, m.subscribers) - ofTurns(s.published, channels, first, m.subscribers))
		first += m.subscribers
		if err := m.tell("expect %d", m.expected); err != nil {
			return err
		}
	}
	s.published += n
	return nil
}

// ofTurns returns how many of n turns over the channels fall on the channels from first to
// first+some-1.
func ofTurns(n, channels, first, some int) int {
	return n/channels*some + min(max(n%channels-first, 0), some)
}

// received waits until all expected messages have arrived, or cannot arrive any more.
func (s *swarm) received(ctx context.Context) error {
	for i := range s.members {
		m := &s.members[i]
		got, err := m.hear(ctx, "got")
		if err != nil {
			return err
		}
		n, err := strconv.ParseInt(got, 10, 64)
		if err != nil {
			return err
		}
		s.mu.Lock()
		m.received = n
		s.mu.Unlock()
	}
	return nil
}

// forget waits until nothing more arrives, and expects only what has arrived so far.
func (s *swarm) forget(ctx context.Context) error {
	for before := int64(-1); ; {
		var sum int64
		for i := range s.members {
			line, err := s.members[i].ask(ctx, "stats", "stats")
			if err != nil {
				return err
			}
			var one clientStats
			if err = json.Unmarshal([]byte(line), &one); err != nil {
				return err
			}
			s.members[i].expected = one.Received
			sum += one.Received
		}
		if sum == before {
			return nil
		}
		before = sum
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

// tell sends a command to all processes.
func (s *swarm) tell(format string, args ...any) error {
	for i := range s.members {
		if err := s.members[i].tell(format, args...); err != nil {
			return err
		}
	}
	return nil
}

// back waits until all subscribers are subscribed.
func (s *swarm) back(ctx context.Context) error {
	heard := make(chan error)
	for i := range s.members {
		go func() {
			_, err := s.members[i].hear(ctx, "open")
			heard <- err
		}()
	}
	var first error
	for range s.members {
		if err := <-heard; err != nil && first == nil {
			first = err
		}
	}
	return first
}

// stats adds up the results of the subscribers.
func (s *swarm) stats(ctx context.Context) (sum clientStats, latency *hdrhistogram.Histogram, err error) {
	latency = newHistogram()
	for i := range s.members {
		line, err := s.members[i].ask(ctx, "stats", "stats")
		if err != nil {
			return sum, nil, err
		}
		var one clientStats
		if err = json.Unmarshal([]byte(line), &one); err != nil {
			return sum, nil, err
		}
		h, err := hdrhistogram.Decode(one.Latency)
		if err != nil {
			return sum, nil, err
		}
		latency.Merge(h)
		sum.add(&one)
	}
	return sum, latency, nil
}

func (s *clientStats) add(t *clientStats) {
	for _, pair := range [][2]*int64{
		{&s.Subscribed, &t.Subscribed}, {&s.Received, &t.Received}, {&s.Doubled, &t.Doubled}, {&s.Disordered, &t.Disordered},
		{&s.Damaged, &t.Damaged}, {&s.Dropped, &t.Dropped}, {&s.Refused, &t.Refused}, {&s.Returned, &t.Returned}, {&s.Lost, &t.Lost},
	} {
		*pair[0] += *pair[1]
	}
	s.Silence = max(s.Silence, t.Silence)
	if s.Cause == "" {
		s.Cause = t.Cause
	}
}

// check returns the verdict on everything expected so far.
func (s *swarm) check(stats *clientStats) result.Check {
	c := result.Check{
		Received: stats.Received, Doubled: stats.Doubled, Disordered: stats.Disordered,
		Damaged: stats.Damaged, Dropped: stats.Dropped,
	}
	c.Expected = s.expected()
	c.Lost = max(stats.Lost, c.Expected-c.Received, 0)
	return c
}

// FailedError reports that messages or connections were lost. The figures of such a run
// must not be used.
type FailedError struct {
	Check result.Check
	Cause string
}

func (e *FailedError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "of %d messages %d were lost, %d doubled, %d out of order, %d damaged; %d connections dropped",
		e.Check.Expected, e.Check.Lost, e.Check.Doubled, e.Check.Disordered, e.Check.Damaged, e.Check.Dropped)
	if e.Cause != "" {
		fmt.Fprintf(&b, " (first: %s)", e.Cause)
	}
	return b.String()
}

// cpu returns the processor time of the client processes.
func (s *swarm) cpu() (sum proc.CPU, err error) {
	for i := range s.members {
		c, err := s.members[i].CPU()
		if err != nil {
			return sum, err
		}
		sum = sum.Add(c)
	}
	return sum, nil
}

func (s *swarm) close() {
	for i := range s.members {
		_ = s.members[i].in.Close()
	}
	for i := range s.members {
		s.members[i].close()
	}
}

// latencyOf returns the summary of a histogram.
func latencyOf(h *hdrhistogram.Histogram) result.Latency {
	at := func(p float64) float64 { return float64(h.ValueAtPercentile(p)) }
	l := result.Latency{
		Count: h.TotalCount(), Mean: h.Mean(), P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: float64(h.Max()),
	}
	if l.Count == 0 {
		return result.Latency{}
	}
	for _, p := range []float64{0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99, 99.5, 99.9, 99.95, 99.99, 99.999, 100} {
		l.Curve = append(l.Curve, [2]float64{p, at(p)})
	}
	return l
}
