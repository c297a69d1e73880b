package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The files for distributions are checked with the program that they start.

// installed is the program's path in the units.
const installed = "/usr/local/bin/ccomet"

// units copies the systemd units to a temporary directory, with the path of the program that
// the test has built.
func units(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	names, err := filepath.Glob("dist/*.s*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if ext := filepath.Ext(name); ext != ".service" && ext != ".socket" {
			continue
		}
		changed := strings.ReplaceAll(string(text), installed, program)
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(name)), []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestUnits(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("no systemd-analyze here: the units are not tested")
	}
	dir := units(t)
	for _, name := range []string{"ccomet.service", "ccomet.socket", "ccomet-admin.socket"} {
		cmd := exec.Command(analyze, "verify", "--man=no", filepath.Join(dir, name))
		cmd.Env = append(os.Environ(), "SYSTEMD_UNIT_PATH="+dir+":")
		out, err := cmd.CombinedOutput()
		if err != nil || strings.Contains(string(out), "ccomet") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// TestUnitsNames: the server accepts the names of the socket units.
func TestUnitsNames(t *testing.T) {
	var names []string
	for _, unit := range []string{"ccomet.socket", "ccomet-admin.socket"} {
		names = append(names, setting(t, "dist/"+unit, "FileDescriptorName"))
	}
	t.Setenv("LISTEN_PID", itoa(os.Getpid()))
	t.Setenv("LISTEN_FDS", itoa(len(names)))
	t.Setenv("LISTEN_FDNAMES", strings.Join(names, ":"))
	var s serve
	if err := s.takeSockets(); err != nil || len(s.Front) != 1 || len(s.Admin) != 1 {
		t.Errorf("%v: %v, front %v, admin %v", names, err, s.Front, s.Admin)
	}
}

// setting returns the value of a line NAME=VALUE of a file.
func setting(t *testing.T, file, name string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^` + name + `=(.*)$`).FindSubmatch(text)
	if found == nil {
		t.Fatalf("%s has no %s=", file, name)
	}
	return string(found[1])
}

// TestContainer runs the server with the environment and command of the Dockerfile, except its
// ports, and runs its health check.
func TestContainer(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("dist/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	var env []string
	for _, v := range regexp.MustCompile(`CCOMET_\w+=\S+`).FindAllString(string(text), -1) {
		env = append(env, regexp.MustCompile(`=:\d+$`).ReplaceAllString(v, "=:0"))
	}
	if len(env) != 3 {
		t.Fatalf("the Dockerfile sets %v", env)
	}
	cmd := command(env, "serve")
	p := serving(t, cmd)
	for _, want := range []string{`CMD ["serve"]`, `CMD ["/ccomet", "health"]`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the Dockerfile has no %s", want)
		}
	}
	port := p.admin[strings.LastIndexByte(p.admin, ':'):]
	stdout, stderr, status := runFor(t, []string{"CCOMET_ADMIN=" + port}, "health")
	if status != 0 || stdout != "ok\n" {
		t.Errorf("health: %d %s %s", status, stdout, stderr)
	}
	stdout, stderr, status = runFor(t, []string{"CCOMET_ADMIN=" + port}, "health", "--ready")
	if status != 0 || stdout != "ok\n" {
		t.Errorf("health --ready: %d %s %s", status, stdout, stderr)
	}
	p.kill()
	stdout, stderr, status = runFor(t, []string{"CCOMET_ADMIN=" + port}, "health")
	if status != exitFailed || stdout != "" || !strings.Contains(stderr, "does not answer") {
		t.Errorf("health without a server: %d %s %s", status, stdout, stderr)
	}
}
