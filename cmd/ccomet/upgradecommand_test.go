package main

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestUpgradeCommand: "ccomet upgrade" finds the server by each of its flags, and by the server's own
// environment variables, which it has in a container and as ExecReload= of a systemd unit. A flag
// overrides the environment.
func TestUpgradeCommand(t *testing.T) {
	t.Parallel()
	admin, pidfile := reserve(t), filepath.Join(t.TempDir(), "pid")
	env := []string{"CCOMET_ADMIN=" + admin + ",127.0.0.1:0", "CCOMET_PIDFILE=" + pidfile}
	p := serving(t, command(append([]string{"CCOMET_FRONT=127.0.0.1:0"}, env...), "serve"))
	pid := strconv.Itoa(p.cmd.Process.Pid)
	const nobody = "127.0.0.1:1"
	for _, c := range []struct {
		env  []string
		args string
	}{
		{env, "--pid " + pid}, {env, "--pidfile " + pidfile}, {env, "--admin " + admin}, {env, ""},
		{[]string{"CCOMET_ADMIN=" + nobody, "CCOMET_PIDFILE=" + pidfile + ".other"}, "--admin " + admin},
		{[]string{"CCOMET_ADMIN=" + nobody, "CCOMET_PIDFILE=" + pidfile + ".other"}, "--pid " + pid},
		{[]string{"CCOMET_ADMIN=" + nobody}, "--pidfile " + pidfile}, {env[:1], ""}, {env[1:], ""}, {nil, "--admin " + admin + " --timeout 2m"},
	} {
		stdout, stderr, status := runFor(t, c.env, append([]string{"upgrade"}, strings.Fields(c.args)...)...)
		if status != 0 || stderr != "" || !strings.HasPrefix(stdout, "upgraded from version ") {
			t.Errorf("%s, with %v: status %d, %q, %q", c.args, c.env, status, stdout, stderr)
		}
	}
	p.stop(15)
}

// TestUpgradeCommandRefuses: wrong arguments have exit status 2, and a server that cannot be asked has 1.
func TestUpgradeCommandRefuses(t *testing.T) {
	t.Parallel()
	p := start(t, nil)
	none, gone := t.TempDir()+"/none", exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args   string
		status int
		want   string
	}{
		{"--admin :1 --pid 1", exitSettings, "--admin and --pid both name the server: use one of them"},
		{"--pidfile a --admin :1", exitSettings, "--pidfile and --admin both name the server: use one of them"},
		{"--pid 0", exitSettings, "--pid is 0: want the number of a process"},
		{"--pid -1", exitSettings, "--pid is -1: want the number of a process"},
		{"--pid", exitSettings, "--pid: the value is missing"},
		{"--timeout 0", exitSettings, "--timeout is 0s: want 1s to 8760h"},
		{"--admin example.com:80", exitSettings, "want HOST:PORT with a numeric host"},
		{"--pid " + strconv.Itoa(gone.Process.Pid), exitFailed, "is not a server that can be upgraded while it runs"},
		{"--pidfile " + none, exitFailed, "no server is running"},
		{"--admin 127.0.0.1:1", exitFailed, "does not answer: dial tcp 127.0.0.1:1: connect: connection refused"},
		{"--admin " + p.front, exitFailed, "404 Not Found"},
	} {
		stdout, stderr, status := runFor(t, nil, append([]string{"upgrade"}, strings.Fields(c.args)...)...)
		if status != c.status || stdout != "" || !strings.Contains(stderr, c.want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: status %d, want %d; %q, %q, want %q", c.args, status, c.status, stdout, stderr, c.want)
		}
	}
}

// TestUpgradeUnit: the command of ExecReload= works with the environment that the unit's server has.
func TestUpgradeUnit(t *testing.T) {
	t.Parallel()
	reload := strings.Fields(setting(t, "dist/ccomet.service", "ExecReload"))
	if len(reload) < 2 || reload[0] != installed {
		t.Fatalf("ExecReload is %q", reload)
	}
	env := []string{"CCOMET_ADMIN=127.0.0.1:0", "CCOMET_PIDFILE=" + filepath.Join(t.TempDir(), "pid")}
	p := serving(t, command(append([]string{"CCOMET_FRONT=127.0.0.1:0"}, env...), "serve"))
	args := slices.Clone(reload[1:])
	if i := slices.Index(args, "$MAINPID"); i < 0 {
		t.Fatalf("ExecReload has no $MAINPID: %q", reload)
	} else {
		args[i] = strconv.Itoa(p.cmd.Process.Pid)
	}
	if stdout, stderr, status := runFor(t, env, args...); status != 0 {
		t.Errorf("status %d: %s%s", status, stdout, stderr)
	}
}
