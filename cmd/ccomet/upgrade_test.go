package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ccomet/cmd/ccomet/internal/upgrade"
)

var upgrades = flag.Int("upgrades", 6, "how often the server is upgraded under load")

// versions are four builds of the program: two releases with one layout, and two with another
// layout, the last of which cannot read records written by name.
var versions = sync.OnceValues(func() (list [4]string, err error) {
	dir := filepath.Dir(program)
	const other = " -X ccomet/comet.layoutVersion=other"
	for i, ldflags := range []string{
		"-X main.release=v1.0.1", "-X main.release=v1.0.2", "-X main.release=v2.0.0" + other,
		"-X main.release=v0.9.0 -X ccomet/cmd/ccomet/internal/upgrade.capability=none" + other,
	} {
		list[i] = filepath.Join(dir, fmt.Sprintf("version%d", i))
		if err := build(list[i], "-ldflags", ldflags); err != nil {
			return list, err
		}
	}
	return list, nil
})

// replaceable is a server whose program file can be replaced.
type replaceable struct {
	*process
	path     string
	versions [4]string
}

func install(t *testing.T, args ...string) *replaceable {
	t.Helper()
	return installIn(t, nil, args...)
}

// installIn is install with additional environment variables for the server.
func installIn(t *testing.T, env []string, args ...string) *replaceable {
	t.Helper()
	list, err := versions()
	if err != nil {
		t.Fatal(err)
	}
	i := &replaceable{path: filepath.Join(t.TempDir(), "ccomet"), versions: list}
	i.put(t, list[0])
	cmd := command(env, append([]string{"serve", "--front", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--loops", "2"}, args...)...)
	cmd.Path, cmd.Args[0] = i.path, i.path
	i.process = serving(t, cmd)
	return i
}

// put replaces the program file with a copy of another file.
func (i *replaceable) put(t *testing.T, from string) {
	t.Helper()
	program, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	i.write(t, program)
}

func (i *replaceable) write(t *testing.T, program []byte) {
	t.Helper()
	// If another test forked a process now, that process would inherit the file open for
	// writing, and the program could not be executed.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(i.path+".new", program, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(i.path+".new", i.path); err != nil {
		t.Fatal(err)
	}
}

// upgrade runs "ccomet upgrade" and returns its output.
func (i *replaceable) upgrade() (said string, err error) {
	out, err := command(nil, "upgrade", "--admin", i.admin, "--timeout", "180").CombinedOutput()
	return string(out), err
}

// status returns the server's upgrade status.
func (i *replaceable) status() (s upgrade.Status) {
	i.t.Helper()
	if err := json.Unmarshal([]byte(get(i.t, i.admin, upgrade.Path).body), &s); err != nil {
		i.t.Fatal(err)
	}
	return s
}

// TestUpgradeUnderLoad: the server continues in one version and the other, in turn. Clients of
// all transports notice nothing, publishers are answered, and no descriptors leak.
func TestUpgradeUnderLoad(t *testing.T) {
	s := install(t, "--channel-buffer-size", "2000", "--channel-timeout", "600", "--pidfile", filepath.Join(t.TempDir(), "pid"))
	var ends atomic.Bool
	var clients []*listener
	for range 6 {
		for _, path := range []string{"/stream?cname=c0", "/sse?cname=c1", "/poll?cname=c0", "/stream?cname=c0&cname=c1&cname=c2", "/ws?cname=c1&cname=c2"} {
			clients = append(clients, listen(t, s.front, path, &ends))
		}
	}
	var published [3]atomic.Int64
	var all sync.WaitGroup
	for n := range published {
		all.Go(func() {
			client := &http.Client{Timeout: hangTimeout}
			for !ends.Load() {
				resp, err := client.Get(fmt.Sprintf("http://%s/push?cname=c%d&content=hello", s.admin, n))
				if err != nil || resp.StatusCode != 200 {
					t.Errorf("a publisher is answered %v, %v", resp, err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				published[n].Add(1)
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	hear := func() {
		for _, c := range clients {
			before := c.heard.Load()
			waited(t, "every client hears on", func() bool { return c.heard.Load() > before })
		}
	}
	hear() // all are connected
	descriptors := func() int { return openFiles(t, s.cmd.Process.Pid) }
	before := descriptors()
	for n := range *upgrades {
		s.put(t, s.versions[(n+1)%2])
		said, err := s.upgrade()
		if want := fmt.Sprintf("to v1.0.%d:", 2-n%2); err != nil || !strings.Contains(said, want) {
			t.Fatalf("%v: said %q, want %q\n%s", err, said, want, s.logged())
		}
		descriptorsStay(t, before, 4, descriptors)
		hear()
	}
	ends.Store(true)
	all.Wait()
	if st := s.status(); st.PID != s.cmd.Process.Pid || st.Upgrades != int64(*upgrades) || st.Error != "" {
		t.Errorf("status %+v", st)
	}
	for n := range published {
		if next := get(t, s.admin, fmt.Sprintf("/explain?cname=c%d", n)).body; !strings.Contains(next, fmt.Sprintf(`"next": %d,`, published[n].Load()+1)) {
			t.Errorf("%d messages were published to channel %d: %s", published[n].Load(), n, next)
		}
	}
	s.stop(syscall.SIGTERM)
}

// openFiles returns the number of a process's descriptors.
func openFiles(t *testing.T, pid int) int {
	t.Helper()
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// descriptorsStay waits until a process has as many descriptors as before, with a difference of most
// for the requests of the test. It has more while clients open and close connections.
func descriptorsStay(t *testing.T, before, most int, descriptors func() int) {
	t.Helper()
	now := 0
	untilOr(t, func() bool {
		now = descriptors()
		return max(now-before, before-now) <= most
	}, func() string { return fmt.Sprintf("%d descriptors after an upgrade, %d before the first", now, before) })
}

// waited waits for something that must happen.
func waited(t *testing.T, what string, happened func() bool) {
	t.Helper()
	untilOr(t, happened, func() string { return what })
}

// TestUpgradeRefused: whatever error the new program has before it takes over, the server
// continues, reports the error, and can be upgraded later.
func TestUpgradeRefused(t *testing.T) {
	t.Parallel()
	conf := filepath.Join(t.TempDir(), "ccomet.toml")
	settings := func(text string) {
		if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	settings("")
	s := install(t, "--config", conf)
	var ends atomic.Bool
	client := listen(t, s.front, "/stream?cname=c0&seq=1", &ends)
	defer ends.Store(true)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	real := "exec " + s.versions[1] + ` "$@"`
	for _, c := range []struct{ name, script, conf, want string }{
		{"ends", "exit 3", "", "exit status 3"},
		{"says why", "echo no luck >&2; exit 1", "", "no luck"},
		{"is killed", "kill -9 $$", "", "signal: killed"},
		{"says nonsense", "printf nonsense >&3; sleep 600", "", "cannot be parsed"},
		{"is no program", "", "", "it is not a program for this machine"},
		{"finds mistakes", real, "polling-timeout = 0\n", "polling-timeout"},
		{"could not begin at an address of another program", "exec " + s.versions[3] + ` "$@" --ccomet ` + taken.Addr().String(), "", "address already in use"},
		{"could not begin, where it cannot go on", "exec " + s.versions[3] + ` "$@" --ccomet 192.0.2.1:1`, "", "cannot assign requested address"},
		{"would have another secret", real, "secret = \"other\"\n", "the secret is not the running server's"},
		{"would have another state", real, "state = \"" + conf + ".state\"\n", "the state file is"},
		{"would have another pid file", real, "pidfile = \"" + conf + ".pid\"\n", "pidfile has changed from \"\" to"},
		{"cannot listen", real, "ccomet = [\"192.0.2.1:1\"]\nloops = 3\n", "cannot assign requested address"},
		{"dies when it has been handed the server", `case "$CCOMET_UPGRADE" in rehearsal) (exec 4<&3; sleep 600)& esac; ` + `printf '{"Version":"x","Layout":"` + layoutOf(t, s) + `"}' >&3; exit 4`, "", "exit status 4"},
	} {
		settings(c.conf)
		script := c.script
		if script != "" {
			script = "#!/bin/sh\n" + script + "\n"
		}
		s.write(t, []byte(script))
		said, err := s.upgrade()
		if err == nil || !strings.Contains(said, "not upgraded") || !strings.Contains(said, c.want) {
			t.Errorf("a program that %s: %v, printed %q, want %q", c.name, err, said, c.want)
		}
		before := client.heard.Load()
		s.push("c0", "on")
		waited(t, "the client hears on", func() bool { return client.heard.Load() > before })
	}
	settings("polling-timeout = 20\n")
	s.put(t, s.versions[1])
	if said, err := s.upgrade(); err != nil {
		t.Errorf("after all: %v: %s", err, said)
	}
	before := client.heard.Load()
	s.push("c0", "on")
	waited(t, "the client hears on", func() bool { return client.heard.Load() > before })
	if !strings.Contains(s.logged(), `"polling-timeout":20`) {
		t.Error("a setting that has changed does not hold")
	}
}

// layoutOf returns the record layout of the versions.
func layoutOf(t *testing.T, s *replaceable) string {
	t.Helper()
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	mine, its := os.NewFile(uintptr(ends[0]), "mine"), os.NewFile(uintptr(ends[1]), "its")
	defer mine.Close()
	cmd := command([]string{"CCOMET_UPGRADE=rehearsal"}, "serve", "--front", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	cmd.ExtraFiles = []*os.File{its}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	its.Close()
	var said struct{ Layout string }
	if err := json.NewDecoder(mine).Decode(&said); err != nil || said.Layout == "" {
		t.Fatal(said, err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	return said.Layout
}

// TestUpgradeWayBack: if a program has rehearsed successfully but then cannot take over, the
// old program continues with every connection. Garbage is collected all the time: it must not
// free what the way back needs.
func TestUpgradeWayBack(t *testing.T) {
	t.Parallel()
	s := installIn(t, []string{"GOGC=1"})
	var ends atomic.Bool
	client := listen(t, s.front, "/stream?cname=c0&seq=1", &ends)
	defer ends.Store(true)
	s.push("c0", "first")
	waited(t, "the client hears", func() bool { return client.heard.Load() > 0 })
	s.write(t, []byte("#!/bin/sh\ncase \"$CCOMET_UPGRADE\" in\nsuccessor*) exec "+s.versions[2]+" \"$@\" ;;\n*) exec "+s.versions[1]+" \"$@\" ;;\nesac\n"))
	said, err := s.upgrade()
	if err == nil || !strings.Contains(said, "another layout") {
		t.Errorf("%v: said %q\n%s", err, said, s.logged())
	}
	if st := s.status(); st.Version != "v1.0.1" || st.Attempts != 1 {
		t.Errorf("status %+v", st)
	}
	before := client.heard.Load()
	s.push("c0", "second")
	waited(t, "the client hears on", func() bool { return client.heard.Load() > before })
	if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", s.cmd.Process.Pid)); err != nil || strings.TrimSpace(string(name)) == "5" {
		t.Errorf("the process is called %q, %v", name, err)
	}
}

// TestUpgradeLost: if the new program is killed after it has replaced the old one, its
// connections are lost, and clients notice that.
func TestUpgradeLost(t *testing.T) {
	t.Parallel()
	s := install(t)
	conn, err := net.Dial("tcp", s.front)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /stream?cname=c0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
	s.write(t, []byte("#!/bin/sh\ncase \"$CCOMET_UPGRADE\" in\nsuccessor*) kill -9 $$ ;;\n*) exec "+s.versions[1]+" \"$@\" ;;\nesac\n"))
	if said, err := s.upgrade(); err == nil {
		t.Errorf("it printed %q", said)
	}
	if _, err := io.Copy(io.Discard, conn); err != nil && !errors.Is(err, unix.ECONNRESET) {
		t.Error(err)
	}
	if err := s.wait(); err == nil {
		t.Error("the killed server ended without an error")
	}
}

// TestUpgradeOff: a server started with --no-live-upgrade cannot be upgraded, and says so.
func TestUpgradeOff(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "--no-live-upgrade")
	out, err := command(nil, "upgrade", "--admin", p.admin).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "--no-live-upgrade") {
		t.Errorf("%v: %s", err, out)
	}
	if err := p.cmd.Process.Signal(unix.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	waited(t, "the log says so", func() bool { return strings.Contains(p.logged(), "not upgraded") })
	p.stop(syscall.SIGTERM)
}
