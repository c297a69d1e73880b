package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestPidfileFlag: the file exists while the server runs.
func TestPidfileFlag(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "pid")
	p := start(t, nil, "--pidfile", name)
	if text, err := os.ReadFile(name); err != nil || string(text) != itoa(p.cmd.Process.Pid)+"\n" {
		t.Errorf("%q, %v", text, err)
	}
	_, stderr, status := runFor(t, nil, "serve", "--front", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--pidfile", name)
	if status != exitFailed || !strings.Contains(stderr, "as process "+itoa(p.cmd.Process.Pid)) {
		t.Errorf("status %d: %s", status, stderr)
	}
	p.stop(unix.SIGTERM)
	if _, err := os.Stat(name); err == nil {
		t.Error("the file was not removed")
	}
	// A killed server leaves it behind, and the next one takes it over.
	p = start(t, nil, "--pidfile", name)
	p.kill()
	if _, err := os.Stat(name); err != nil {
		t.Fatal(err)
	}
	p = start(t, nil, "--pidfile", name)
	if !strings.Contains(p.logged(), "left behind") {
		t.Error(p.logged())
	}
	p.stop(unix.SIGTERM)
}

// TestPidfileOfAnother: a removed and recreated file belongs to another server, and is not
// touched.
func TestPidfileOfAnother(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "pid")
	p := start(t, nil, "--pidfile", name)
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	second := start(t, nil, "--pidfile", name)
	p.stop(unix.SIGTERM)
	if text, err := os.ReadFile(name); err != nil || string(text) != itoa(second.cmd.Process.Pid)+"\n" {
		t.Errorf("%q, %v", text, err)
	}
	second.stop(unix.SIGTERM)
}
