package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ccomet/cmd/ccomet/internal/settings"
)

// activate starts the server as a service manager would: with listening sockets from descriptor
// 3 on, and their names. A shell sets LISTEN_PID to its own number before it executes the
// server.
func activate(t *testing.T, names string, sockets []*os.File, env []string, args ...string) *process {
	t.Helper()
	cmd := command(append(env, "LISTEN_FDS="+itoa(len(sockets)), "LISTEN_FDNAMES="+names), append([]string{"serve"}, args...)...)
	cmd.Args = append([]string{"sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, program}, cmd.Args[1:]...)
	cmd.Path = "/bin/sh"
	cmd.ExtraFiles = sockets
	return serving(t, cmd)
}

// socket returns a listening socket to pass on. The passing process keeps it.
func socket(t *testing.T, network, address string) (*os.File, string) {
	t.Helper()
	ln, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	file, err := ln.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file, ln.Addr().String()
}

// TestActivation: sockets of a service manager replace the configured addresses, and outlive
// the server. A client that connects meanwhile waits, and is served by the next server. Access
// rules apply to them too.
func TestActivation(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "front.sock")
	front, frontAt := socket(t, "tcp", "127.0.0.1:0")
	local, _ := socket(t, "unix", path)
	admin, adminAt := socket(t, "tcp", "127.0.0.1:0")
	dialect, dialectAt := socket(t, "tcp", "127.0.0.1:0")
	sockets := []*os.File{front, admin, local, dialect}
	flags := []string{"--drain-time", "1", "--front", "192.0.2.1:1", "--front-deny", "127.0.0.9", "--front-allow", "127.0.0.1,unix", "--trusted-proxy", "unix"}
	p := activate(t, "front:admin:front:ccomet", sockets, nil, flags...)
	if got, want := fmt.Sprint(p.serving["front"], p.serving["admin"], p.serving["ccomet"]), fmt.Sprint([]string{frontAt, "unix:" + path}, []string{adminAt}, []string{dialectAt}); got != want {
		t.Fatalf("it serves on %s, want %s", got, want)
	}
	stream, err := client.Get("http://" + frontAt + "/stream?cname=a")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	p.push("a", "x")
	expect(t, stream.Body, object("next_seq", "a", 1, "")+"\n"+object("data", "a", 1, "x")+"\n")
	for _, c := range []struct{ claim, status string }{{"127.0.0.1", "200"}, {"127.0.0.9", "403"}} {
		if got := ask(t, path, c.claim); got != c.status {
			t.Errorf("a proxy on the unix socket asks for %s: %s, want %s", c.claim, got, c.status)
		}
	}
	p.stop(syscall.SIGTERM)

	waiting, err := net.Dial("tcp", frontAt)
	if err != nil {
		t.Fatal("no process listens between two servers:", err)
	}
	defer waiting.Close()
	if _, err := io.WriteString(waiting, "GET /ping HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	p = activate(t, "front:admin:front:ccomet", sockets, nil, flags...)
	if line, err := bufio.NewReader(waiting).ReadString('\n'); !strings.Contains(line, " 200 ") {
		t.Errorf("a client that came between two servers got %q, %v", line, err)
	}
	p.stop(syscall.SIGTERM)
}

// ask returns the status of a request on a unix socket, by a proxy for a client.
func ask(t *testing.T, path, claim string) string {
	t.Helper()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET /ping HTTP/1.0\r\nX-Forwarded-For: %s\r\n\r\n", claim)
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(line)[1]
}

// TestActivationRefused: a start with inconsistent variables fails with a reason.
func TestActivationRefused(t *testing.T) {
	self := itoa(os.Getpid())
	for _, c := range []struct{ fds, names, want string }{
		{"1", "ccomet.socket", `a socket named "ccomet.socket": want front, admin or ccomet (FileDescriptorName=`},
		{"2", "front", "as many names as there are sockets, 2"},
		{"many", "front", `LISTEN_FDS is "many"`},
	} {
		t.Setenv("LISTEN_PID", self)
		t.Setenv("LISTEN_FDS", c.fds)
		t.Setenv("LISTEN_FDNAMES", c.names)
		var s serve
		if err := s.takeSockets(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s sockets %q: %v, want %q", c.fds, c.names, err, c.want)
		}
	}
	t.Setenv("LISTEN_PID", "1")
	t.Setenv("LISTEN_FDS", "1")
	t.Setenv("LISTEN_FDNAMES", "front")
	s := serve{Settings: settings.Settings{Front: []string{"127.0.0.1:8100"}}}
	if err := s.takeSockets(); err != nil || s.Front[0] != "127.0.0.1:8100" {
		t.Error("sockets of another process:", err, s.Front)
	}
	_, stderr, status := runFor(t, nil, "serve", "--front", "fd:99", "--admin", "127.0.0.1:0")
	if status != exitFailed || !strings.Contains(stderr, `"fd:99"`) || !strings.Contains(stderr, "not started with that descriptor") {
		t.Errorf("%d %s", status, stderr)
	}
}
