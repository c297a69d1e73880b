//go:build faults

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ccomet/bench/proc"
)

func init() { buildTags = "faults" }

// faulty is a server with faults injected into its upgrades.
type faulty struct {
	*replaceable
	fault string // the path of the file that names the fault
}

func installFaulty(t *testing.T, args ...string) *faulty {
	t.Helper()
	fault := filepath.Join(t.TempDir(), "fault")
	return &faulty{installIn(t, []string{"UPGRADE_FAULT=" + fault}, args...), fault}
}

// at injects a fault from now on; "" stops that.
func (f *faulty) at(fault string) {
	f.t.Helper()
	_ = os.Remove(f.fault + ".reached")
	err := os.WriteFile(f.fault, []byte(fault), 0o600)
	if fault == "" {
		err = os.Remove(f.fault)
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

// reached waits until the step of the fault has been reached.
func (f *faulty) reached() {
	f.t.Helper()
	waited(f.t, "the step is never reached", func() bool {
		_, err := os.Stat(f.fault + ".reached")
		return err == nil
	})
}

// survives injects a fault into an upgrade. The upgrade must fail with an error, the client
// must not notice it, and the next upgrade must succeed.
func (f *faulty) survives(client *listener, fault, want string) {
	f.t.Helper()
	before, failed := f.status(), strings.Count(f.logged(), "not upgraded")
	f.at(fault)
	if strings.HasSuffix(fault, " limit") { // the server cannot accept connections until it gets descriptors again
		go func() {
			waited(f.t, "the log does not say that it failed", func() bool { return strings.Count(f.logged(), "not upgraded") > failed })
			f.unlimited()
		}()
	}
	said, err := f.upgrade()
	if err == nil || !strings.Contains(said, "not upgraded") || !strings.Contains(said, want) {
		f.t.Errorf("%s: %v, said %q, want %q", fault, err, said, want)
	}
	f.at("")
	f.hears(client, fault)
	if now := f.status(); now.Version != before.Version || now.PID != before.PID || now.Attempts != before.Attempts+1 || now.Upgrading {
		f.t.Errorf("%s: status was %+v, and is %+v", fault, before, now)
	}
	if said, err := f.upgrade(); err != nil {
		f.t.Errorf("%s: after all: %v, %s", fault, err, said)
	}
	f.hears(client, fault+", and after all")
}

// unlimited raises the server's descriptor limit again.
func (f *faulty) unlimited() {
	var limit unix.Rlimit
	err := unix.Prlimit(f.cmd.Process.Pid, unix.RLIMIT_NOFILE, nil, &limit)
	limit.Cur = limit.Max
	if err == nil {
		err = unix.Prlimit(f.cmd.Process.Pid, unix.RLIMIT_NOFILE, &limit, nil)
	}
	if err != nil {
		f.t.Error(err)
	}
}

// hears checks that a client receives a new message.
func (f *faulty) hears(client *listener, when string) {
	f.t.Helper()
	before := client.heard.Load()
	f.push("c0", "on")
	waited(f.t, "the client does not hear on: "+when, func() bool { return client.heard.Load() > before })
}

// TestUpgradeFaults: after a fault before the new version serves, the server continues with all
// connections, reports the cause, and can be upgraded.
func TestUpgradeFaults(t *testing.T) {
	for name, faults := range map[string][][2]string{
		"in the server": {
			{"server starts error", "made to fail"}, {"server starts limit", "too many open files"},
			{"server parks error", "made to fail"}, {"server parks limit", "too many open files"},
			{"server writes error", "made to fail"}, {"server writes limit", "too many open files"},
			{"server keeps error", "made to fail"}, {"server executes error", "made to fail"},
		},
		"in the rehearsal": {
			{"rehearsal begun exit", "exit status 3"}, {"rehearsal begun kill", "signal: killed"}, {"rehearsal begun memory", "out of memory"},
			{"rehearsal checked error", "made to fail"}, {"rehearsal checked kill", "signal: killed"}, {"rehearsal checked memory", "out of memory"},
			{"rehearsal handed error", "made to fail"}, {"rehearsal handed exit", "exit status 3"}, {"rehearsal handed kill", "signal: killed"},
			{"rehearsal handed memory", "out of memory"}, {"rehearsal handed limit", "too many open files"},
			{"rehearsal made error", "made to fail"}, {"rehearsal made kill", "signal: killed"}, {"rehearsal made memory", "out of memory"},
		},
		"in a rehearsal that hangs at once":    {{"rehearsal begun hang", "has not answered within 20s while reading its configuration"}},
		"in a rehearsal that hangs":            {{"rehearsal handed hang", "while taking over the connections"}, {"rehearsal made hang", "while taking over the connections"}},
		"in the successor":                     {{"successor reads error", "made to fail"}, {"successor reads descriptors", "too many open files"}, {"successor serves error", "made to fail"}},
		"in a successor that hangs at once":    {{"successor begun hang", "has not started to serve within"}},
		"in a successor that hangs":            {{"successor reads hang", "has not started to serve within"}},
		"in a successor that hangs at the end": {{"successor serves hang", "has not started to serve within"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := installFaulty(t)
			var ends atomic.Bool
			client := listen(t, f.front, "/stream?cname=c0&seq=1", &ends)
			defer ends.Store(true)
			f.hears(client, "at first")
			for _, fault := range faults {
				f.survives(client, fault[0], fault[1])
			}
		})
	}
}

// TestUpgradeFaultsLoops: the same if the upgrade also changes the number of loops.
func TestUpgradeFaultsLoops(t *testing.T) {
	t.Parallel()
	f := installFaulty(t, "--state", filepath.Join(t.TempDir(), "state"))
	var ends atomic.Bool
	client := listen(t, f.front, "/stream?cname=c0&seq=1", &ends)
	defer ends.Store(true)
	f.hears(client, "at first")
	loops := 2
	for _, fault := range [][2]string{
		{"server writes error", "made to fail"}, {"server keeps error", "made to fail"}, {"server executes error", "made to fail"},
		{"rehearsal handed kill", "signal: killed"}, {"rehearsal handed memory", "out of memory"}, {"rehearsal made error", "made to fail"},
		{"rehearsal made memory", "out of memory"}, {"successor reads error", "made to fail"}, {"successor reads descriptors", "too many open files"},
		{"successor serves error", "made to fail"},
	} {
		before := loops
		loops = 1 + loops%3
		f.instead(0, fmt.Sprintf("--loops %d", loops))
		f.survives(client, fault[0], fault[1])
		if st := f.status(); st.Loops != loops || st.FromLoops != before {
			t.Errorf("%s: %d loops after %d, want %d after %d", fault[0], st.Loops, st.FromLoops, loops, before)
		}
	}
}

// TestUpgradeFaultsTooLate: after a rehearsal has reported success, its own end does not
// matter.
func TestUpgradeFaultsTooLate(t *testing.T) {
	t.Parallel()
	f := installFaulty(t)
	for _, fault := range []string{"exit", "kill", "memory"} {
		f.at("rehearsal ready " + fault)
		if said, err := f.upgrade(); err != nil {
			t.Errorf("%s: %v, %s", fault, err, said)
		}
	}
}

// TestUpgradeFaultsHugePages: the rehearsal gets no huge pages, and for the server nothing
// changes.
func TestUpgradeFaultsHugePages(t *testing.T) {
	t.Parallel()
	f := installFaulty(t)
	server := f.cmd.Process.Pid
	before := givenHugePages(t, server)
	f.at("rehearsal begun wait")
	if err := f.cmd.Process.Signal(unix.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	f.reached()
	family, err := proc.Process(server).Family()
	if err != nil || len(family) != 2 {
		t.Fatalf("processes %v: %v; want a server and a rehearsal", family, err)
	}
	if now := givenHugePages(t, server); now != before || givenHugePages(t, family[1]) {
		t.Errorf("the server may have huge pages: %v, and %v before; its rehearsal must not", now, before)
	}
	f.at("")
}

// givenHugePages reports whether a process may use huge pages.
func givenHugePages(t *testing.T, pid int) bool {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	return !strings.Contains(string(status), "\nTHP_enabled:\t0\n")
}

// TestUpgradeFaultsLost: if the successor is killed, the connections are lost. A server that is
// then started has the channels of the state file. A client that comes back with its cursor
// receives the messages that follow.
func TestUpgradeFaultsLost(t *testing.T) {
	for _, fault := range []string{"successor begun kill", "successor begun memory", "successor serves kill", "back reads error"} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			state := filepath.Join(t.TempDir(), "state")
			f := installFaulty(t, "--state", state)
			conn, lines := raw(t, f.front, "GET /stream?cname=c0&seq=1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
			f.push("c0", "first")
			readUntil(t, lines, "first")
			epoch := f.epoch("c0")
			if _, _, back := strings.Cut(fault, "back "); back {
				fault = "back reads error"
				f.write(t, []byte("#!/bin/sh\ncase \"$CCOMET_UPGRADE\" in\nsuccessor*) exec "+f.versions[2]+" \"$@\" ;;\n*) exec "+f.versions[1]+" \"$@\" ;;\nesac\n"))
			}
			f.at(fault)
			if said, err := f.upgrade(); err == nil || !strings.Contains(said, "has ended") {
				t.Errorf("%v, said %q", err, said)
			}
			for {
				if _, err := lines.ReadString('\n'); err != nil {
					break
				}
			}
			conn.Close()
			if err := f.wait(); err == nil {
				t.Error("the lost server ended without an error")
			}
			p := start(t, nil, "--state", state)
			_, lines = raw(t, p.front, "GET /stream?cname=c0&seq=2&lost=1&epoch="+epoch+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
			p.push("c0", "second")
			readUntil(t, lines, "second")
		})
	}
}

// TestUpgradeFaultsRestart: if the server has ended for a restart and the new version cannot
// start, the old version starts again, with all channels.
func TestUpgradeFaultsRestart(t *testing.T) {
	for _, fault := range []string{"successor begins error", "successor begins hang", "successor begins descriptors", "successor serves error", "server executes error"} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			f := installFaulty(t, "--drain-time", "0.2")
			f.push("c0", "first")
			f.instead(3, "--loops 3")
			f.at(fault)
			said, err := f.upgrade()
			if fault == "server executes error" { // in both directions
				if err == nil || !strings.Contains(said, "has ended") {
					t.Errorf("%v, said %q", err, said)
				}
				return
			}
			if err == nil || !strings.Contains(said, "not upgraded") {
				t.Errorf("%v, said %q\n%s", err, said, f.logged())
			}
			if now := f.status(); now.Version != "v1.0.1" || now.Restarts != 1 || now.Failures != 1 || now.Restarted == "" {
				t.Errorf("status %+v", now)
			}
			_, lines := raw(t, f.front, "GET /stream?cname=c0&seq=1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
			readUntil(t, lines, "first")
			f.push("c0", "second")
			readUntil(t, lines, `"seq":2`)
		})
	}
}

// TestUpgradeFaultsSignals: SIGTERM ends the server at any step of an upgrade. A second upgrade
// is refused with an error.
func TestUpgradeFaultsSignals(t *testing.T) {
	for _, step := range []string{"rehearsal checked", "server parks", "server writes", "server keeps", "server executes", "successor begun", "successor serves"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			f := installFaulty(t, "--drain-time", "0.1", "--state", filepath.Join(t.TempDir(), "state"))
			f.push("c0", "kept")
			f.at(step + " wait")
			if err := f.cmd.Process.Signal(unix.SIGUSR2); err != nil {
				t.Fatal(err)
			}
			f.reached()
			if step == "rehearsal checked" {
				if said, err := f.upgrade(); err == nil || !strings.Contains(said, "an upgrade is under way already") {
					t.Errorf("a second upgrade: %v, said %q", err, said)
				}
				if err := f.cmd.Process.Signal(unix.SIGUSR2); err != nil {
					t.Fatal(err)
				}
				f.logs("an upgrade is under way already")
			}
			if err := f.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(step, "server p") || strings.HasPrefix(step, "server w") {
				f.logs("stopping: a second signal stops the server at once")
			}
			if step != "rehearsal checked" { // at that step, the upgrade is abandoned
				f.at("")
			}
			err := f.wait()
			if step == "server executes" { // at that step, SIGTERM ends the process at once
				if err == nil || !strings.Contains(err.Error(), "signal: terminated") {
					t.Errorf("%v\n%s", err, f.logged())
				}
				return
			}
			if err != nil {
				t.Errorf("%v\n%s", err, f.logged())
			}
			if !strings.Contains(f.logged(), `"message":"stopped"`) || !strings.Contains(f.logged(), "state written") {
				t.Errorf("it ended with an error:\n%s", f.logged())
			}
			if upgraded := strings.Contains(f.logged(), "upgraded: all connections continue"); upgraded != strings.HasPrefix(step, "successor") {
				t.Errorf("it was upgraded: %v\n%s", upgraded, f.logged())
			}
		})
	}
}
