package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestResidentAtTheStart: a server that has begun to serve keeps little of what starting
// took: at most 11 MiB are resident, and the bulk of the program's own file is not.
func TestResidentAtTheStart(t *testing.T) {
	t.Parallel()
	if raceDetected() {
		t.Skip("the race detector takes memory of its own")
	}
	const most = 11 << 20
	p := start(t, nil)
	var sizes map[string]int
	untilOr(t, func() bool {
		sizes = p.sizes("smaps_rollup")
		return sizes["Rss"] <= most
	}, func() string { return fmt.Sprintf("%d bytes are resident: %v", sizes["Rss"], sizes) })
}

// sizes are what a file of /proc says about the memory of the process, in bytes.
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
