package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The measurements run from end to end, at sizes that measure nothing: the
// server, the clients that check every message, and the bare programs.
func TestMeasurements(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", dir, "ccomet/cmd/ccomet", "ccomet/cmd/ccomet-bench").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	bench, server := filepath.Join(dir, "ccomet-bench"), filepath.Join(dir, "ccomet")
	for args, want := range map[string]string{
		"fanout --streams 50 --messages 4 --pairs 1":                      "fanout, 50 streams, bursts of 1: medians of 1 pairs",
		"fanout --streams 50 --messages 8 --burst 4 --pairs 1 --loops 2":  "fanout, 50 streams, bursts of 4: medians of 1 pairs",
		"channels --channels 20 --connections 4 --messages 200 --pairs 1": "channels, 20 of one subscriber, 4 publishing connections: medians of 1 pairs",
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			out, err := exec.Command(bench, append([]string{"--server", server}, strings.Fields(args)...)...).CombinedOutput()
			if err != nil || !strings.Contains(string(out), want) {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}
