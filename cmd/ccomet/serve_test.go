package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestServesAndStops(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		p := start(t, nil, "--drain-time", "1")
		if a := get(t, p.admin, "/healthz"); a.status != 200 || a.body != "ok" {
			t.Errorf("healthz: %d %q", a.status, a.body)
		}
		stream, err := client.Get("http://" + p.front + "/stream?cname=a")
		if err != nil {
			t.Fatal(err)
		}
		old, err := net.Dial("tcp", p.front)
		if err != nil {
			t.Fatal(err)
		}
		defer old.Close()
		_, _ = io.WriteString(old, "GET /stream?cname=a HTTP/1.0\r\n\r\n")
		oldStream := bufio.NewReader(old)
		for line := ""; !strings.Contains(line, "next_seq"); {
			if line, err = oldStream.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
		p.stop(sig)
		// Cut without a regular end, so that the client reconnects.
		if _, err := io.ReadAll(oldStream); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%v: a stream in HTTP/1.0 ended with %v", sig, err)
		}
		if _, err := io.ReadAll(stream.Body); err == nil {
			t.Errorf("%v: the stream ended as if there were no more to come", sig)
		}
		stream.Body.Close()
		if !strings.Contains(p.logged(), `"message":"stopped"`) {
			t.Errorf("%v: the log does not report the end: %s", sig, p.logged())
		}
	}
}

// TestDescriptors: the soft limit is raised to the hard one, and the log says how many
// connections that allows.
func TestDescriptors(t *testing.T) {
	t.Parallel()
	p := start(t, nil)
	var hard syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &hard); err != nil {
		t.Fatal(err)
	}
	var line struct{ Limit, Own, Connections uint64 }
	for _, text := range strings.Split(p.logged(), "\n") {
		if strings.Contains(text, `"message":"descriptors"`) {
			if err := json.Unmarshal([]byte(text), &line); err != nil {
				t.Fatal(err)
			}
		}
	}
	if line.Limit != hard.Max || line.Own == 0 || line.Connections != line.Limit-line.Own {
		t.Errorf("it says %+v, the hard limit is %d", line, hard.Max)
	}
	limits, err := os.ReadFile("/proc/" + itoa(p.cmd.Process.Pid) + "/limits")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range strings.Split(string(limits), "\n") {
		if f := strings.Fields(text); strings.HasPrefix(text, "Max open files") && f[3] != f[4] {
			t.Errorf("soft and hard differ: %s", text)
		}
	}
}

// flagEffects are settings with a check that each has an effect.
var flagEffects = []struct {
	args  string
	check func(t *testing.T, p *process)
}{
	{"--loops 3", says("loops", 3.0)},
	{"--request-timeout 20s", says("request-timeout", 20.0)},
	{"--max-head 4096", says("max-head", 4096.0)},
	{"--auth token", answers("/poll?cname=a&seq=0", `"type":"401"`)},
	{"--auth none", answers("/poll?cname=a&seq=0", `"type":"next_seq"`)},
	{"--polling-timeout 7", answers("/ping", `"sub_timeout":7`)},
	{"--polling-timeout 1m10s", answers("/ping", `"sub_timeout":70`)},
	{"--max-head 2048", func(t *testing.T, p *process) {
		ends(t, p, "GET /ping HTTP/1.1\r\nHost: a\r\nX: "+strings.Repeat("x", 3000), "the limit is 2048 bytes")
	}},
	{"--channel-timeout 17", func(t *testing.T, p *process) {
		if a := get(t, p.admin, "/sign?cname=a"); !strings.Contains(a.body, `"expires":17`) {
			t.Error(a.body)
		}
	}},
	{"--max-message 8", func(t *testing.T, p *process) {
		if a := get(t, p.admin, "/push?cname=a&content=123456789"); a.status != 413 || !strings.Contains(a.body, "8") {
			t.Error(a)
		}
	}},
	{"--max-channels 1", func(t *testing.T, p *process) {
		p.push("a", "x")
		if a := get(t, p.admin, "/push?cname=b&content=x"); a.status != 429 {
			t.Error(a)
		}
	}},
	{"--max-subscribers-per-channel 1", func(t *testing.T, p *process) {
		stream := open(t, p.front, "/stream?cname=a&seq=0")
		if line, err := stream.ReadString('\n'); err != nil {
			t.Fatal(line, err)
		}
		answers("/poll?cname=a&seq=1", "Too many subscribers")(t, p)
	}},
	{"--channel-buffer-size 2", keeps(2)},
	{"--channel-buffer-size 0", keeps(0)},
	// A message takes 20 bytes and its content, here one byte, rounded up to whole words.
	{"--channel-buffer-bytes 72", keeps(3)},
	{"--channel-buffer-bytes 71", keeps(2)},
	{"--cors-origin https://example.com", func(t *testing.T, p *process) {
		req, err := http.NewRequest(http.MethodGet, "http://"+p.front+"/ping", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Origin", "https://example.com")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.Header.Get("Access-Control-Allow-Origin") != "https://example.com" {
			t.Error(resp.Header)
		}
	}},
	{"--idle-timeout 1", func(t *testing.T, p *process) { ends(t, p, "GET /ping HTTP/1.1\r\nHost: a\r\n\r\n", "200") }},
	{"--request-timeout 1", func(t *testing.T, p *process) { ends(t, p, "GET /ping HTTP/1.1\r\n", "408") }},
	{"--ccomet 127.0.0.1:0 --ccomet 127.0.0.1:0", func(t *testing.T, p *process) {
		for _, address := range p.serving["ccomet"].([]any) {
			if a := get(t, address.(string), "/sign?channel=c&sname=u&callback=f"); a.body != `f('[{"type" : "sign in"}]')` {
				t.Error(a)
			}
		}
	}},
	{"--front 127.0.0.1:0 --front 127.0.0.1:0", func(t *testing.T, p *process) {
		for _, address := range p.serving["front"].([]any) {
			get(t, address.(string), "/ping")
		}
	}},
}

// TestFlags: the effects of settings that can be seen at once.
func TestFlags(t *testing.T) {
	t.Parallel()
	for _, c := range flagEffects {
		t.Run(c.args, func(t *testing.T) {
			t.Parallel()
			p := start(t, nil, strings.Fields(c.args)...)
			c.check(t, p)
			p.stop(syscall.SIGTERM)
		})
	}
}

// says expects a value in the log line of the start.
func says(key string, want any) func(*testing.T, *process) {
	return func(t *testing.T, p *process) {
		t.Helper()
		if got := p.serving[key]; got != want {
			t.Errorf("%s is %v, want %v", key, got, want)
		}
	}
}

// answers expects a text from the front side.
func answers(path, want string) func(*testing.T, *process) {
	return func(t *testing.T, p *process) {
		t.Helper()
		if a := get(t, p.front, path); !strings.Contains(a.body, want) {
			t.Errorf("%s answers %d %q, want %s", path, a.status, a.body, want)
		}
	}
}

// keeps expects that of five messages the last n are stored.
func keeps(n int) func(*testing.T, *process) {
	return func(t *testing.T, p *process) {
		t.Helper()
		for range 5 {
			p.push("a", "x")
		}
		a := get(t, p.front, "/poll?cname=a&seq=1&lost=1")
		if got := strings.Count(a.body, `"type":"data"`); got != n || !strings.Contains(a.body, `"content":"1-`+itoa(5-n)+`"`) {
			t.Errorf("it keeps %d, want %d: %s", got, n, a.body)
		}
	}
}

// ends expects that the server closes a connection by itself, after an answer.
func ends(t *testing.T, p *process, request, want string) {
	t.Helper()
	c, err := net.Dial("tcp", p.front)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(c); err != nil || !strings.Contains(string(got), want) {
		t.Errorf("%q, %v: want %s", got, err, want)
	}
}

// open starts an endless response.
func open(t *testing.T, address, path string) *bufio.Reader {
	t.Helper()
	resp, err := client.Get("http://" + address + path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return bufio.NewReader(resp.Body)
}

// TestSecret: a token outlives a restart if its channel does and the key is the same.
func TestSecret(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name          string
		state         bool
		before, after string // the key
		good          bool
	}{
		{"a key and a state file", true, "s", "s", true},
		{"a random key and a state file", true, "", "", true},
		{"another key", true, "s", "other", false},
		{"a key without a state file", false, "s", "s", false},
		{"neither", false, "", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			args := []string{"--auth", "token", "--drain-time", "0"}
			if c.state {
				args = append(args, "--state", filepath.Join(t.TempDir(), "state"), "--state-interval", "0")
			}
			p := start(t, []string{"CCOMET_SECRET=" + c.before}, args...)
			var sign struct{ Token string }
			if err := json.Unmarshal([]byte(get(t, p.admin, "/sign?cname=a&expires=600").body), &sign); err != nil {
				t.Fatal(err)
			}
			path := "/poll?" + url.Values{"cname": {"a"}, "token": {sign.Token}}.Encode()
			answers(path, "next_seq")(t, p)
			p.stop(syscall.SIGTERM)

			p = start(t, []string{"CCOMET_SECRET=" + c.after}, args...)
			get(t, p.admin, "/sign?cname=a&expires=600") // the channel exists, old or new
			want := `"type":"401"`
			if c.good {
				want = "next_seq"
			}
			answers(path, want)(t, p)
			p.stop(syscall.SIGTERM)
		})
	}
}

// TestLogOnUnixSockets: the format of the log. The test cannot wait for its lines, so the
// server listens on known addresses.
func TestLogOnUnixSockets(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ args, has, hasNot string }{
		{"--log-level error", "", "serving"},
		{"--log-format console", " serving ", "{"},
		{"--log-format json --log-level debug", `"message":"serving"`, "INF"},
	} {
		dir := t.TempDir()
		front, admin := filepath.Join(dir, "front"), filepath.Join(dir, "admin")
		args := append([]string{"serve", "--front", "unix:" + front, "--admin", "unix:" + admin}, strings.Fields(c.args)...)
		cmd := command(nil, args...)
		var log strings.Builder
		cmd.Stderr = &log
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = cmd.Process.Kill() }()
		resp, err := over(admin).Get("http://unix/healthz")
		if a := read(t, resp, err); a.body != "ok" {
			t.Error(a)
		}
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil || !strings.Contains(log.String(), c.has) || strings.Contains(log.String(), c.hasNot) {
			t.Errorf("%s: %v, log: %s", c.args, err, log.String())
		}
		if _, err := os.Stat(front); err == nil {
			t.Error("the socket was not removed")
		}
	}
}

// over returns a client of a unix socket, which waits until a server listens.
func over(path string) *http.Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		for {
			c, err := new(net.Dialer).DialContext(ctx, "unix", path)
			if err == nil || ctx.Err() != nil {
				return c, err
			}
			<-time.After(5 * time.Millisecond)
		}
	}
	return &http.Client{Timeout: hangTimeout, Transport: &http.Transport{DisableKeepAlives: true, DialContext: dial}}
}

// The reader of the log may end or block, and the server continues.
func TestLogReader(t *testing.T) {
	t.Parallel()
	t.Run("ends", func(t *testing.T) { logReader(t, func(read, _ *os.File) { read.Close() }) })
	t.Run("stands still", func(t *testing.T) { logReader(t, func(_, write *os.File) { fill(t, write) }) })
}

// logReader runs a server whose log reader does something as soon as the server serves.
func logReader(t *testing.T, does func(read, write *os.File)) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	cmd := command(nil, "serve", "--front", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--max-channels", "1", "--drain-time", "0")
	cmd.Stderr = write
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // already ended if the test passes
	lines := bufio.NewScanner(read)
	var line struct{ Admin []string }
	for len(line.Admin) == 0 && lines.Scan() {
		_ = json.Unmarshal(lines.Bytes(), &line) // other lines have no such field
	}
	if len(line.Admin) == 0 {
		t.Fatal("it does not serve")
	}
	does(read, write)
	for n, status := range []int{200, 429, 429} { // the second is logged
		if a := get(t, line.Admin[0], fmt.Sprintf("/push?cname=c%d&content=x", n)); a.status != status {
			t.Errorf("push %d: %d", n, a.status)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// fill writes to a pipe until it is full.
func fill(t *testing.T, pipe *os.File) {
	t.Helper()
	fd := int(pipe.Fd())
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	for line := []byte("\n"); ; {
		if _, err := unix.Write(fd, line); err == unix.EAGAIN {
			break
		} else if err != nil && err != unix.EINTR {
			t.Fatal(err)
		}
	}
	if err := unix.SetNonblock(fd, false); err != nil {
		t.Fatal(err)
	}
}
