package bench

import (
	"fmt"
	"math"
	"time"

	"ccomet/bench/result"
)

// settled is how long memory may change after the start of a churn.
const settled = time.Minute

// churn makes a share of the connections leave and return each second, and samples the
// server's memory and descriptors.
func (m *holdRun) churn() error {
	m.Samples, m.SlopeBytes = nil, 0
	m.print("churn: %.3g %% of the connections leave and come back each second, for %v", m.h.Churn*100, m.h.For)
	m.print("%11s %10s %10s %10s %8s", "seconds", "VIRT MiB", "RES MiB", "PSS MiB", "fds")
	for i := range m.swarm.members {
		member := &m.swarm.members[i]
		if err := member.tell("churn %d", int(math.Ceil(m.h.Churn*float64(member.subscribers)))); err != nil {
			return err
		}
	}
	began := time.Now()
	m.Progress.begin("churn, seconds", int64(m.h.For.Seconds()))
	for time.Since(began) < m.h.For {
		if err := sleep(m.ctx, min(m.h.Every, m.h.For-time.Since(began))); err != nil {
			return err
		}
		m.Progress.at(int64(time.Since(began).Seconds()))
		s, err := m.sample(m.Connections)
		if err != nil {
			return err
		}
		s.Seconds = time.Since(began).Seconds()
		m.Samples = append(m.Samples, s)
		m.print("%11.0f %10.1f %10.2f %10.2f %8d", s.Seconds, mib(s.VirtualBytes), mib(s.ResidentBytes), mib(s.ProportionalBytes), s.Descriptors)
	}
	m.Progress.end()
	return m.churned()
}

// churned waits until all clients have returned. It returns an error if descriptors leaked.
func (m *holdRun) churned() error {
	if err := m.swarm.tell("churn 0"); err != nil {
		return err
	}
	if err := m.swarm.back(m.ctx); err != nil {
		return err
	}
	atRest(m.ctx, m.server.Process)
	last, err := m.sample(m.Connections)
	if err != nil {
		return err
	}
	stats, _, err := m.swarm.stats(m.ctx)
	if err != nil {
		return err
	}
	m.Returned, m.DescriptorsAtTheEnd = stats.Returned, last.Descriptors
	m.EndBytes = float64(last.ResidentBytes) / float64(m.Connections)
	m.DriftBytesPerMinute = drift(m.Samples)
	m.print("%d left and came back (%d refused first); resident memory after the first minute: %+.1f KiB a minute; descriptors %d before, %d after",
		stats.Returned, stats.Refused, m.DriftBytesPerMinute/1024, m.DescriptorsAtStart, last.Descriptors)
	if last.Descriptors > m.DescriptorsAtStart {
		return fmt.Errorf("descriptors leaked: %d before the churn, %d after", m.DescriptorsAtStart, last.Descriptors)
	}
	return nil
}

// drift returns the growth in bytes a minute, over the samples after the first minute.
func drift(samples []result.Sample) float64 {
	var minutes, resident []float64
	for _, s := range samples {
		if s.Seconds >= settled.Seconds() {
			minutes = append(minutes, s.Seconds/60)
			resident = append(resident, float64(s.ResidentBytes))
		}
	}
	return slope(minutes, resident)
}
