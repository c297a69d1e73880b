package bench

import (
	"context"

	"ccomet/bench/proc"
	"ccomet/bench/result"
)

// duel compares two sides that take turns: the subject and its baseline. Each has a child
// that generates the load.
type duel struct {
	sides [2]side
	rounds
}

// side is one side of a duel.
type side struct {
	child *child
	meter meter
}

// newSide returns a side whose meter reads the server and the child.
func newSide(c *child, server func() (proc.CPU, error)) side {
	return side{child: c, meter: meter{read: []func() (proc.CPU, error){server, c.CPU}}}
}

// run makes each side do n operations in each round, after a first round that does not
// count. order is the command for the children, done their answer. tell is called with the
// results of each round, for one operation; the rate and the client are those of the first
// side.
func (d *duel) run(ctx context.Context, rounds int, done, order string, n int, tell func(rate float64, server, bare, client result.Cost)) error {
	for round := range rounds + 1 {
		var costs [2][]result.Cost
		var rate float64
		for i := range d.sides {
			s := &d.sides[i]
			if err := s.meter.start(); err != nil {
				return err
			}
			if _, err := s.child.ask(ctx, done, order+" %d", n); err != nil {
				return err
			}
			cost, took, err := s.meter.stop(n)
			if err != nil {
				return err
			}
			if costs[i] = cost; i == 0 {
				rate = float64(n) / took.Seconds()
			}
		}
		if round > 0 {
			d.add(costs[0][0], costs[1][0], costs[0][1], rate)
			tell(rate, costs[0][0], costs[1][0], costs[0][1])
		}
	}
	return nil
}
