package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ccomet/cmd/ccomet/internal/systemd"
	"ccomet/cmd/ccomet/internal/upgrade"
)

// hearUntil reads the service manager's messages until the wanted one. Only watchdog messages
// may come before it.
func (e *ear) hearUntil(want string) string {
	e.t.Helper()
	for {
		got := e.hear()
		if strings.HasPrefix(got, want) {
			return got
		}
		if got != systemd.Alive {
			e.t.Fatalf("the manager got %q, want %q", got, want)
		}
	}
}

// TestUpgradeManagerHears: the service manager is told that the server reloads, and then that
// it serves again, also after a failed upgrade. The new program continues the watchdog
// messages.
func TestUpgradeManagerHears(t *testing.T) {
	t.Parallel()
	e := newEar(t, filepath.Join(t.TempDir(), "notify"))
	s := installIn(t, []string{"NOTIFY_SOCKET=" + e.name, "WATCHDOG_USEC=1000000"}, "--drain-time", "0.1")
	e.hearUntil(systemd.Serving)
	reloading := regexp.MustCompile("^RELOADING=1\nMONOTONIC_USEC=([0-9]+)$")
	last := int64(0)
	upgraded := func(fails bool) {
		t.Helper()
		var before unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &before); err != nil {
			t.Fatal(err)
		}
		outcome := make(chan error, 1)
		go func() { // read concurrently: the queue of datagrams is short, and the server does not wait for long
			_, err := s.upgrade()
			outcome <- err
		}()
		told := reloading.FindStringSubmatch(e.hearUntil("RELOADING=1"))
		if told == nil {
			t.Fatal("no retry time was sent")
		}
		at, _ := strconv.ParseInt(told[1], 10, 64)
		if at < before.Nano()/1000 || at <= last {
			t.Errorf("reloading since %d, asked at %d", at, before.Nano()/1000)
		}
		last = at
		e.hearUntil(systemd.Serving)
		if err := <-outcome; fails != (err != nil) {
			t.Errorf("upgraded: %v", err)
		}
		for range 3 {
			e.hearUntil(systemd.Alive)
		}
	}
	upgraded(false)
	s.write(t, []byte("#!/bin/sh\nexit 1\n"))
	upgraded(true)
	s.instead(3, "--loops 1")
	upgraded(true) // this one restarts in place, which has its own exit status
	if now := s.status(); now.Restarts != 1 || now.Failures != 1 {
		t.Errorf("status %+v", now)
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	e.hearUntil(systemd.Stopping)
	if err := s.wait(); err != nil {
		t.Error(err)
	}
}

// TestUpgradeAsFirst: if the server is the first process of a container, it stays that process
// in an upgrade, also if it restarts in place.
func TestUpgradeAsFirst(t *testing.T) {
	t.Parallel()
	unshare := []string{"-p", "-f", "--mount-proc", "--kill-child"}
	if os.Geteuid() != 0 {
		unshare = append(unshare, "-r")
	}
	if out, err := exec.Command("unshare", append(unshare, "true")...).CombinedOutput(); err != nil {
		t.Skipf("no namespace of processes can be had: %v %s", err, bytes.TrimSpace(out))
	}
	list, err := versions()
	if err != nil {
		t.Fatal(err)
	}
	i := &replaceable{path: filepath.Join(t.TempDir(), "ccomet"), versions: list}
	i.put(t, list[0])
	cmd := command(nil, append(unshare, i.path, "serve", "--front", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--loops", "2", "--drain-time", "0.1")...)
	if cmd.Path, err = exec.LookPath("unshare"); err != nil {
		t.Fatal(err)
	}
	cmd.Args[0] = "unshare"
	i.process = serving(t, cmd)
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", cmd.Process.Pid, cmd.Process.Pid))
	first, numberErr := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || numberErr != nil {
		t.Fatal(err, numberErr)
	}
	t.Cleanup(func() { _ = unix.Kill(first, unix.SIGKILL) }) // the executed program does not inherit the signal for its parent's end
	// From outside of the namespace, process 1 is another process, which must be left alone.
	if said, err := i.upgrade(); err == nil || !strings.Contains(said, "process 1 ") {
		t.Errorf("%v: %s", err, said)
	}
	var ends atomic.Bool
	hearer := listen(t, i.front, "/stream?cname=c0&seq=1", &ends)
	defer ends.Store(true)
	for n, version := range []string{"v1.0.2", "v2.0.0", "v1.0.1", "v0.9.0"} {
		i.put(t, list[[...]int{1, 2, 0, 3}[n]])
		ends.Store(version == "v0.9.0") // a restart in place ends the connection
		if err := unix.Kill(first, unix.SIGUSR2); err != nil {
			t.Fatal(err)
		}
		waited(t, "the upgrade ends", func() bool {
			resp, err := client.Get("http://" + i.admin + upgrade.Path)
			if err != nil {
				return false
			}
			defer resp.Body.Close()
			var now upgrade.Status
			return json.NewDecoder(resp.Body).Decode(&now) == nil && now.Attempts == n+1 && now.Version == version && now.PID == 1 && now.Error == ""
		})
		if version != "v0.9.0" {
			before := hearer.heard.Load()
			i.push("c0", "on")
			waited(t, "the client hears on", func() bool { return hearer.heard.Load() > before })
		}
	}
	if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", first)); err != nil || string(name) != "ccomet\n" {
		t.Errorf("the process is %q, %v", name, err)
	}
}
