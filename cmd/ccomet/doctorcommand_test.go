package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestDoctorHere runs the program on this machine: one connection is OK, more than its
// descriptors are BAD.
func TestDoctorHere(t *testing.T) {
	t.Parallel()
	stdout, stderr, exit := runFor(t, nil, "doctor", "--conns", "1")
	if exit != 0 || !strings.Contains(stdout, "descriptors of the process") || !strings.Contains(stdout, " 0 BAD\n") {
		t.Errorf("%d %s %s", exit, stdout, stderr)
	}
	stdout, stderr, exit = runFor(t, nil, "doctor", "--conns", "1000000000", "--json")
	type check struct {
		Name, Status, Have, Want string
		Fixes                    []struct{ Lines []string }
	}
	var d struct {
		Conns  int
		Status string
		Checks []check
	}
	if err := json.Unmarshal([]byte(stdout), &d); err != nil || exit != exitFailed || d.Conns != 1000000000 || d.Status != "bad" || stderr != "" {
		t.Fatalf("%d %v %s %s", exit, err, stdout, stderr)
	}
	i := slices.IndexFunc(d.Checks, func(c check) bool { return c.Name == "fs.nr_open" })
	if i < 0 || d.Checks[i].Status != "bad" || d.Checks[i].Want != "1,000,000,100" || d.Checks[i].Fixes[0].Lines[0] != "fs.nr_open = 1000000100" {
		t.Errorf("%s", stdout)
	}
	p := start(t, nil)
	if _, stderr, exit := runFor(t, nil, "doctor", "--conns", "1", "--pid", itoa(p.cmd.Process.Pid)); exit != 0 {
		t.Errorf("for a running server: %d %s", exit, stderr)
	}
}

// TestDoctorMisused: one line that names the flag, and exit status 2.
func TestDoctorMisused(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"":                                "--conns",
		"--conns 0":                       "want 1 to",
		"--conns many":                    "--conns",
		"--conns 1 --front example":       "--front",
		"--conns 1 --through example.com": "--through",
		"--conns 1 --through http://a/stream?x=1": "before /stream",
		"--conns 1 --polling-timeout 0":           "--polling-timeout",
		"--conns 1 --idle-timeout 0":              "--idle-timeout",
		"--conns 1 --nginx /no/such/nginx.conf":   "/no/such/nginx.conf",
		"--conns 1 --nginx-root /no/such":         "nginx.conf",
		"--conns 1 --pid 2147483647":              "--pid 2147483647",
	} {
		stdout, stderr, exit := runFor(t, nil, append([]string{"doctor"}, strings.Fields(args)...)...)
		if exit != exitSettings || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, want) {
			t.Errorf("%s: %d %q %q", args, exit, stdout, stderr)
		}
	}
}

// TestDoctorNginxRun: the nginx configuration for users is OK, with both of its routes. Its
// files may be below another root.
func TestDoctorNginxRun(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../demo/nginx.conf")
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	dir := filepath.Join(root, "etc/nginx")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, flags := range []string{"--nginx ../../demo/nginx.conf", "--nginx-root " + root, "--nginx-root " + root + " --nginx /etc/nginx/nginx.conf"} {
		for _, front := range []string{"unix:/run/ccomet/front.sock", "127.0.0.1:8100"} {
			stdout, stderr, exit := runFor(t, nil, append([]string{"doctor", "--conns", "100", "--front", front}, strings.Fields(flags)...)...)
			if exit != 0 || !strings.Contains(stdout, "proxy_read_timeout: 60s; wanted: more than 30s") {
				t.Errorf("%s %s: %d %s %s", flags, front, exit, stdout, stderr)
			}
		}
	}
	// If several servers each have a share of the channels, a table selects the server.
	for _, front := range []string{"10.0.0.1:8100", "10.0.0.3:8100"} {
		stdout, stderr, exit := runFor(t, nil, "doctor", "--conns", "100", "--front", front, "--nginx", "../../demo/nginx-shards.conf")
		if exit != 0 || strings.Contains(stdout, "WARN nginx") || strings.Count(stdout, "connections to the server: HTTP/1.1 and Connection \"\"") < 3 {
			t.Errorf("shards, %s: %d %s %s", front, exit, stdout, stderr)
		}
	}
}
