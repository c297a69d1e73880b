package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// restarts upgrades a server to a version that can only restart it.
func (i *replaceable) restarts(want string) {
	i.t.Helper()
	before := i.status()
	said, err := i.upgrade()
	ended := new(exec.ExitError)
	if !errors.As(err, &ended) || ended.ExitCode() != exitRestarted || !strings.Contains(said, want) || !strings.Contains(said, "their clients reconnect with their cursors") {
		i.t.Fatalf("%v: said %q, want %q\n%s", err, said, want, i.logged())
	}
	now := i.status()
	if now.PID != before.PID || now.Attempts != before.Attempts+1 || now.Restarts != before.Restarts+1 || now.Failures != before.Failures || now.Error != "" || now.Upgrading {
		i.t.Errorf("status was %+v, and is %+v", before, now)
	}
}

// instead makes a version of the program run with additional arguments.
func (i *replaceable) instead(version int, args string) {
	i.t.Helper()
	i.write(i.t, []byte("#!/bin/bash\nexec -a \"$0\" "+i.versions[version]+" \"$@\" "+args+"\n"))
}

// returning is clients of one channel. They reconnect with their cursors whenever they are
// disconnected, and must receive each message once.
type returning struct {
	t           *testing.T
	front, path string
	ends        atomic.Bool
	heard       [8]atomic.Int64 // number of the last message of each client
	back        atomic.Int64    // number of reconnects
	mu          sync.Mutex
	conns       []net.Conn
	all         sync.WaitGroup
}

func (r *returning) begin() {
	for n := range r.heard {
		r.all.Go(func() {
			for !r.ends.Load() {
				r.listen(n)
				r.back.Add(1)
			}
		})
	}
}

// listen reads until the connection ends.
func (r *returning) listen(n int) {
	conn, err := net.Dial("tcp", r.front)
	if err != nil {
		r.t.Errorf("no process listens: %v", err)
		r.ends.Store(true)
		return
	}
	defer conn.Close()
	r.mu.Lock()
	r.conns = append(r.conns, conn)
	r.mu.Unlock()
	last := &r.heard[n]
	fmt.Fprintf(conn, "GET %s&seq=%d HTTP/1.1\r\nHost: localhost\r\n\r\n", r.path, last.Load()+1)
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		for _, m := range dataSeq.FindAllStringSubmatch(lines.Text(), -1) {
			if seq, _ := strconv.Atoi(m[2]); int64(seq) != last.Add(1) {
				r.t.Errorf("client %d got %d, want %d", n, seq, last.Load())
				r.ends.Store(true)
			}
		}
	}
}

func (r *returning) end() {
	r.ends.Store(true)
	r.mu.Lock()
	for _, conn := range r.conns {
		conn.Close()
	}
	r.mu.Unlock()
	r.all.Wait()
}

// TestUpgradeRestarts: if a version cannot take over the running server, the server restarts in
// place. No client is refused, tokens made with a random secret stay valid, and each client
// that comes back with its cursor receives every message once.
func TestUpgradeRestarts(t *testing.T) {
	for _, kept := range []bool{false, true} {
		t.Run(fmt.Sprintf("state file %v", kept), func(t *testing.T) {
			t.Parallel()
			args := []string{"--drain-time", "0.2", "--channel-buffer-size", "5000", "--channel-timeout", "600", "--pidfile", filepath.Join(t.TempDir(), "pid"), "--auth", "token"}
			if kept {
				args = append(args, "--state", filepath.Join(t.TempDir(), "state"))
			}
			s := install(t, args...)
			var sign struct{ Token string }
			if err := json.Unmarshal([]byte(get(t, s.admin, "/sign?cname=c0&expires=600").body), &sign); err != nil || sign.Token == "" {
				t.Fatal(err, sign)
			}
			r := &returning{t: t, front: s.front, path: "/stream?cname=c0&token=" + sign.Token}
			r.begin()
			t.Cleanup(r.end)
			published := int64(0)
			publish := func() {
				for range 20 {
					s.push("c0", "on")
					published++
				}
				for n := range r.heard {
					waited(t, "every client hears all", func() bool { return r.heard[n].Load() == published || r.ends.Load() })
				}
			}
			publish()
			for _, c := range []struct {
				version    int
				args, want string
			}{
				{3, "", "to v0.9.0, which cannot take over the running server: its records have another layout, and it cannot read records written by name"},
				{3, "--loops 3 --ccomet 127.0.0.1:0", "to v0.9.0, which cannot take over the running server: it would have 3 loops instead of 2, and it cannot change the number of loops"},
			} {
				s.instead(c.version, c.args)
				s.restarts(c.want)
				publish()
			}
			r.ends.Store(true)
			if r.back.Load() < int64(2*len(r.heard)) {
				t.Errorf("clients reconnected %d times", r.back.Load())
			}
			if said, err := s.upgrade(); err != nil || !strings.Contains(said, "connections continue") {
				t.Errorf("while it runs: %v, %s", err, said)
			}
			s.stop(syscall.SIGTERM)
		})
	}
}

// TestUpgradeRestartEnded: SIGTERM while the server drains for a restart in place ends it
// without the restart.
func TestUpgradeRestartEnded(t *testing.T) {
	t.Parallel()
	slow := install(t, "--drain-time", "600")
	conn, lines := raw(t, slow.front, "GET /stream?cname=c0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
	readUntil(t, lines, "next_seq")
	slow.instead(3, "--loops 3")
	if err := slow.cmd.Process.Signal(unix.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	slow.logs("clients are disconnected, and reconnect to it")
	if err := slow.cmd.Process.Signal(unix.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	slow.logs("an upgrade is under way already")
	if err := slow.cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	slow.logs("stopping: a second signal stops the server at once")
	conn.Close()
	if err := slow.wait(); err != nil || strings.Contains(slow.logged(), "restarted") {
		t.Errorf("%v\n%s", err, slow.logged())
	}
}
