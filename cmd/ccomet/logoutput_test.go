package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// logNamed returns the name of a log in a new directory, and a function that reads its files.
func logNamed(t *testing.T) (name string, files func() map[string]string) {
	name = filepath.Join(t.TempDir(), "log.txt")
	return name, func() map[string]string {
		t.Helper()
		found := map[string]string{}
		entries, err := os.ReadDir(filepath.Dir(name))
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			text, err := os.ReadFile(filepath.Join(filepath.Dir(name), entry.Name()))
			if err != nil {
				t.Fatal(err)
			}
			found[entry.Name()] = string(text)
		}
		return found
	}
}

// logged returns the lines of a log with a message.
func logged(t *testing.T, name, message string) (lines []map[string]any) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range strings.FieldsFunc(string(text), func(r rune) bool { return r == '\n' }) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatal(err, text)
		}
		if line["message"] == message {
			lines = append(lines, line)
		}
	}
	return lines
}

// until waits for something that another process does.
func until(t *testing.T, done func() bool) {
	t.Helper()
	untilOr(t, done, func() string { return "it does not happen" })
}

// untilOr is until with the text of the failure.
func untilOr(t *testing.T, done func() bool, complaint func() string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(hangTimeout)
	for !done() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal(complaint())
		}
	}
}

// TestLogOutput: the program logs to the configured output.
func TestLogOutput(t *testing.T) {
	t.Parallel()
	name, files := logNamed(t)
	env := []string{"CCOMET_LOG_OUTPUT=" + name, "CCOMET_LOG_ROTATE_SIZE=100"}
	args := []string{"serve", "--front", "127.0.0.1:0", "--admin", "127.0.0.1:x"}
	if _, _, status := runFor(t, env, args...); status != exitSettings || len(files()) != 0 {
		t.Errorf("status %d, %v", status, files())
	}
	// It cannot start, and reports that in both places.
	p := start(t, nil)
	_, stderr, status := runFor(t, env[:1], "serve", "--front", p.front, "--admin", "127.0.0.1:0")
	lines := logged(t, name, "ended")
	if status != exitFailed || len(lines) != 1 || lines[0]["level"] != "fatal" || !strings.Contains(stderr, lines[0]["error"].(string)) {
		t.Errorf("status %d: %s, the log: %v", status, stderr, lines)
	}
	// Each line is larger than the limit.
	cmd := command(env, "serve", "--front", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	until(t, func() bool {
		for _, text := range files() {
			if strings.Contains(text, `"message":"serving"`) {
				return true
			}
		}
		return false
	})
	if len(files()) < 3 {
		t.Errorf("%q", files())
	}
}

// TestLogToStdout: standard error then has only the reason of a failure.
func TestLogToStdout(t *testing.T) {
	t.Parallel()
	p := start(t, nil)
	pidfile := fileNamed(t, "pid", "999999999")
	stdout, stderr, status := runFor(t, nil, "serve", "--log-output", "stdout", "--pidfile", pidfile, "--front", p.front, "--admin", "127.0.0.1:0")
	if status != exitFailed || !strings.Contains(stdout, "left behind") || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "in use") {
		t.Errorf("status %d: %q, %q", status, stdout, stderr)
	}
}
