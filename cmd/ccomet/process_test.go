package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// These tests run the program itself, built once, and use TCP. They wait more than they
// compute, so nearly all run concurrently (TestMain runs several more at a time than there are
// processors). Rules for a test here:
//
//   - It begins with t.Parallel(), unless it changes the process (t.Setenv): such tests run
//     before all others, one by one. The rows of a table that start a server each are parallel
//     too.
//   - It has its own resources: addresses with port 0 (or reserve), t.TempDir, a server by
//     start. Only the browser is shared (newBrowser): each visitor has a profile, and no test
//     ends it.
//   - It waits for events, at most for hangTimeout (until, holds, logs), and never for a period
//     of time. Times that take seconds by default and are not its subject are set shorter:
//     --drain-time, --polling-timeout, --state-interval.
//   - If it needs a large program (Chromium, nginx, Prometheus), "make check" skips it by
//     -short (needsMuch).
//   - At its end the server has ended. A clean stop (p.stop) with a connected client takes
//     --drain-time.

var program string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	if signal.Ignored(unix.SIGHUP) { // as with nohup: the servers that tests start must not inherit it
		signal.Notify(make(chan os.Signal, 1), unix.SIGHUP)
	}
	dir, err := os.MkdirTemp("", "ccomet-test")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "ccomet")
	if err := build(program); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	severalAtOnce()
	defer func() { endChromium() }()
	return m.Run()
}

// buildTags are the tags of the tests, with which the program is built too.
var buildTags string

// build builds the program, with the race detector if the tests have it, else as for users.
func build(file string, flags ...string) error {
	args := append([]string{"build", "-buildvcs=false", "-tags", buildTags, "-o", file}, flags...)
	cgo := "CGO_ENABLED=0"
	if raceDetected() {
		args, cgo = append(args, "-race"), "CGO_ENABLED=1"
	}
	cmd := exec.Command("go", append(args, ".")...)
	cmd.Env = append(os.Environ(), cgo)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building the program: %w\n%s", err, out)
	}
	return nil
}

// severalAtOnce runs more tests concurrently than there are processors, unless -parallel is
// set.
func severalAtOnce() {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		_ = flag.Set("test.parallel", strconv.Itoa(3*runtime.GOMAXPROCS(0)))
	}
}

// raceDetected reports whether the tests, and so the program, are built with the race detector.
func raceDetected() bool {
	info, _ := debug.ReadBuildInfo()
	for _, s := range info.Settings {
		if s.Key == "-race" {
			return s.Value == "true"
		}
	}
	return false
}

// hangTimeout is the time limit for an event. It is so long that only an event that never
// happens exceeds it, on however slow a machine.
const hangTimeout = 3 * time.Minute

// process is a running server.
type process struct {
	t            *testing.T
	cmd          *exec.Cmd
	front, admin string // its first addresses
	serving      map[string]any
	stdout       bytes.Buffer
	ended        chan error

	mu  sync.Mutex
	log []string
}

// command prepares to run the program with the environment env.
func command(env []string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "CCOMET_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	// Otherwise the race detector would delay the end of each process by a second.
	cmd.Env = append(append(cmd.Env, "GORACE=atexit_sleep_ms=0"), env...)
	return cmd
}

// start runs a server on free ports, unless args or env set others, until the test ends.
func start(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	given := strings.Join(append(env, args...), " ")
	for _, side := range []string{"front", "admin"} {
		if !strings.Contains(given+" ", "--"+side+" ") && !strings.Contains(given, "--config") {
			args = append(args, "--"+side, "127.0.0.1:0")
		}
	}
	if !strings.Contains(given, "loops") && !strings.Contains(given, "--config") {
		args = append(args, "--loops", "2") // independent of the CPUs; two loops, so that mail between loops is tested
	}
	return serving(t, command(env, append([]string{"serve"}, args...)...))
}

// serving runs a command that serves, until the test ends.
func serving(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd, ended: make(chan error, 1)}
	p.cmd.Stdout = &p.stdout
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.kill()
		if strings.Contains(p.logged(), "WARNING: DATA RACE") { // if it is killed, its exit status is lost
			t.Errorf("the server has a data race:\n%s", p.logged())
		}
	})
	served := make(chan struct{})
	go p.read(stderr, served)
	select {
	case <-served:
	case <-time.After(hangTimeout):
		t.Fatal("the server does not report that it serves")
	}
	if p.serving == nil {
		t.Fatalf("the server ended: %s", p.logged())
	}
	p.front, p.admin = p.address("front"), p.address("admin")
	return p
}

// read reads the log until the program ends. served is closed when it serves, or has ended.
func (p *process) read(stderr io.Reader, served chan struct{}) {
	lines := bufio.NewScanner(stderr)
	waiting := true
	for lines.Scan() {
		p.mu.Lock()
		p.log = append(p.log, lines.Text())
		p.mu.Unlock()
		var line map[string]any
		if waiting && json.Unmarshal(lines.Bytes(), &line) == nil && line["message"] == "serving" {
			p.serving, waiting = line, false
			close(served)
		}
	}
	p.ended <- p.cmd.Wait()
	if waiting {
		close(served)
	}
}

func (p *process) address(side string) string {
	return p.serving[side].([]any)[0].(string)
}

func (p *process) logged() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.log, "\n")
}

// wait waits for the end of the program, and returns its result.
func (p *process) wait() error {
	select {
	case err := <-p.ended:
		p.ended <- err
		return err
	case <-time.After(hangTimeout):
		p.t.Error("the server does not end")
		return errors.New("still running")
	}
}

// kill ends it by SIGKILL.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.wait()
}

// stop ends it as a service manager would, and expects a clean end.
func (p *process) stop(sig syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatal(err)
	}
	if err := p.wait(); err != nil {
		p.t.Errorf("stopped by %v: %v\n%s", sig, err, p.logged())
	}
}

// client opens a new connection for each request, so that none remains to a stopped server.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: hangTimeout}

// answer is a complete response.
type answer struct {
	status int
	header http.Header
	body   string
}

func get(t *testing.T, address, path string) answer {
	t.Helper()
	resp, err := client.Get("http://" + address + path)
	return read(t, resp, err)
}

func post(t *testing.T, address, path string, form url.Values) answer {
	t.Helper()
	resp, err := client.PostForm("http://"+address+path, form)
	return read(t, resp, err)
}

func read(t *testing.T, resp *http.Response, err error) answer {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}

// push publishes on the admin side.
func (p *process) push(cname, content string) {
	p.t.Helper()
	if a := post(p.t, p.admin, "/push", url.Values{"cname": {cname}, "content": {content}}); a.status != 200 {
		p.t.Fatalf("push: %d %s", a.status, a.body)
	}
}

// epoch returns the epoch of a channel.
func (p *process) epoch(cname string) string {
	p.t.Helper()
	body := get(p.t, p.front, "/sub?epoch=&cname="+url.QueryEscape(cname)).body
	_, rest, ok := strings.Cut(body, `"epoch":"`)
	epoch, _, _ := strings.Cut(rest, `"`)
	if !ok {
		p.t.Fatalf("no epoch in %q", body)
	}
	return epoch
}

// reserve returns an address with a free port for the servers that a test runs one after the
// other. A socket is bound to the port and never listens, so that no other process gets the
// port in between.
func reserve(t *testing.T) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	for _, option := range []int{unix.SO_REUSEADDR, unix.SO_REUSEPORT} {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", bound.(*unix.SockaddrInet4).Port)
}
