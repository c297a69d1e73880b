package main

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// These tests run the script bench/vm/run without a virtual machine. A script
// stands in for QEMU: it prints its process ID and a file, delivers a stream of
// results, and ends or hangs as the test wants. The stand-ins for go and cpio
// build and pack nothing.
var stands = map[string]string{
	"go": "exit 0",
	"cpio": `cp commands "$STAND/commands"
		cat >/dev/null`,
	"qemu-system-x86_64": `for argument; do
			[[ $argument != file:* ]] || cat "$STAND/stream" >"${argument#file:}"
		done
		echo "process $$"
		cat "$STAND/print"
		[ ! -e "$STAND/hang" ] || exec sleep 1000
		exit "$(cat "$STAND/status")"`,
}

// stand holds the directories of a test with the stand-ins.
type stand struct{ dir, out string }

func newStand(t *testing.T) *stand {
	t.Helper()
	s := &stand{t.TempDir(), t.TempDir()}
	for name, script := range stands {
		path := filepath.Join(s.dir, "bin", name)
		write(t, s.dir, "bin/"+name, "#!/bin/bash\n"+script+"\n")
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, s.dir, "cache/ccomet/vm/vmlinuz-1", "")
	for name, text := range map[string]string{"stream": "", "print": "", "status": "0"} {
		write(t, s.dir, name, text)
	}
	return s
}

func (s *stand) command(args ...string) *exec.Cmd {
	cmd := exec.Command("../run", args...)
	cmd.Env = append(os.Environ(), "STAND="+s.dir, "XDG_CACHE_HOME="+s.dir+"/cache",
		"TMPDIR="+s.dir, "PATH="+s.dir+"/bin:"+os.Getenv("PATH"))
	return cmd
}

// run runs the script, and returns its exit status and its standard error.
func (s *stand) run(t *testing.T, args ...string) (status int, said string) {
	t.Helper()
	cmd := s.command(args...)
	var text bytes.Buffer
	cmd.Stderr = &text
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), text.String()
}

// stream returns what a machine sends if its commands end with these statuses.
func stream(t *testing.T, statuses ...string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "deep/hold.json", "{}")
	var list []outcome
	for i, status := range statuses {
		list = append(list, outcome{command{"command", strconv.Itoa(i)}, status})
	}
	var b bytes.Buffer
	send(t, newResults(&b, dir), list)
	return b.String()
}

func TestRunTellsHowItEnded(t *testing.T) {
	good := stream(t, "0", "0")
	long := stream(t, slices.Repeat([]string{"0"}, 60)...) // several tar blocks
	for _, c := range []struct {
		what, stream, print, qemu string
		status                    int
		said                      string
	}{
		{"all well", good, "", "0", 0, ""},
		{"failures", stream(t, "0", "7", "127"), "", "0", 7, "7: command 1"},
		{"died in the second", stream(t, "0", "unfinished"), "", "0", 1, "unfinished: command 1"},
		{"died at once", "", "", "0", 1, "without a word"},
		{"cut short", long[:len(long)-500], "", "0", 1, "not whole"},
		{"QEMU failed", good, "", "3", 1, "QEMU failed with status 3"},
		{"no memory", stream(t, "unfinished"), "Kernel panic: Out of memory\n", "0", 1, "larger --memory"},
	} {
		s := newStand(t)
		write(t, s.dir, "stream", c.stream)
		write(t, s.dir, "print", c.print)
		write(t, s.dir, "status", c.qemu)
		status, said := s.run(t, "--memory", "1M", "--out", s.out, "--", "command")
		if status != c.status || !strings.Contains(said, c.said) {
			t.Errorf("%s: status %d, want %d, and %q in:\n%s", c.what, status, c.status, c.said, said)
		}
		if c.stream != "" && read(t, s.out, "deep/hold.json") != "{}" {
			t.Errorf("%s: the result is not there", c.what)
		}
		if !strings.HasSuffix(read(t, s.out, "console.log"), c.print) {
			t.Errorf("%s: the console is not there", c.what)
		}
	}
}

func TestRunPassesArgumentsAsTheyAre(t *testing.T) {
	s := newStand(t)
	want := []command{{"a", "b  c", "", "*", "$HOME", "`x`", "'\"\\", "n\nl", "é", "--", "--out"}, {"d"}}
	args := append([]string{"--memory", "1M", "--out", s.out, "--"}, want[0]...)
	s.run(t, append(append(args, then), want[1]...)...)
	got, err := parseCommands([]byte(read(t, s.dir, "commands")))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

func TestRunEndsAfterTheTimeout(t *testing.T) {
	s := newStand(t)
	write(t, s.dir, "hang", "")
	write(t, s.dir, "stream", stream(t, "0", "unfinished"))
	status, said := s.run(t, "--memory", "1M", "--timeout", "0.005", "--out", s.out, "--", "command")
	if status != 124 || !strings.Contains(said, "longer --timeout") {
		t.Errorf("status %d, want 124, and --timeout named in:\n%s", status, said)
	}
}

func TestRunEndsTheMachineOnInterrupt(t *testing.T) {
	s := newStand(t)
	write(t, s.dir, "hang", "")
	cmd := s.command("--memory", "1M", "--out", s.out, "--", "command")
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err = cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(output).ReadString('\n') // the script runs now
	if err != nil {
		t.Fatal(err)
	}
	if err = cmd.Process.Signal(unix.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if status := cmd.ProcessState.ExitCode(); status != 130 {
		t.Errorf("status %d, want 130", status)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(line, "process ")))
	if err != nil {
		t.Fatal(err)
	}
	if err = unix.Kill(pid, 0); err != unix.ESRCH {
		t.Errorf("the machine's process %d is there still: %v", pid, err)
	}
	if left, err := filepath.Glob(filepath.Join(s.dir, "tmp.*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestRunRefuses(t *testing.T) {
	for _, c := range []struct{ args, said string }{
		{"-- command", "--out"},
		{"--out", "--out needs a value"},
		{"--out DIR", "nothing to run"},
		{"--out DIR --", "nothing to run"},
		{"--out DIR command", "unknown option command"},
		{"--out DIR --memory 12 -- command", "--memory 12"},
		{"--out DIR --memory 9000000G -- command", "--memory 9000000G"},
		{"--out DIR --cpus none -- command", "--cpus none"},
		{"--out DIR --timeout 0 -- command", "--timeout 0"},
	} {
		s := newStand(t)
		args := strings.Fields(strings.ReplaceAll(c.args, "DIR", s.out))
		if status, said := s.run(t, args...); status != 2 || !strings.Contains(said, c.said) {
			t.Errorf("%s: status %d, want 2, and %q in: %s", c.args, status, c.said, said)
		}
	}
}
