package main

import (
	"bufio"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ccomet/bench/result"
)

// TestInterrupt checks that Ctrl-C ends a run, and that the result of the steps so far is
// saved.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	cmd := harness(t, "hold", "--conns", "2000", "--steps", "1000", "--idle", "1ms", "--json", "result.json")
	rows, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var complaint strings.Builder
	cmd.Stderr = &complaint
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for lines := bufio.NewScanner(rows); lines.Scan(); {
		if seen++; seen == 8 {
			if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 130 {
		t.Errorf("%v: %s", err, complaint.String())
	}
	r, err := result.Load(filepath.Join(cmd.Dir, "result.json"))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(r.Hold.Samples); !r.Interrupted || n < 5 || n == 1000 || r.Hold.EndBytes == 0 {
		t.Errorf("interrupted %v, %d samples, %v bytes a connection", r.Interrupted, n, r.Hold.EndBytes)
	}
}

// TestSoak runs a short soak: the server is upgraded and stopped as in a long one, and no fault
// is found.
func TestSoak(t *testing.T) {
	t.Parallel()
	cmd := harness(t, "soak", "--for", "6s", "--cycle", "6s", "--conns", "90", "--seed", "1", "--loud", "--json", "result.json")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "no fault") {
		t.Fatalf("%v: %s", err, out)
	}
	r, err := result.Load(filepath.Join(cmd.Dir, "result.json"))
	if err != nil {
		t.Fatal(err)
	}
	s := r.Soak
	if len(s.Cycles) != 1 || s.Seed != 1 || s.Phases == 0 || s.Check.Received == 0 || s.Check.Failed() || s.Other != 0 {
		t.Errorf("the result: %+v", s)
	}
	if c := s.Cycles[0]; c.Upgrades == 0 || c.Published == 0 || c.ResidentBytes == 0 || c.Descriptors < 60 {
		t.Errorf("the cycle: %+v", c)
	}
}

// A soak fails if its server ends by itself, and says so.
func TestSoakOfAServerThatEnds(t *testing.T) {
	t.Parallel()
	cmd := harness(t, "soak", "--for", "1m", "--conns", "30", "--seed", "10", "--spawn", // the first planned stop comes later than the kill
		"timeout -s KILL 6 bin/ccomet serve --front {front} --admin {admin}")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "the server ended by itself") {
		t.Errorf("%v: %s", err, out)
	}
}
