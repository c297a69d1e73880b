// Package pairs measures the event loop alone, beside libevent, in the way
// libevent's own classic benchmark does: socket pairs, of which most are idle.
//
//  1. One end of each pair is watched for input. The pairs are divided evenly
//     among chains, of which there are as many as are to be active.
//  2. A run begins by writing one byte into the first pair of every chain.
//  3. A handler reads its byte and, while some of the run's writes are left,
//     writes one into the next pair of its chain; after the last comes the first.
//  4. The run ends when all has been read: active + writes bytes. How long that
//     took is what is compared.
//
// A chain keeps to its own pairs so that two bytes never meet in one, which a
// large read would take at once and a small one would not: every contestant
// makes one read and one write a byte.
//
// Each contestant is a process of its own, with its own descriptors: libevent's
// is a C program (libevent/pairs.c) that is built when it is first needed, the
// reactor's are the running program again (RunContestant). They take turns, run
// by run, because machines are noisy: it is the ratio within a round that counts.
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

// Config says what is measured. What is zero has a default.
type Config struct {
	Pairs  []int // socket pairs; default 1,000 to 9,000 by 1,000
	Active []int // chains; default 100 and 1,000. Each size is measured with each
	Writes int   // writes of a run beside the first of each chain; default 20,000
	Rounds int   // runs of each contestant at each size; default 15
	Loops  []int // how many loops the reactor has, a contestant for each; default 1 and 2, which have half of everything each
	// Level leaves libevent's events as they are by default: level-triggered,
	// as in its classic benchmark. Else they are edge-triggered, its best.
	Level bool
	// Contestant is the command line that leads to RunContestant: the program
	// and its arguments, to which the loops, pairs, active and writes of one
	// size are appended.
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

// check refuses what cannot be measured, before anything is started.
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

// checkSize refuses what cannot be divided evenly.
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

// spare is what a contestant needs descriptors for, beside pairs.
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

// side is one of those that are compared.
type side struct {
	who     string
	loops   int
	command []string
}

// Run measures every size, and prints a row of a table for each when it is
// done. When ctx ends it returns what it has, and the reason.
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

// fresh is how many rounds are made with the same processes: what memory a
// process happened to get makes it some percent faster or slower for life.
const fresh = 3

// measure has all contestants run at one size. The first of sides is whom the
// others are compared with.
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

// rounds starts all contestants and has them run in turn, n times after once
// to warm up; each begins in its turn. It appends how long each took to its times.
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
