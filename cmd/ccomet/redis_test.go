package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// redis is a real redis-server.
type redis struct {
	t       *testing.T
	address string
	dir     string
	args    []string
	cmd     *exec.Cmd
	ended   chan struct{}
}

// newRedis runs a Redis with additional arguments, until the test ends.
func newRedis(t *testing.T, args ...string) *redis {
	t.Helper()
	needsMuch(t)
	path, err := exec.LookPath("redis-server")
	if err != nil {
		leaveOut(t, "no redis-server here: servers that share channels are not tested")
	}
	r := &redis{t: t, address: reserve(t), dir: t.TempDir()}
	_, port, _ := net.SplitHostPort(r.address)
	r.args = append([]string{path, "--port", port, "--bind", "127.0.0.1", "--dir", r.dir, "--save", "", "--logfile", "redis.log"}, args...)
	r.start()
	t.Cleanup(r.kill)
	return r
}

func (r *redis) url() string { return "redis://" + r.address }

// start starts it, also after kill.
func (r *redis) start() {
	r.t.Helper()
	cmd, ended := exec.Command(r.args[0], r.args[1:]...), make(chan struct{})
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.cmd, r.ended = cmd, ended
	go func() { _ = cmd.Wait(); close(ended) }()
	for limit := time.After(hangTimeout); ; {
		if answer, err := r.ask("PING"); err == nil && (answer == "+PONG" || strings.HasPrefix(answer, "-NOAUTH")) {
			return
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ended:
			r.t.Fatalf("redis-server ended: %s", r.log())
		case <-limit:
			r.t.Fatalf("redis-server does not serve: %s", r.log())
		}
	}
}

func (r *redis) log() string {
	text, _ := os.ReadFile(filepath.Join(r.dir, "redis.log"))
	return string(text)
}

// kill ends it by SIGKILL.
func (r *redis) kill() {
	_ = r.cmd.Process.Kill()
	<-r.ended
}

// pause suspends it, with its connections; goOn continues it.
func (r *redis) pause() { _ = r.cmd.Process.Signal(syscall.SIGSTOP) }
func (r *redis) goOn()  { _ = r.cmd.Process.Signal(syscall.SIGCONT) }

// ask executes a command, and returns the first line of the answer, or the content of a string.
func (r *redis) ask(args ...string) (string, error) {
	c, err := net.Dial("tcp", r.address)
	if err != nil {
		return "", err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(hangTimeout))
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, arg := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(arg), arg)
	}
	if _, err := c.Write([]byte(b.String())); err != nil {
		return "", err
	}
	in := bufio.NewReader(c)
	line, err := in.ReadString('\n')
	line = strings.TrimRight(line, "\r\n")
	if n, isLength := strings.CutPrefix(line, "$"); err == nil && isLength {
		size, _ := strconv.Atoi(n)
		text := make([]byte, max(size, 0))
		for at := 0; at < len(text) && err == nil; {
			var got int
			got, err = in.Read(text[at:])
			at += got
		}
		return string(text), err
	}
	return line, err
}

// mustAs executes a command that must succeed, with the default user's password.
func (r *redis) mustAs(password string, args ...string) {
	r.t.Helper()
	cmd := exec.Command("redis-cli", append([]string{"-p", r.address[strings.LastIndexByte(r.address, ':')+1:], "-a", password, "--no-auth-warning"}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil || strings.HasPrefix(string(out), "(error)") || strings.HasPrefix(string(out), "ERR") {
		r.t.Fatalf("%q: %s, %v", args, out, err)
	}
}

// must executes a command that must succeed.
func (r *redis) must(args ...string) string {
	r.t.Helper()
	answer, err := r.ask(args...)
	if err != nil || strings.HasPrefix(answer, "-") {
		r.t.Fatalf("%q: %s, %v", args, answer, err)
	}
	return answer
}

// newSentinel runs a single Sentinel for a Redis. lines are added to its configuration.
func newSentinel(t *testing.T, of *redis, master string, lines ...string) *redis {
	t.Helper()
	path, err := exec.LookPath("redis-sentinel")
	if err != nil {
		leaveOut(t, "no redis-sentinel here: failover is not tested")
	}
	s := &redis{t: t, address: reserve(t), dir: t.TempDir()}
	_, port, _ := net.SplitHostPort(s.address)
	config := filepath.Join(s.dir, "sentinel.conf")
	text := fmt.Sprintf("port %s\nbind 127.0.0.1\ndir %s\nlogfile redis.log\nsentinel monitor %s %s 1\nsentinel down-after-milliseconds %s 500\nsentinel failover-timeout %s 2000\n",
		port, s.dir, master, strings.ReplaceAll(of.address, ":", " "), master, master) + strings.Join(lines, "\n") + "\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.args = []string{path, config}
	s.start()
	t.Cleanup(s.kill)
	return s
}
