package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ccomet/cmd/ccomet/internal/daemon"
)

// copied copies a program under the name of iComet's server to a new directory.
func copied(t *testing.T, from string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), daemon.ICometName)
	// By another process: a file open for writing here could be inherited by a child that
	// another test starts meanwhile, and could then not be executed.
	if out, err := exec.Command("cp", "-L", from, name).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return name
}

// former stands for iComet's own server: a process with its name and arguments that is not this
// program and locks nothing. It is a shell that waits for a line.
type former struct {
	t     *testing.T
	cmd   *exec.Cmd
	ended chan struct{}
}

// startFormer runs such a process in a directory, as the server of a file, until the test ends.
func startFormer(t *testing.T, dir, conf string) *former {
	t.Helper()
	f := &former{t, exec.Command(copied(t, "/bin/sh"), "-c", "echo; read line", conf), make(chan struct{})}
	f.cmd.Dir = dir
	if _, err := f.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := f.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := f.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, err = stdout.Read(make([]byte, 1)) // from now on it runs the shell
	go func() {
		_ = f.cmd.Wait() // the result is in f.cmd.ProcessState
		close(f.ended)
	}()
	t.Cleanup(func() {
		_ = f.cmd.Process.Kill()
		<-f.ended
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *former) pid() string { return itoa(f.cmd.Process.Pid) }

// stopped expects that it was told to stop.
func (f *former) stopped() {
	f.t.Helper()
	<-f.ended
	if status := f.cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != unix.SIGTERM {
		f.t.Errorf("it ended by %v", f.cmd.ProcessState)
	}
}

// leave writes a pid file without locking it, as iComet does.
func (s *service) leave(pid string) {
	s.t.Helper()
	if err := os.WriteFile(s.pidfile, []byte(pid), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// TestICometItself: iComet's own server with this file is found, although it holds no lock.
func TestICometItself(t *testing.T) {
	t.Parallel()
	s := newService(t, freeConf)
	dir := filepath.Dir(s.conf)
	// It may have been started in another directory, and have changed to the file's.
	for _, conf := range []string{"icomet.conf", "etc/icomet.conf", s.conf} {
		f := startFormer(t, dir, conf)
		s.leave(f.pid())
		if _, stderr, status := s.run("-d", s.conf); status != exitFailed || !strings.Contains(stderr, "is already running as process "+f.pid()) {
			t.Errorf("%s: status %d: %s", conf, status, stderr)
		}
		if out := s.must("-s", "stop", s.conf); out != "process "+f.pid()+" has ended\n" {
			t.Errorf("%s: %s", conf, out)
		}
		f.stopped()
	}
	f := startFormer(t, dir, s.conf)
	s.leave(f.pid())
	if out := s.must("-d", s.conf, "-s", "restart"); !strings.Contains(out, "\nprocess "+f.pid()+" has ended\n") || !strings.Contains(out, "is not a server that can be upgraded while it runs") {
		t.Error(out)
	}
	f.stopped()
	s.serves()
	s.must("-s", "stop", s.conf)
}

// TestICometOfAnotherFile: an iComet with another file that has the number of the pid file is
// not stopped, and is reported.
func TestICometOfAnotherFile(t *testing.T) {
	t.Parallel()
	s := newService(t, freeConf)
	other := fileNamed(t, "icomet.conf", freeConf)
	for _, conf := range []string{"icomet.conf", other, "/nowhere/icomet.conf"} {
		f := startFormer(t, filepath.Dir(other), conf)
		s.leave(f.pid())
		for _, args := range [][]string{{s.conf, "-s", "stop"}, {s.conf, "-d", "-s", "restart"}, {s.conf, "-d"}} {
			stdout, stderr, status := s.run(args...)
			if status != exitFailed || !strings.Contains(stderr, "process "+f.pid()+" has its number") || !strings.Contains(stderr, conf) || !strings.Contains(stderr, "not stopped") {
				t.Errorf("%s: %s: status %d: %s%s", conf, args, status, stdout, stderr)
			}
		}
		if !alive(f.cmd.Process.Pid) || itoa(s.pid()) != f.pid() {
			t.Errorf("%s: process %s should live, and have its number in the pid file: %d", conf, f.pid(), s.pid())
		}
	}
	if err := os.Remove(s.pidfile); err != nil {
		t.Fatal(err)
	}
}

// TestSecondCopy: a server of this program that is installed elsewhere has the number of an
// ended one. It has not locked the file, so it is not meant.
func TestSecondCopy(t *testing.T) {
	t.Parallel()
	other := newService(t, freeConf)
	if err := os.Remove(other.program); err != nil {
		t.Fatal(err)
	}
	other.program = copied(t, program)
	other.must("-d", other.conf)

	s := newService(t, freeConf)
	s.leave(itoa(other.pid()))
	if out := s.must(s.conf, "-s", "stop"); !strings.Contains(out, "was not running") || !strings.Contains(out, itoa(other.pid())) {
		t.Error(out)
	}
	s.leave(itoa(other.pid()))
	if out := s.must(s.conf, "-d", "-s", "restart"); strings.Contains(out, "has ended") {
		t.Error(out)
	}
	s.serves()
	s.must(s.conf, "-s", "stop")
	other.serves()
	other.must(other.conf, "-s", "stop")
}

// TestUpgrade: a server whose program file was replaced is found by its lock, and upgraded to
// the new program. A server that runs another file is stopped.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	s := newService(t, freeConf)
	if err := os.Rename(copied(t, program), s.program); err != nil {
		t.Fatal(err)
	}
	s.must("-d", s.conf)
	first := s.pid()
	if err := os.Rename(copied(t, program), s.program); err != nil {
		t.Fatal(err)
	}
	if _, stderr, status := s.run("-d", s.conf); status != exitFailed || !strings.Contains(stderr, "is already running as process "+itoa(first)) {
		t.Errorf("status %d: %s", status, stderr)
	}
	if out := s.must("-d", s.conf, "-s", "restart"); !strings.HasPrefix(out, "process "+itoa(first)+" continues: ") {
		t.Error(out)
	}
	s.serves()
	for _, c := range []struct{ program, env, want string }{
		{s.program, "CCOMET_LOOPS=3", "other CCOMET_ variables"},
		{s.program, "CCOMET_LIVE_UPGRADE=false", "other CCOMET_ variables"},
		{s.program, "CCOMET_LIVE_UPGRADE=false", "--no-live-upgrade"},
		{program, "CCOMET_LIVE_UPGRADE=false", "runs another program file"},
	} {
		restart := command([]string{c.env}, "-d", s.conf, "-s", "restart")
		if restart.Path, restart.Args[0] = c.program, c.program; c.program == program {
			restart.Args = slices.Insert(restart.Args, 1, "icomet")
		}
		first := s.pid()
		stdout, stderr, status := runToEnd(t, restart)
		if status != 0 || stderr != "" || !strings.Contains(stdout, c.want) || !strings.Contains(stdout, fmt.Sprintf("\nprocess %d has ended\n", first)) {
			t.Errorf("%s: status %d: %s%s", c.want, status, stdout, stderr)
		}
		s.serves()
	}
	s.must("-s", "stop", s.conf)
}

// TestICometZombie: a zombie process counts as ended, and so does one that is gone.
func TestICometZombie(t *testing.T) {
	s := newService(t, freeConf)
	dead := exec.Command(copied(t, "/bin/sh"), "-c", "kill -9 $$", s.conf)
	if err := dead.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { return daemon.HasEnded(dead.Process.Pid) })
	s.leave(itoa(dead.Process.Pid))
	s.must("-d", s.conf)
	s.serves()
	s.must("-s", "stop", s.conf)
	_ = dead.Wait()
	if !daemon.HasEnded(dead.Process.Pid) || daemon.HasEnded(os.Getpid()) {
		t.Error("wrong result for a process that has ended, or for one that runs")
	}
}
