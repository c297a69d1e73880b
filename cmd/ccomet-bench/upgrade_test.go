package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ccomet/bench/result"
)

// TestUpgrade upgrades a server to another version and back, while clients of all transports
// are connected. No connection may be lost.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	other := filepath.Join(t.TempDir(), "other")
	build := exec.Command("go", "build", "-ldflags", "-X main.release=v9.9.9", "-o", other, "ccomet/cmd/ccomet")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cmd := harness(t, "upgrade", "--conns", "60", "--publishers", "4", "--rate", "40", "--window", "200ms", "--upgrades", "3", "--churn", "30",
		"--idle", "20", "--channels", "own", "--history", "5", "--beside", other, "--json", "result.json")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "3 upgrades: 0 connections dropped") {
		t.Fatalf("%v: %s", err, out)
	}
	r, err := result.Load(filepath.Join(cmd.Dir, "result.json"))
	if err != nil {
		t.Fatal(err)
	}
	u := r.Upgrade
	if len(u.Each) != 3 || u.Each[0].Version != "v9.9.9" || u.Each[1].Version == "v9.9.9" || u.Each[2].Version != "v9.9.9" {
		t.Errorf("upgrades %+v", u.Each)
	}
	if u.Check.Failed() || u.Check.Expected != u.Check.Received || u.Check.Received < u.Published || u.Refused != 0 {
		t.Errorf("%d published, %d refused: %+v", u.Published, u.Refused, u.Check)
	}
	for _, one := range u.Each {
		if one.PauseMillis <= 0 || one.SilenceMillis <= 0 || one.QuietMillis <= 0 || one.Bytes < 1<<20 || one.Descriptors < 80 {
			t.Errorf("%+v", one)
		}
	}
	if u.PeakBytes < u.BytesBefore || u.Quiet.Count == 0 || u.Meanwhile.Count == 0 {
		t.Errorf("%+v", u)
	}
}

// TestUpgradeOneTransport upgrades to the same version with a single transport, while no
// connection comes or goes.
func TestUpgradeOneTransport(t *testing.T) {
	t.Parallel()
	cmd := harness(t, "upgrade", "--conns", "20", "--publishers", "5", "--rate", "50", "--window", "150ms", "--upgrades", "1", "--churn", "0", "--transport", "poll")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "1 upgrades: 0 connections dropped") {
		t.Fatalf("%v: %s", err, out)
	}
}
