package bench

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"ccomet/bench/result"
)

// calm stops all activity, waits until all clients have caught up, and judges the cycle.
func (m *soaking) calm() error {
	ctx, cancel := context.WithTimeoutCause(m.whole, 3*hangTimeout, errHang)
	defer cancel()
	unsettled := m.settle(ctx)
	if unsettled != nil {
		m.faults.fault("no calm: %v", unsettled)
	}
	if err := m.rest(m.whole); err != nil {
		return err
	}
	if unsettled != nil {
		return errNoCalm
	}
	return nil
}

var errNoCalm = errors.New("without calm nothing further can be judged")

// settle waits until all clients have all messages, and the server has no other connections.
func (m *soaking) settle(ctx context.Context) error {
	if err := m.order(ctx, soakOrder{kind: orderCalm}); err != nil {
		return err
	}
	// Each channel gets one more message: a client that does not receive it is not waiting at
	// all.
	if err := m.order(ctx, soakOrder{kind: orderMark}); err != nil {
		return err
	}
	var next []int32
	err := m.until(ctx, "clients to catch up", func() (bool, string) {
		var err error
		if next, err = m.next(ctx); err != nil {
			return false, err.Error()
		}
		var missing string
		if err = m.order(ctx, soakOrder{kind: orderMissing, next: next, text: &missing}); err != nil {
			return false, err.Error()
		}
		return missing == "", missing
	})
	if err != nil {
		return err
	}
	if err := m.order(ctx, soakOrder{kind: orderJudge, next: next}); err != nil {
		return err
	}
	return m.until(ctx, "the server to have only those who are there", func() (bool, string) { return m.alone(ctx) })
}

// Some polling clients are between two polls at any time, so that many may be missing. The
// server's figures are up to a second old. No connection may be too many.
const (
	absent = 0.05
	stale  = 8
)

// alone reports whether the server has only the clients' connections, or describes which it
// has.
func (m *soaking) alone(ctx context.Context) (bool, string) {
	s, err := m.stats(ctx)
	if err != nil {
		return false, err.Error()
	}
	all, err := m.server.Descriptors()
	if err != nil {
		return false, err.Error()
	}
	clients, own := len(m.crowd.clients)+len(m.crowd.gophers), all-s.Connections
	others := len(m.crowd.publishers) + len(m.crowd.gophers)/3 + stale // a third of them send separate requests, and may be disconnected
	around := func(n, most, more int) bool { return n <= most+more && float64(n) >= float64(most)*(1-absent)-1 }
	return around(s.Connections, clients, others) && around(s.Subscribers, m.places, 0) && s.Channels == len(m.names) && own <= m.descriptors+stale,
		fmt.Sprintf("it has %d connections of %d clients, %d subscribers of %d, %d channels of %d, and %d descriptors of its own, which were %d",
			s.Connections, clients, s.Subscribers, m.places, s.Channels, len(m.names), own, m.descriptors)
}

// rest measures the server while it is idle, and prints the cycle's line.
func (m *soaking) rest(ctx context.Context) error {
	atRest(ctx, m.server.Process)
	var c result.SoakCycle
	var err error
	if c.ResidentBytes, err = m.memory(ctx); err != nil {
		return err
	}
	if c.Descriptors, err = m.server.Descriptors(); err != nil {
		return err
	}
	before, err := m.server.CPU()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := sleep(ctx, time.Second); err != nil {
		return err
	}
	after, err := m.server.CPU()
	if err != nil {
		return err
	}
	if c.IdleCPU = after.Sub(before).All.Seconds() / time.Since(began).Seconds(); c.IdleCPU > restingCPU {
		m.faults.fault("the server takes %.2f processors when nothing is asked of it", c.IdleCPU)
	}
	m.tell(&c)
	return nil
}

// collecting is how long garbage may stay: without allocations, Go's collector runs every two
// minutes, and then returns memory gradually.
const collecting = 5 * time.Minute

// memory returns the resident memory. If that has grown too much, it waits for the collector:
// memory that is not returned then is a fault.
func (m *soaking) memory(ctx context.Context) (int64, error) {
	if err := m.order(ctx, soakOrder{kind: orderCounts, tell: &m.counts}); err != nil {
		return 0, err
	}
	began := time.Now()
	for {
		memory, err := m.server.Memory()
		if err != nil {
			return 0, err
		}
		if m.baseline == 0 {
			m.baseline, m.kept = memory.Resident, m.counts.kept
		}
		most := m.baseline + growthBytes + int64(growthShare*float64(m.baseline)) + 2*max(m.counts.kept-m.kept, 0)
		if memory.Resident <= most {
			return memory.Resident, nil
		}
		if time.Since(began) > collecting {
			m.faults.fault("the server's memory has grown from %.1f to %.1f MiB since the first calm of its life, and stays there: it may grow to %.1f", mib(m.baseline), mib(memory.Resident), mib(most))
			return memory.Resident, nil
		}
		if m.c.Loud {
			m.print("%6.1f s: memory is %.1f MiB, and may be %.1f: waiting for the collector", time.Since(m.started).Seconds(), mib(memory.Resident), mib(most))
		}
		if err := sleep(m.ctx, 10*time.Second); err != nil {
			return memory.Resident, nil // interrupted: it is unknown whether the memory stays
		}
	}
}

// tell prints a cycle's line.
func (m *soaking) tell(c *result.SoakCycle) {
	counts := &m.counts
	check, other, _ := m.faults.counts()
	check.Received = counts.received
	c.Seconds, c.Connections = time.Since(m.started).Seconds(), len(m.crowd.clients)
	c.Published, c.ToldLost, c.Check, c.Other = counts.published, counts.toldLost, check, other
	c.Upgrades, c.Kills, c.Stops = m.upgrades, m.kills, m.stops
	m.Cycles = append(m.Cycles, *c)
	m.print("%8.0f %6d %10d %10d %10d %6d %8d %7d %8d %6d %6d %9.2f %6d %6.3f", c.Seconds, c.Connections, c.Published, check.Received, c.ToldLost,
		check.Lost, check.Doubled, check.Disordered+check.Damaged+check.Dropped+other, c.Upgrades, c.Kills, c.Stops, mib(c.ResidentBytes), c.Descriptors, c.IdleCPU)
}

// freeze stops the server's process for some time (SIGSTOP).
func (m *soaking) freeze(d time.Duration) error {
	if err := syscall.Kill(int(m.server.Process), syscall.SIGSTOP); err != nil {
		return err
	}
	err := sleep(m.ctx, d)
	return errors.Join(err, syscall.Kill(int(m.server.Process), syscall.SIGCONT))
}
