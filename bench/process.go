package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Process reads what a running process uses.
type Process int

// Resident is its resident set in bytes, from smaps_rollup, which is exact
// (statm lags by up to 64 pages a thread).
func (p Process) Resident() (int64, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", p))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), "Rss:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("process %d: no Rss in smaps_rollup", p)
}

// CPU is processor time: All is exact, User and System are what the kernel
// makes of it by sampling, good over seconds.
type CPU struct{ All, User, System time.Duration }

// Sub is what was used between before and c.
func (c CPU) Sub(before CPU) CPU {
	return CPU{c.All - before.All, c.User - before.User, c.System - before.System}
}

// CPU is what the process has used so far.
func (p Process) CPU() (CPU, error) {
	var c CPU
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p))
	if err != nil || len(tasks) == 0 {
		return c, fmt.Errorf("process %d is gone", p)
	}
	for _, task := range tasks {
		data, err := os.ReadFile(task)
		if err != nil {
			continue // a thread that has ended
		}
		run, _, _ := strings.Cut(string(data), " ")
		ns, _ := strconv.ParseInt(run, 10, 64)
		c.All += time.Duration(ns)
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p))
	if err != nil {
		return c, err
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every Linux that Go runs on
	for i, d := range map[int]*time.Duration{11: &c.User, 12: &c.System} {
		n, _ := strconv.ParseInt(string(fields[i]), 10, 64)
		*d = time.Duration(n) * tick
	}
	return c, nil
}

// Writes counts the write calls a process has made.
func (p Process) Writes() int64 {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/io", p))
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "syscw:"); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(rest), 10, 64)
			return n
		}
	}
	return 0
}
