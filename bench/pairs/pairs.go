// Package pairs compares the event loop alone with libevent, in the way of libevent's own
// classic benchmark: socket pairs, most of which are idle.
//
//  1. One end of each pair is watched for input. The pairs are divided evenly among chains; the
//     number of chains is the number of active pairs.
//  2. A run starts by writing one byte into the first pair of every chain.
//  3. A handler reads its byte and, while writes of the run are left, writes one into the next
//     pair of its chain; after the last pair comes the first.
//  4. The run ends when everything is read: active + writes bytes. Its duration is compared.
//
// A chain uses its own pairs only, so that two bytes never meet in one pair: one large read
// would take both at once, and a small one would not. So every contestant makes one read and
// one write for a byte.
//
// Each contestant is a process with its own file descriptors: libevent's is a C program
// (libevent/pairs.c), which is built when it is first needed; the reactor's is this program
// again (RunContestant). They take turns run by run, because machines are noisy: the ratio
// within a round counts.
package pairs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"golang.org/x/sys/unix"

	"ccomet/bench/result"
)

// Config configures Run. A zero field has a default.
type Config struct {
	Pairs  []int // numbers of socket pairs; default 1,000 to 9,000 by 1,000
	Active []int // numbers of chains; default 100 and 1,000. Each is combined with each of Pairs
	Writes int   // writes of a run, in addition to the first of each chain; default 20,000
	Rounds int   // runs of each contestant at each size; default 15
	Loops  []int // numbers of the reactor's loops, a contestant for each; default 1 and 2; the pairs are divided among the loops
	// Level leaves libevent's events level-triggered, as in its classic benchmark. Otherwise
	// they are edge-triggered, which is faster.
	Level bool
	// Contestant is the command line that runs RunContestant: the program and its arguments.
	// The loops, pairs, active and writes of a size are appended.
	Contestant []string
}

func (c *Config) fill() {
	setDefault(&c.Pairs, 1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000, 9000)
	setDefault(&c.Active, 100, 1000)
	setDefault(&c.Loops, 1, 2)
	if c.Writes == 0 {
		c.Writes = 20000
	}
	if c.Rounds == 0 {
		c.Rounds = 15
	}
}

func setDefault(list *[]int, values ...int) {
	if len(*list) == 0 {
		*list = values
	}
}

// check validates the configuration before anything is started.
func (c *Config) check() error {
	if len(c.Contestant) == 0 {
		return errors.New("Config.Contestant is not set")
	}
	if c.Rounds < 1 {
		return fmt.Errorf("%d rounds: there must be one at least", c.Rounds)
	}
	for _, loops := range c.Loops {
		for _, active := range c.Active {
			for _, pairs := range c.Pairs {
				if err := checkSize(loops, pairs, active, c.Writes); err != nil {
					return err
				}
			}
		}
	}
	return checkDescriptors(slices.Max(c.Pairs))
}

// checkSize returns an error for numbers that cannot be divided evenly.
func checkSize(loops, pairs, active, writes int) error {
	switch {
	case loops < 1 || active < 1 || writes < 1:
		return fmt.Errorf("%d loops, %d active, %d writes: each must be 1 at least", loops, active, writes)
	case pairs < active || pairs%active != 0:
		return fmt.Errorf("%d pairs, %d active: the pairs must be a multiple of the active ones", pairs, active)
	case active%loops != 0 || writes%loops != 0:
		return fmt.Errorf("%d active, %d writes: both must be multiples of the loops, %d", active, writes, loops)
	}
	return nil
}

// spare is the number of descriptors that a contestant needs in addition to the pairs.
const spare = 64

func checkDescriptors(pairs int) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("reading the descriptor limit: %w", err)
	}
	need := uint64(2*pairs + spare)
	if need <= limit.Max {
		return nil
	}
	return fmt.Errorf("%d pairs need %d descriptors a process, and the hard limit is %d: type `ulimit -Hn %d` as root, or ask for no more than %d pairs",
		pairs, need, limit.Max, need, (max(limit.Max, spare)-spare)/2)
}

// side is one of the contestants.
type side struct {
	who     string
	loops   int
	command []string
}

// Run measures every size, and prints a row of a table for each. When ctx is done it returns
// partial results and the reason.
func Run(ctx context.Context, out io.Writer, cfg Config) (*result.Loop, error) {
	cfg.fill()
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("pairs: %w", err)
	}
	program, err := buildLibevent(ctx)
	if err != nil {
		return nil, fmt.Errorf("pairs: %w", err)
	}
	sides := []side{libevent(program, cfg.Level)}
	for _, loops := range cfg.Loops {
		sides = append(sides, side{"reactor", loops, append(slices.Clone(cfg.Contestant), fmt.Sprint(loops))})
	}
	measured := &result.Loop{Writes: cfg.Writes, Runs: cfg.Rounds}
	printHead(out, cfg, sides)
	for _, active := range cfg.Active {
		for _, pairs := range cfg.Pairs {
			points, err := measure(ctx, sides, pairs, active, cfg)
			if ctx.Err() != nil {
				return measured, ctx.Err()
			}
			if err != nil {
				return measured, fmt.Errorf("pairs: %d pairs, %d active: %w", pairs, active, err)
			}
			measured.Points = append(measured.Points, points...)
			printRow(out, points)
		}
	}
	return measured, nil
}

// fresh is the number of rounds with the same processes. The memory that a process happens to
// get makes it some percent faster or slower for its whole life.
const fresh = 3

// measure runs all contestants at one size. The others are compared with the first of sides.
func measure(ctx context.Context, sides []side, pairs, active int, cfg Config) ([]result.LoopRun, error) {
	times := make([][]float64, len(sides))
	for done := 0; done < cfg.Rounds; done += fresh {
		if err := rounds(ctx, sides, pairs, active, cfg.Writes, min(fresh, cfg.Rounds-done), times); err != nil {
			return nil, err
		}
	}
	points := make([]result.LoopRun, len(sides))
	for i, s := range sides {
		points[i] = result.LoopRun{Who: s.who, Loops: s.loops, Pairs: pairs, Active: active, Micros: median(times[i])}
		if i > 0 {
			points[i].Ratios = ratios(times[i], times[0])
		}
	}
	return points, nil
}

// rounds starts all contestants and runs them in turn, n times after a warm-up. Each starts
// first in its turn. It appends the durations to the contestants' times.
func rounds(ctx context.Context, sides []side, pairs, active, writes, n int, times [][]float64) error {
	children := make([]*child, len(sides))
	for i, s := range sides {
		c, err := startChild(ctx, s, pairs, active, writes)
		if err != nil {
			return err
		}
		defer c.close()
		children[i] = c
	}
	for round := range n + 1 {
		for turn := range sides {
			i := (turn + round) % len(sides)
			micros, err := children[i].run()
			if err != nil {
				return err
			}
			if round > 0 {
				times[i] = append(times[i], micros)
			}
		}
	}
	return nil
}

func ratios(times, base []float64) []float64 {
	list := make([]float64, len(times))
	for i := range times {
		list[i] = times[i] / base[i]
	}
	return list
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
