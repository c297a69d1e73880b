package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ccomet/cmd/ccomet/internal/daemon"
)

// service is a directory with an icomet.conf, and the program under the name of iComet's
// server.
type service struct {
	t             *testing.T
	program, conf string
	pidfile, log  string
	env           []string // of its commands
}

const confHead = "pidfile = ./icomet.pid\nlogger:\n\toutput: ./log.txt\n"

// newService writes the file. A server that still runs at the end of the test is stopped.
func newService(t *testing.T, text string) *service {
	t.Helper()
	conf := fileNamed(t, "icomet.conf", text)
	dir := filepath.Dir(conf)
	s := &service{t, filepath.Join(dir, daemon.ICometName), conf, filepath.Join(dir, "icomet.pid"), filepath.Join(dir, "log.txt"), nil}
	if err := os.Symlink(program, s.program); err != nil {
		t.Fatal(err)
	}
	stopWhenKilled(t, s)
	t.Cleanup(func() {
		if pid, _, err := daemon.ServesFor(s.pidfile, s.conf); err != nil || pid != 0 {
			t.Logf("left running: %d, %v", pid, err)
			s.run("-s", "stop", s.conf)
		}
	})
	return s
}

// stopWhenKilled stops the service when the test process ends, even if that is killed: a daemon
// outlives it.
func stopWhenKilled(t *testing.T, s *service) {
	t.Helper()
	sh := exec.Command("/bin/sh", "-c", `read -r _; exec "$0" -s stop "$1"`, s.program, s.conf)
	sh.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // signals to the tests do not reach it
	alive, err := sh.StdinPipe()
	if err == nil {
		err = sh.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // runs after the cleanup that stops the service
		_ = sh.Process.Kill()
		_ = alive.Close()
		_ = sh.Wait()
	})
}

// run runs iComet's command line to its end.
func (s *service) run(args ...string) (stdout, stderr string, status int) {
	s.t.Helper()
	cmd := command(s.env, args...)
	cmd.Path, cmd.Args[0] = s.program, s.program
	return runToEnd(s.t, cmd)
}

// must runs a command that must succeed.
func (s *service) must(args ...string) string {
	s.t.Helper()
	stdout, stderr, status := s.run(args...)
	if status != 0 || stderr != "" {
		s.t.Fatalf("%s: status %d: %s%s", args, status, stdout, stderr)
	}
	return stdout
}

// pid returns the process in the pid file, or 0.
func (s *service) pid() int {
	s.t.Helper()
	text, err := os.ReadFile(s.pidfile)
	if errors.Is(err, os.ErrNotExist) {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		s.t.Fatal(err)
	}
	return pid
}

// serves expects that the latest server passes a message on to a subscriber.
func (s *service) serves() {
	s.t.Helper()
	lines := logged(s.t, s.log, "serving")
	address := func(side string) string { return lines[len(lines)-1][side].([]any)[0].(string) }
	if a := post(s.t, address("admin"), "/push", url.Values{"cname": {"a"}, "content": {"hello"}}); a.status != 200 {
		s.t.Fatal(a)
	}
	if a := get(s.t, address("front"), "/poll?cname=a&seq=1"); !strings.Contains(a.body, `"content":"hello"`) {
		s.t.Fatal(a)
	}
}

const freeConf = confHead + "admin:\n\tlisten: 127.0.0.1:0\nfront:\n\tlisten: 127.0.0.1:0\n"

// TestDaemon: start, restart and stop as by iComet's users.
func TestDaemon(t *testing.T) {
	t.Parallel()
	s := newService(t, freeConf)
	if out := s.must("-d", s.conf); out != fmt.Sprintf("process %d serves\n", s.pid()) {
		t.Error(out)
	}
	s.serves()
	first := s.pid()
	if name := daemon.ProcessName(first); name != daemon.ICometName {
		t.Errorf("its name is %s", name)
	}
	if session, err := unix.Getsid(first); err != nil || session != first {
		t.Errorf("it is in session %d, not its own: %v", session, err)
	}

	// A second server is refused, as a daemon or not.
	for _, args := range [][]string{{"-d", s.conf}, {s.conf}, {s.conf, "-s", "start"}} {
		_, stderr, status := s.run(args...)
		if status != exitFailed || !strings.Contains(stderr, "is already running as process "+itoa(first)) || !strings.Contains(stderr, s.pidfile) {
			t.Errorf("%s: status %d: %s", args, status, stderr)
		}
	}

	if out := s.must("-d", s.conf, "-s", "restart"); !strings.HasPrefix(out, fmt.Sprintf("process %d continues: upgraded from version ", first)) {
		t.Error(out)
	}
	if second := s.pid(); second != first || !alive(first) {
		t.Errorf("process %d, then %d", first, second)
	}
	s.serves()
	// A file with mistakes prevents a restart, but not a stop.
	second := s.pid()
	if err := os.WriteFile(s.conf, []byte(freeConf+"\tauth: maybe\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, stderr, status := s.run("-s", "restart", s.conf, "-d"); status != exitSettings || !strings.Contains(stderr, "icomet.conf:8: front.auth") {
		t.Errorf("status %d: %s", status, stderr)
	}
	s.serves()
	if out := s.must(s.conf, "-s", "stop"); out != fmt.Sprintf("process %d has ended\n", second) {
		t.Error(out)
	}
	if s.pid() != 0 || alive(second) {
		t.Errorf("process %d: it lives: %v", s.pid(), alive(second))
	}
	if len(logged(t, s.log, "stopped")) != 1 {
		t.Error("the server ended with an error")
	}
	if _, stderr, status := s.run("-s", "stop", s.conf); status != exitFailed || !strings.Contains(stderr, "is not running") {
		t.Errorf("a second stop: status %d: %s", status, stderr)
	}
}

// alive reports whether a process is running.
func alive(pid int) bool {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	n, _ := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
	return n == 0 // readable: it has ended, perhaps as a zombie
}

// TestRestartThatCannotStart: errors that a new server would have are found before the old one
// is stopped.
func TestRestartThatCannotStart(t *testing.T) {
	t.Parallel()
	s := newService(t, freeConf)
	s.must("-d", s.conf)
	first := s.pid()
	dir := filepath.Dir(s.conf)
	for _, c := range []struct{ old, new, want string }{
		// An address for documentation (RFC 5737), which no machine has.
		{"front:\n\tlisten: 127.0.0.1:0", "front:\n\tlisten: 192.0.2.1:0", "192.0.2.1:0"},
		{"admin:\n\tlisten: 127.0.0.1:0", "admin:\n\tlisten: 192.0.2.1:0", "192.0.2.1:0"},
		{"front:\n\tlisten: 127.0.0.1:0", "front:\n\tlisten: unix:" + dir + "/none/socket", "none/socket"},
		{"127.0.0.1:0", "unix:" + dir + "/socket", "set twice"},
		{"./log.txt", "./logs/log.txt", "logs/log.txt: no such file or directory"},
	} {
		if err := os.WriteFile(s.conf, []byte(strings.ReplaceAll(freeConf, c.old, c.new)), 0o600); err != nil {
			t.Fatal(err)
		}
		stdout, stderr, status := s.run("-d", s.conf, "-s", "restart")
		if status != exitFailed || !strings.Contains(stderr, "not restarted: ") || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: status %d: %s%s", c.new, status, stdout, stderr)
		}
		if s.pid() != first || !alive(first) {
			t.Fatalf("%s: process %d does not serve any more", c.new, first)
		}
	}
	s.serves()

	// Addresses of the old server are free when it has ended.
	text := confHead + "admin:\n\tlisten: " + reserve(t) + "\nfront:\n\tlisten: unix:" + dir + "/socket\n"
	if err := os.WriteFile(s.conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s.must("-d", s.conf, "-s", "restart")
	}
	s.must(s.conf, "-s", "stop")
}

// TestRestartOfNothing: without a running server, a restart starts one.
func TestRestartOfNothing(t *testing.T) {
	t.Parallel()
	s := newService(t, freeConf)
	s.must("-d", "-s", "restart", s.conf)
	s.serves()
	s.must("-s", "stop", s.conf)
}

// TestDaemonWithoutLog: a missing log is reported.
func TestDaemonWithoutLog(t *testing.T) {
	t.Parallel()
	s := newService(t, strings.Replace(freeConf, "./log.txt", "stdout", 1))
	if out := s.must("-d", s.conf); !strings.HasPrefix(out, "warning: the log goes to stdout") || !strings.HasSuffix(out, fmt.Sprintf("process %d serves\n", s.pid())) {
		t.Error(out)
	}
	s.must("-s", "stop", s.conf)
}

// TestDaemonThatCannotStart: the process that starts the daemon reports the error.
func TestDaemonThatCannotStart(t *testing.T) {
	t.Parallel()
	p := start(t, nil)
	for _, c := range []struct {
		text, want string
		status     int
	}{
		{confHead + "admin:\n\tlisten: 127.0.0.1:0\nfront:\n\tlisten: " + p.front + "\n", p.front, exitFailed},
		{"pidfile = ./run/pid\n", "run/pid: no such file or directory", exitFailed},
		{freeConf + "\tauth: maybe\n", "icomet.conf:8: front.auth", exitSettings},
		{"logger:\n\toutput: ./logs/log.txt\n", "logs/log.txt: no such file or directory", exitFailed},
	} {
		s := newService(t, c.text)
		stdout, stderr, status := s.run("-d", s.conf)
		if status != c.status || strings.Contains(stdout, "serves") || !strings.Contains(stderr, c.want) || !strings.HasPrefix(stderr, "icomet-server: ") {
			t.Errorf("%q: status %d: %s%s", c.text, status, stdout, stderr)
		}
		if s.pid() != 0 {
			t.Errorf("%q: a pid file is left", c.text)
		}
	}
}

// TestStalePidfile: a stale pid file does not prevent a start, whichever process has its number
// now, and that process is not stopped.
func TestStalePidfile(t *testing.T) {
	t.Parallel()
	other := start(t, nil)
	for _, left := range []string{itoa(os.Getpid()), itoa(other.cmd.Process.Pid), "999999999", "-1", " 999999999\n", ""} {
		s := newService(t, freeConf)
		s.leave(left)
		if out := s.must("-s", "stop", s.conf); !strings.Contains(out, strconv.Quote(strings.TrimSpace(left))) {
			t.Errorf("%q: %s", left, out)
		}
		if _, err := os.Stat(s.pidfile); err == nil {
			t.Errorf("%q: the pid file was not removed", left)
		}
		s.leave(left)
		s.must("-d", s.conf)
		if lines := logged(t, s.log, "the pidfile was left behind by a server that is gone"); left != "" && (len(lines) != 1 || lines[0]["process"] != strings.TrimSpace(left)) {
			t.Errorf("%q: it says %v", left, lines)
		}
		s.serves()
		s.must("-s", "stop", s.conf)
	}
	get(t, other.front, "/ping")
}

// TestPidfileOfSomethingElse: a file whose name was given by mistake is not changed, and
// nothing starts.
func TestPidfileOfSomethingElse(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"notes\n", "12 34\n", "12\nnotes\n", "12" + strings.Repeat("\n", 40) + "notes\n"} {
		s := newService(t, strings.Replace(freeConf, "./icomet.pid", "./precious.txt", 1))
		precious := filepath.Join(filepath.Dir(s.conf), "precious.txt")
		if err := os.WriteFile(precious, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{s.conf, "-s", "stop"}, {s.conf, "-d"}, {s.conf, "-d", "-s", "restart"}} {
			stdout, stderr, status := s.run(args...)
			if status != exitFailed || !strings.Contains(stderr, "precious.txt contains something else and is left unchanged") {
				t.Errorf("%q: %s: status %d: %s%s", text, args, status, stdout, stderr)
			}
		}
		if _, stderr, status := runFor(t, nil, "serve", "--front", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--pidfile", precious); status != exitFailed {
			t.Errorf("%q: status %d: %s", text, status, stderr)
		}
		if got, err := os.ReadFile(precious); err != nil || string(got) != text {
			t.Errorf("%q became %q, %v", text, got, err)
		}
	}
}

// TestPidfileOfSpecialKind: special files are not changed either.
func TestPidfileOfSpecialKind(t *testing.T) {
	t.Parallel()
	s := newService(t, freeConf)
	if err := unix.Mkfifo(s.pidfile, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{s.conf, "-s", "stop"}, {s.conf, "-d"}} {
		if _, stderr, status := s.run(args...); status != exitFailed || !strings.Contains(stderr, "is left unchanged") {
			t.Errorf("%s: status %d: %s", args, status, stderr)
		}
	}
	if info, err := os.Stat(s.pidfile); err != nil || info.Mode().Type() != os.ModeNamedPipe {
		t.Error(info, err)
	}
	if err := os.Remove(s.pidfile); err != nil {
		t.Fatal(err)
	}
}

// TestStrangersLock: a process that is not a server is not stopped, whatever it has locked.
func TestStrangersLock(t *testing.T) {
	t.Parallel()
	s := newService(t, freeConf)
	p, err := daemon.TakePIDFile(s.pidfile, s.conf)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Remove() }()
	_, stderr, status := s.run("-s", "stop", s.conf)
	if status != exitFailed || !strings.Contains(stderr, "process "+itoa(os.Getpid())) || !strings.Contains(stderr, "not stopped") {
		t.Errorf("status %d: %s", status, stderr)
	}
	if _, stderr, status := s.run("-d", s.conf); status != exitFailed || !strings.Contains(stderr, itoa(os.Getpid())) {
		t.Errorf("status %d: %s", status, stderr)
	}
}

// TestICometCommandLine: iComet's command line under the program's own name, and errors of a
// wrong command line.
func TestICometCommandLine(t *testing.T) {
	t.Parallel()
	s := newService(t, freeConf)
	own := func(args ...string) string {
		stdout, stderr, status := runFor(t, nil, append([]string{"icomet"}, args...)...)
		if status != 0 {
			t.Fatalf("%s: status %d: %s", args, status, stderr)
		}
		return stdout
	}
	own(s.conf, "-d")
	s.serves()
	own(s.conf, "-s", "stop")
	if s.pid() != 0 {
		t.Error("the pid file was not removed")
	}

	none := fileNamed(t, "none.conf", "front:\n\tlisten: 127.0.0.1:0\n")
	for _, c := range []struct {
		args   []string
		want   string
		status int
	}{
		{nil, "icomet-server -d icomet.conf", 0},
		{[]string{"-h"}, "start|stop|restart", 0},
		{[]string{"-v"}, "ccomet ", 0},
		{[]string{"-d"}, "<file>", exitSettings},
		{[]string{s.conf, "-s"}, "--signal", exitSettings},
		{[]string{s.conf, "-s", "reload"}, `"reload"`, exitSettings},
		{[]string{s.conf, "-x"}, "-x", exitSettings},
		{[]string{s.conf, none}, none, exitSettings},
		{[]string{"-d", "/nowhere.conf"}, "/nowhere.conf", exitSettings},
		{[]string{none, "-s", "stop"}, "has no pidfile", exitSettings},
		{[]string{none, "-s", "restart"}, "has no pidfile", exitSettings},
	} {
		stdout, stderr, status := s.run(c.args...)
		if status != c.status || !strings.Contains(stdout+stderr, c.want) {
			t.Errorf("%s: status %d: %s%s", c.args, status, stdout, stderr)
		}
	}
}
