package cluster

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"ccomet/comet/cluster/redisurl"
)

// A redisServer is a redis-server for one test, in its own directory.
type redisServer struct {
	t    testing.TB
	name string
	args []string
	more []string // those args that the test has given
	dir  string
	url  string
	port int // 0: on a socket
	cmd  *exec.Cmd
}

// leaveOut skips a test, or fails it if no test may be skipped.
func leaveOut(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CCOMET_NO_SKIP") == "1" {
		t.Fatal(why + "; and tests may not be skipped")
	}
	t.Skip(why)
}

func findRedis(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		leaveOut(t, "no "+name+" here")
	}
	return path
}

// startRedis starts a Redis server on a Unix socket, without files unless args say otherwise.
func startRedis(t testing.TB, args ...string) *redisServer {
	t.Helper()
	dir := shortDir(t)
	s := &redisServer{t: t, name: "redis-server", dir: dir, url: "unix://" + filepath.Join(dir, "redis.sock")}
	s.args = append([]string{"--port", "0", "--unixsocket", filepath.Join(dir, "redis.sock"), "--save", "", "--dir", dir, "--enable-debug-command", "yes"}, args...)
	s.start()
	return s
}

// shortDir returns a directory whose path is short enough for a socket in it.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "bus")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func (s *redisServer) start() {
	s.t.Helper()
	s.cmd = exec.Command(findRedis(s.t, s.name), s.args...)
	if s.name == "redis-sentinel" {
		s.cmd = exec.Command(findRedis(s.t, "redis-server"), s.args...)
	}
	out, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.cmd.Stdout, s.cmd.Stderr = out, out
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	_ = out.Close()
	running := s.cmd
	s.t.Cleanup(func() {
		_ = running.Process.Kill()
		_ = running.Wait()
	})
	s.answers()
}

// answers waits until the server answers.
func (s *redisServer) answers() {
	s.t.Helper()
	waitFor(s.t, s.url+" answers", func() bool {
		network, address := "unix", strings.TrimPrefix(s.url, "unix://")
		if s.port != 0 {
			network, address = "tcp", "127.0.0.1:"+strconv.Itoa(s.port)
		}
		c, err := net.Dial(network, address)
		if err != nil {
			return false
		}
		defer func() { _ = c.Close() }()
		_ = c.SetDeadline(time.Now().Add(time.Second))
		_, _ = c.Write([]byte("PING\r\n"))
		answer := make([]byte, 5)
		n, _ := c.Read(answer)
		return strings.HasPrefix(string(answer[:n]), "+PONG")
	})
}

// kill ends the server like a power cut.
func (s *redisServer) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// do makes the server execute a command.
func (s *redisServer) do(words ...string) (string, error) {
	o, err := options(redisAt(s.t, s.url))
	if err != nil {
		return "", err
	}
	o.ForceSingleClient = true
	c, err := client(o, "test")
	if err != nil {
		return "", err
	}
	defer c.Close()
	ctx, done := context.WithTimeout(context.Background(), 30*time.Second)
	defer done()
	answer, err := c.Do(ctx, c.B().Arbitrary(words...).Build()).ToAny()
	if rueidis.IsRedisNil(err) {
		return "", nil
	}
	return fmt.Sprint(answer), err
}

func (s *redisServer) must(words ...string) string {
	s.t.Helper()
	answer, err := s.do(words...)
	if err != nil {
		s.t.Fatalf("%s: %v", strings.Join(words, " "), err)
	}
	return answer
}

// redisAt parses the URLs of Redis.
func redisAt(t testing.TB, urls ...string) redisurl.Servers {
	t.Helper()
	s, err := redisurl.Parse(urls)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// hang is the time after which a test takes a wait for a hang.
const hang = 2 * time.Minute

// waitFor waits until so returns true.
func waitFor(t testing.TB, what string, so func() bool) {
	t.Helper()
	for began := time.Now(); !so(); time.Sleep(2 * time.Millisecond) {
		if time.Since(began) > hang {
			t.Fatalf("never: %s\n%s", what, goroutines())
		}
	}
}

// within runs do, which must end by itself. If it does not, the test fails with the stacks of all
// goroutines.
func within(t testing.TB, what string, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	select {
	case <-done:
	case <-time.After(2 * hang): // do may have waits of its own, which fail with more detail
		t.Fatalf("has not ended: %s\n%s", what, goroutines())
	}
}

// goroutines returns the stacks of all goroutines.
func goroutines() string {
	text := make([]byte, 1<<20)
	return string(text[:runtime.Stack(text, true)])
}
