package main

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestConfigPipe: a configuration may come through a pipe, and if the writer is slow, the user
// is told what the program waits for.
func TestConfigPipe(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "config")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := command(nil, "config", "check", pipe)
	stderr, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	told := bufio.NewScanner(stderr)
	if !told.Scan() || !strings.Contains(told.Text(), pipe) || !strings.Contains(told.Text(), "waiting") {
		t.Errorf("the user got %q, %v", told.Text(), told.Err())
	}
	if err := os.WriteFile(pipe, []byte("loops = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for told.Scan() {
		t.Errorf("then: %s", told.Text())
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
