package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestResults sends files, changes one and sends again. It unpacks the stream
// as bench/vm/run does: whole, and cut off as when a machine dies.
func TestResults(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "hold.json", "first")
	write(t, dir, "deep/er/a b", "kept")
	if err := os.Symlink("hold.json", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	var stream bytes.Buffer
	r := newResults(&stream, dir)
	list := []outcome{{command{"ccomet", "version"}, "unfinished"}}
	send(t, r, list)
	whole := stream.Len()

	write(t, dir, "hold.json", "second, longer")
	changed := time.Now().Add(time.Second) // differs, whatever the resolution
	if err := os.Chtimes(filepath.Join(dir, "hold.json"), changed, changed); err != nil {
		t.Fatal(err)
	}
	list[0].status = "0"
	send(t, r, list)

	for _, c := range []struct {
		what   string
		length int
		want   map[string]string
	}{
		{"whole", stream.Len(), map[string]string{
			"hold.json": "second, longer", "deep/er/a b": "kept", statusFile: "0 ccomet version\n",
		}},
		{"after the first", whole, map[string]string{
			"hold.json": "first", "deep/er/a b": "kept", statusFile: "unfinished ccomet version\n",
		}},
	} {
		to := t.TempDir()
		tar := exec.Command("tar", "-xf", "-", "-C", to)
		tar.Stdin = bytes.NewReader(stream.Bytes()[:c.length])
		if out, err := tar.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", c.what, err, out)
		}
		for name, want := range c.want {
			if got := read(t, to, name); got != want {
				t.Errorf("%s: %s is %q, want %q", c.what, name, got, want)
			}
		}
		if _, err := os.Lstat(filepath.Join(to, "link")); err == nil {
			t.Errorf("%s: a link was sent", c.what)
		}
	}
	if n := bytes.Count(stream.Bytes(), []byte("kept")); n != 1 {
		t.Errorf("a file that did not change was sent %d times", n)
	}
}

func send(t *testing.T, r *results, list []outcome) {
	t.Helper()
	if err := r.send(list); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Error(err)
	}
	return string(text)
}
