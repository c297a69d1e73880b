package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestResident: a server that has started, and one whose metrics were requested, have released
// the memory that this took: at most 11 MiB are resident.
func TestResident(t *testing.T) {
	t.Parallel()
	if raceDetected() {
		t.Skip("the race detector takes memory of its own")
	}
	const most = 11 << 20
	p := start(t, nil)
	little := func(when string) {
		t.Helper()
		var sizes map[string]int
		untilOr(t, func() bool {
			sizes = p.sizes("smaps_rollup")
			return sizes["Rss"] <= most
		}, func() string { return fmt.Sprintf("%s %d bytes are resident: %v", when, sizes["Rss"], sizes) })
	}
	little("at the start")
	for range 20 {
		if a := get(t, p.admin, "/metrics"); !strings.Contains(a.body, "ccomet_build_info") {
			t.Fatalf("/metrics: %d %.300q", a.status, a.body)
		}
	}
	little("after 20 scrapes")
}

// sizes returns the sizes in a /proc file of the process, in bytes.
func (p *process) sizes(file string) map[string]int {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.cmd.Process.Pid, file))
	if err != nil {
		p.t.Fatal(err)
	}
	sizes := map[string]int{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		if n, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB"))); err == nil {
			sizes[name] += n << 10
		}
	}
	return sizes
}
