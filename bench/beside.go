package bench

import (
	"slices"
	"time"

	"ccomet/bench/proc"
	"ccomet/bench/result"
)

// meter measures the processor time of several processes.
type meter struct {
	read   []func() (proc.CPU, error)
	before []proc.CPU
	began  time.Time
}

func (m *meter) start() error {
	m.before = m.before[:0]
	for _, read := range m.read {
		c, err := read()
		if err != nil {
			return err
		}
		m.before = append(m.before, c)
	}
	m.began = time.Now()
	return nil
}

// stop returns the processor time of an operation since start, for each process.
func (m *meter) stop(operations int) (costs []result.Cost, took time.Duration, err error) {
	took = time.Since(m.began)
	for i, read := range m.read {
		c, err := read()
		if err != nil {
			return nil, took, err
		}
		c = c.Sub(m.before[i])
		costs = append(costs, result.Cost{Micros: micros(c.All, operations), UserMicros: micros(c.User, operations)})
	}
	return costs, took, nil
}

func micros(d time.Duration, n int) float64 { return float64(d) / 1e3 / float64(max(n, 1)) }

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(v))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// rounds collects the costs of rounds. Its results are medians.
type rounds struct {
	server, serverUser, bare, bareUser, client, clientUser, ratios, rates []float64
}

func (r *rounds) add(server, bare, client result.Cost, rate float64) {
	r.server, r.serverUser = append(r.server, server.Micros), append(r.serverUser, server.UserMicros)
	r.bare, r.bareUser = append(r.bare, bare.Micros), append(r.bareUser, bare.UserMicros)
	r.client, r.clientUser = append(r.client, client.Micros), append(r.clientUser, client.UserMicros)
	r.ratios = append(r.ratios, server.Micros/bare.Micros)
	r.rates = append(r.rates, rate)
}

func (r *rounds) costs() (server, bare, client result.Cost) {
	return result.Cost{Micros: median(r.server), UserMicros: median(r.serverUser)},
		result.Cost{Micros: median(r.bare), UserMicros: median(r.bareUser)},
		result.Cost{Micros: median(r.client), UserMicros: median(r.clientUser)}
}
