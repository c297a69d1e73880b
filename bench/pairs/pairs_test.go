package pairs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"ccomet/bench/result"
)

// TestMain is also the contestant, which is this program again.
func TestMain(m *testing.M) {
	if len(os.Args) != 6 || os.Args[1] != "contestant" {
		os.Setenv("GORACE", "atexit_sleep_ms=0") // of contestants: they end often
		os.Exit(m.Run())
	}
	var n [4]int
	for i := range n {
		n[i], _ = strconv.Atoi(os.Args[2+i])
	}
	if err := RunContestant(os.Stdin, os.Stdout, n[0], n[1], n[2], n[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// small is a measurement that measures nothing, of all contestants.
func small() Config {
	return Config{Pairs: []int{20, 40}, Active: []int{4, 10}, Writes: 200, Rounds: fresh + 2, Contestant: []string{os.Args[0], "contestant"}}
}

func needLibevent(t *testing.T) {
	t.Helper()
	_, err := buildLibevent(t.Context())
	if errors.Is(err, ErrNoLibevent) && os.Getenv("CCOMET_NO_SKIP") != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestRun(t *testing.T) {
	needLibevent(t)
	for _, level := range []bool{false, true} {
		t.Run(fmt.Sprintf("level=%v", level), func(t *testing.T) {
			cfg := small()
			cfg.Level = level
			var out bytes.Buffer
			got, err := Run(t.Context(), &out, cfg)
			if err != nil {
				t.Fatal(err)
			}
			checkPoints(t, got, cfg)
			if lines := strings.Split(strings.TrimSpace(out.String()), "\n"); len(lines) != 2+4 {
				t.Errorf("not two lines of head and a row a size:\n%s", out.String())
			}
			if t.Failed() || testing.Verbose() {
				t.Logf("\n%s", out.String())
			}
		})
	}
}

func checkPoints(t *testing.T, got *result.Loop, cfg Config) {
	t.Helper()
	if got.Writes != cfg.Writes || got.Runs != cfg.Rounds || len(got.Points) != 2*2*3 {
		t.Fatalf("%+v", got)
	}
	for i, p := range got.Points {
		who, loops, rounds := "reactor", i%3, cfg.Rounds
		if i%3 == 0 {
			who, loops, rounds = "libevent", 1, 0
		}
		want := result.LoopRun{Who: who, Loops: loops, Pairs: cfg.Pairs[i/3%2], Active: cfg.Active[i/6], Micros: p.Micros, Ratios: p.Ratios}
		if fmt.Sprint(p) != fmt.Sprint(want) || p.Micros <= 0 || len(p.Ratios) != rounds {
			t.Errorf("point %d: %+v, want %+v with %d ratios", i, p, want, rounds)
		}
		for _, r := range p.Ratios {
			if r <= 0 || math.IsInf(r, 0) {
				t.Errorf("point %d: a ratio of %v", i, r)
			}
		}
	}
}

// cancelling is a writer that has seen enough after the first row.
type cancelling struct {
	bytes.Buffer
	cancel context.CancelFunc
}

func (c *cancelling) Write(p []byte) (int, error) {
	n, err := c.Buffer.Write(p)
	if strings.Count(c.String(), "\n") == 3 {
		c.cancel()
	}
	return n, err
}

func TestRunIsCancelled(t *testing.T) {
	needLibevent(t)
	ctx, cancel := context.WithCancel(t.Context())
	got, err := Run(ctx, &cancelling{cancel: cancel}, small())
	if !errors.Is(err, context.Canceled) || got == nil || len(got.Points) != 3 {
		t.Fatalf("%v, %+v; want the first size and that it was cancelled", err, got)
	}
}

// The contestants of the reactor, through their own protocol.
func TestContestantProcess(t *testing.T) {
	for _, loops := range []int{1, 2} {
		s := side{"reactor", loops, []string{os.Args[0], "contestant", fmt.Sprint(loops)}}
		c, err := startChild(t.Context(), s, 30, 6, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if _, err := c.run(); err != nil {
				t.Error(err)
			}
		}
		c.close()
		if !c.cmd.ProcessState.Success() {
			t.Errorf("%d loops: ended with %v at the end of its input: %s", loops, c.cmd.ProcessState, &c.wrong)
		}
	}
}

// A run reads what it writes, to the last byte, and leaves nothing behind.
func TestRunReadsEverything(t *testing.T) {
	const pairs, active, writes = 12, 3, 50
	c, err := newContestant(pairs, active, writes)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	for range 3 {
		before := c.loop.Stats()
		if err := c.run(); err != nil {
			t.Fatal(err)
		}
		if err := c.loop.Turn(0); err != nil { // a byte too many would be read now
			t.Fatal(err)
		}
		if c.readsLeft != 0 || c.writesLeft != 0 {
			t.Fatalf("%d bytes are left to read, %d to write", c.readsLeft, c.writesLeft)
		}
		if after := c.loop.Stats(); after.Open != pairs || before.Open != pairs {
			t.Fatalf("%d connections, %d after the run, want %d", before.Open, after.Open, pairs)
		}
	}
}

// Each chain goes through its own pairs, and all of them.
func TestChains(t *testing.T) {
	const pairs, active = 12, 3
	c, err := newContestant(pairs, active, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	seen := map[int32]int{} // which chain writes to a descriptor
	for i, fd := range c.next[1:] {
		if _, twice := seen[fd]; twice {
			t.Fatalf("two handlers write to %d", fd)
		}
		seen[fd] = i / (pairs / active)
	}
	if len(seen) != pairs {
		t.Fatalf("%d descriptors are written to, of %d", len(seen), pairs)
	}
	for chain, fd := range c.starts {
		if got, ok := seen[fd]; !ok || got != chain {
			t.Errorf("chain %d begins in chain %d", chain, got)
		}
	}
}

func TestBadConfig(t *testing.T) {
	for _, test := range []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) { c.Contestant = nil }, "Config.Contestant"},
		{func(c *Config) { c.Rounds = -1 }, "-1 rounds"},
		{func(c *Config) { c.Writes = -1 }, "-1 writes"},
		{func(c *Config) { c.Active = []int{0} }, "0 active"},
		{func(c *Config) { c.Loops = []int{0} }, "0 loops"},
		{func(c *Config) { c.Pairs = []int{20, 5} }, "5 pairs, 4 active"},
		{func(c *Config) { c.Pairs = []int{42} }, "multiple of the active ones"},
		{func(c *Config) { c.Active = []int{5} }, "multiples of the loops, 2"},
		{func(c *Config) { c.Writes = 201 }, "multiples of the loops, 2"},
		{func(c *Config) { c.Pairs, c.Active = []int{1 << 30}, []int{4} }, "type `ulimit -Hn 2147483712`"},
	} {
		cfg := small()
		test.change(&cfg)
		if got, err := Run(t.Context(), new(bytes.Buffer), cfg); got != nil || err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v; want an error with %q", err, test.want)
		}
	}
	if err := RunContestant(strings.NewReader(""), new(bytes.Buffer), 2, 10, 5, 100); err == nil {
		t.Error("five chains were divided between two loops")
	}
}

// What a contestant says before it fails is in the error.
func TestContestantFails(t *testing.T) {
	for _, test := range []struct{ script, want string }{
		{"echo it is broken >&2; exit 3", "it is broken"},
		{"echo ready; read line; echo it broke >&2; exit 3", "exit status 3"},
		{"echo nonsense", `heard "nonsense`},
		{"echo ready; read line; echo micros soon", `took "soon"`},
	} {
		c, err := startChild(t.Context(), side{"reactor", 1, []string{"/bin/sh", "-c", test.script}}, 4, 2, 2)
		if err == nil {
			_, err = c.run()
			c.close()
		}
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v; want an error with %q", err, test.want)
		}
	}
}

// fakeCompiler is the only program that is found, and fails.
func fakeCompiler(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	if script != "" {
		if err := os.WriteFile(filepath.Join(dir, "cc"), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
}

func TestWithoutLibevent(t *testing.T) {
	for _, script := range []string{
		"", // no compiler
		"echo '<stdin>:5:10: fatal error: event2/event.h: No such file or directory' >&2; exit 1",
		"echo '/usr/bin/ld: cannot find -levent_core' >&2; exit 1",
	} {
		fakeCompiler(t, script)
		_, err := Run(t.Context(), new(bytes.Buffer), small())
		if !errors.Is(err, ErrNoLibevent) || !strings.Contains(err.Error(), "apt-get install gcc libc6-dev libevent-dev") {
			t.Errorf("with the compiler %q: %v", script, err)
		}
	}
	fakeCompiler(t, "echo 'pairs.c:1: error: a mistake' >&2; exit 1")
	if _, err := buildLibevent(t.Context()); err == nil || errors.Is(err, ErrNoLibevent) || !strings.Contains(err.Error(), "a mistake") {
		t.Errorf("a mistake in the source: %v", err)
	}
}

// What was built is built once.
func TestLibeventIsKept(t *testing.T) {
	needLibevent(t)
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	first, err := buildLibevent(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", "")
	if second, err := buildLibevent(t.Context()); err != nil || second != first {
		t.Errorf("%q, %v; want %q, without a compiler", second, err, first)
	}
	if left, _ := os.ReadDir(filepath.Dir(first)); len(left) != 1 {
		t.Errorf("building left %v", left)
	}
}

func TestMedian(t *testing.T) {
	if a, b := median([]float64{5, 1, 4}), median([]float64{4, 1, 2, 3}); a != 4 || b != 2.5 {
		t.Errorf("medians %v and %v, want 4 and 2.5", a, b)
	}
}
