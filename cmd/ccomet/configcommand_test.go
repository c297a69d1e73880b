package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestConfigExample: the command prints the example file; other tests check its content.
func TestConfigExample(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile("ccomet.toml")
	if err != nil {
		t.Fatal(err)
	}
	if stdout, stderr, status := runFor(t, nil, "config", "example"); status != 0 || stdout != string(want) {
		t.Fatalf("status %d, %d bytes: %s", status, len(stdout), stderr)
	}
}

// TestConfigCheck: the output of the command, and its status.
func TestConfigCheck(t *testing.T) {
	t.Parallel()
	good := file(t, freePorts)
	if stdout, stderr, status := runFor(t, nil, "config", "check", good); status != 0 || stdout != good+": no mistakes\n" || stderr != "" {
		t.Errorf("a good file: %d %q %q", status, stdout, stderr)
	}
	// The environment is not part of the file.
	if stdout, stderr, status := runFor(t, []string{"CCOMET_LOOPS=x"}, "config", "check", good); status != 0 {
		t.Errorf("with a bad environment: %d %q %q", status, stdout, stderr)
	}
	bad := fileNamed(t, "icomet.conf", "pidfle: x\nfront:\n\tlisten: nowhere\n\tauth: none\n\tauth: no\n")
	want := fmt.Sprintf("warning: %[1]s:1: pidfle: ignored, as in iComet: unknown key: did you mean pidfile?\n"+
		"%[1]s:3: front.listen: is \"nowhere\": want HOST:PORT with a numeric host, :PORT, unix:/PATH or fd:N\n"+
		"warning: %[1]s:4: front.auth: ignored, as in iComet: line 5 is used\n%[1]s:5: front.auth: \"no\": want none or token\n", bad)
	stdout, stderr, status := runFor(t, nil, "config", "check", bad)
	if status != exitSettings || stdout != want || stderr != "ccomet: "+bad+": 2 mistakes\n" {
		t.Errorf("an invalid file: %d\n%s\n%s\nwant\n%s", status, stdout, stderr, want)
	}
	if _, stderr, status := runFor(t, nil, "config", "check", "/nowhere/at/all"); status != exitSettings || !strings.Contains(stderr, "/nowhere/at/all") {
		t.Errorf("no file: %d %q", status, stderr)
	}
}
