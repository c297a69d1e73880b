package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
)

func TestVersionOf(t *testing.T) {
	t.Parallel()
	recorded := func(version string) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Version: version}}
	}
	for _, c := range []struct {
		info          *debug.BuildInfo
		release, want string
	}{
		{nil, "", "devel"},
		{nil, "v1.2.3", "v1.2.3"},
		{recorded(""), "v1.2.3", "v1.2.3"},
		{recorded("(devel)"), "", "devel"},
		{recorded("(devel)"), "v1.2.3", "v1.2.3"},
		{recorded("v1.2.4"), "", "v1.2.4"},
		{recorded("v1.2.4"), "v1.2.3", "v1.2.3"},
	} {
		if got := versionOf(c.info, c.release); got != c.want {
			t.Errorf("%v, %q: got %s, want %s", c.info, c.release, got, c.want)
		}
	}
}

// copyOfSources returns a directory with the sources of the program.
func copyOfSources(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"reactor", "httplite", "comet", "cmd", "demo"} {
		if err := os.CopyFS(filepath.Join(dir, name), os.DirFS(filepath.Join("../..", name))); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.RemoveAll(filepath.Join(dir, "cmd/ccomet-bench")); err != nil { // takes long to build
		t.Fatal(err)
	}
	for _, name := range []string{"go.mod", "go.sum", "Makefile", ".gitignore"} {
		text, err := os.ReadFile(filepath.Join("../..", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestVersionOfATag: a program built from a tagged checkout reports the tag, with make and with
// go alone, and if Go is told to record nothing.
func TestVersionOfATag(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short: it builds the program again")
	}
	for _, tool := range []string{"git", "make"} {
		if _, err := exec.LookPath(tool); err != nil {
			leaveOut(t, "no "+tool+" here")
		}
	}
	dir := copyOfSources(t)
	const tag = "v0.9.8"
	inDirectory := func(flags string, args ...string) {
		t.Helper()
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOFLAGS=-trimpath "+flags, "GIT_CONFIG_GLOBAL=/dev/null", "MAKEFLAGS=")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	tells := func(want string) {
		t.Helper()
		stdout, stderr, status := runToEnd(t, exec.Command(filepath.Join(dir, "bin/ccomet"), "version"))
		if status != 0 || !strings.HasPrefix(stdout, want) {
			t.Errorf("%d %q %s: want %s", status, stdout, stderr, want)
		}
	}
	git := []string{"git", "-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"}
	inDirectory("", "git", "init", "--quiet")
	inDirectory("", "git", "add", ".")
	inDirectory("", append(git, "commit", "--quiet", "-m", "all")...)
	inDirectory("", append(git, "tag", "-a", "-m", "one", tag)...)

	inDirectory("-buildvcs=false", "make", "build")
	tells("ccomet " + tag + ", ")
	inDirectory("-buildvcs=true", "go", "build", "-o", "bin/", "./cmd/ccomet")
	tells("ccomet " + tag + " (revision ")

	// A commit after the tag is not the tagged version.
	inDirectory("", append(git, "commit", "--quiet", "--allow-empty", "-m", "more")...)
	inDirectory("-buildvcs=false", "make", "build")
	tells("ccomet " + tag + "-1-g")
}
