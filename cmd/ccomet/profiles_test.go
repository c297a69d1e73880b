package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"ccomet/cmd/ccomet/internal/metrics"
)

// TestProfiles reads the profiles as a developer would.
func TestProfiles(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "--pprof", "--secret", "hidden")
	base := "http://" + p.admin + metrics.ProfilesPath
	for _, profile := range []string{"heap", "goroutine", "profile?seconds=1"} {
		cmd := exec.Command("go", "tool", "pprof", "-top", "-nodecount=500", base+profile)
		cmd.Env = append(os.Environ(), "PPROF_TMPDIR="+t.TempDir())
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", profile, err, out)
		}
		if profile == "goroutine" && !strings.Contains(string(out), "ccomet/reactor.(*Group).Start") {
			t.Errorf("%s has no loop: %s", profile, out)
		}
	}
	if a := get(t, p.admin, metrics.ProfilesPath+"goroutine?debug=2"); a.status != 200 || !strings.Contains(a.body, "ccomet/reactor.(*Group).Start") {
		t.Errorf("goroutines: %d %s", a.status, a.body)
	}
	if a := get(t, p.admin, metrics.ProfilesPath+"trace?seconds=1"); a.status != 200 || !strings.HasPrefix(a.body, "go 1.") {
		t.Errorf("trace: %d %.20q", a.status, a.body)
	}
	if a := get(t, p.admin, metrics.ProfilesPath); a.status != 200 || !strings.Contains(a.header.Get("Content-Type"), "html") {
		t.Errorf("index: %d %v", a.status, a.header)
	}
	if a := get(t, p.admin, metrics.ProfilesPath+"cmdline"); a.status != 404 || strings.Contains(a.body, "hidden") {
		t.Errorf("the command line: %d %s", a.status, a.body)
	}
	if a := get(t, p.front, metrics.ProfilesPath); a.status != 404 {
		t.Errorf("on the front side: %d", a.status)
	}
}

// TestNoProfiles: without the flag there are no profiles.
func TestNoProfiles(t *testing.T) {
	t.Parallel()
	p := start(t, nil)
	for _, path := range []string{"", "heap", "profile?seconds=1", "trace", "symbol", "cmdline"} {
		if a := get(t, p.admin, metrics.ProfilesPath+path); a.status != 404 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}
