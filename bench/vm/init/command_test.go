package main

import (
	"io"
	"os"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestParseCommands(t *testing.T) {
	for _, c := range []struct {
		text string
		want []command // none: refused
	}{
		{"ccomet\x00version\x00", []command{{"ccomet", "version"}}},
		{"a\x00b c\x00\x00--then\x00d\x00", []command{{"a", "b c", ""}, {"d"}}},
		{"", nil},
		{"ccomet\x00version", nil},
		{"--then\x00a\x00", nil},
		{"a\x00--then\x00", nil},
		{"a\x00--then\x00--then\x00b\x00", nil},
	} {
		got, err := parseCommands([]byte(c.text))
		if !reflect.DeepEqual(got, c.want) || (err == nil) != (c.want != nil) {
			t.Errorf("%q: got %q, %v; want %q", c.text, got, err, c.want)
		}
	}
}

func TestCommandOnOneLine(t *testing.T) {
	if got, want := (command{"sh", "-c", "echo 'a\n'", "", "é"}).String(), `sh -c "echo 'a\n'" "" é`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestExitStatus(t *testing.T) {
	for _, c := range []struct {
		command command
		status  int
		printed string
	}{
		{command{"sh", "-c", "echo out; echo err >&2"}, 0, "out\nerr\n"},
		{command{"sh", "-c", "exit 7"}, 7, ""},
		{command{"sh", "-c", "kill -9 $$"}, 137, ""},
		{command{"no-such-program"}, 127, ""},
		{command{t.TempDir() + "/missing"}, 127, ""},
	} {
		status, printed := runHere(t, c.command)
		if status != c.status || printed != c.printed {
			t.Errorf("%s: got status %d, output %q; want %d, %q", c.command, status, printed, c.status, c.printed)
		}
	}
}

// TestOrphansAreReaped runs a command that waits until its orphan is gone from
// the process table. The test's process stands in for process 1.
func TestOrphansAreReaped(t *testing.T) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0); err != nil {
			t.Error(err)
		}
	}()
	const script = `
		orphan=$(sh -c 'sh -c "exit 5" >/dev/null & echo $!')
		tries=0
		while kill -0 "$orphan" 2>/dev/null; do
			tries=$((tries + 1))
			[ "$tries" -lt 500000 ] || exit 9
		done`
	if status, _ := runHere(t, command{"sh", "-c", script}); status != 0 {
		t.Errorf("status %d: the orphan was not reaped", status)
	}
}

// runHere runs a command, and returns its status and output.
func runHere(t *testing.T, c command) (status int, printed string) {
	t.Helper()
	from, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	status = c.run(to)
	to.Close()
	var text strings.Builder
	if _, err = io.Copy(&text, from); err != nil {
		t.Fatal(err)
	}
	return status, text.String()
}
